"""Entry point of a plugin's process.

Restrict the process, call the handler, report the result.

Started as `python -I -S -B boot.py <descriptor>`; that descriptor is its only connection.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import resource
import shlex  # noqa: F401 - of the context, imported before the plugin's folder is on the path
import socket
import sys
import traceback
from importlib.machinery import PathFinder
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))  # noqa: PTH100, PTH120 - pathlib is slow to import
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, SIGKILL = 1, 38, 9
FILES = 64


def main() -> None:
    sys.path.insert(0, ROOT)
    from shared.plugins.child import audit_hook, environ, native_functions
    from shared.plugins.child.client import HostClient
    from shared.plugins.child.context import Context
    from shared.plugins.child.native_modules import ImportRules
    from shared.plugins.wire import Connection

    wire = Connection(socket.socket(fileno=int(sys.argv[1])))
    order, _ = wire.receive()
    sys.argv[:] = ["plugin"]
    missing = restrict(order)
    # The standard library first, the plugin last: none of its files takes the place of another module.
    ours = (ROOT, order["root"])
    sys.path[:] = [*(path for path in (*sys.path, *order["packages"]) if path not in ours), order["root"]]
    rules = ImportRules(order["packages"], order["own"])
    native_functions.replace(rules)
    environ.guard(order["env"], order["own"])
    audit_hook.install(order["readable"], rules)
    host = HostClient(wire)
    # No code of the plugin has run so far.
    host.tell("ready", missing=missing)
    context = Context(order["context"], host)
    try:
        result = _json_data(_handler(order)(context))
        _flush()
        host.tell("done", result=result)
    except MemoryError:
        # Release memory, so that the failure can be reported.
        del context
        host.tell("failed", kind="MemoryError", error="", stack="")
    except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt are failures too
        host.tell("failed", **_error_fields(error))
    finally:
        # os._exit does not wait for threads of the plugin.
        _flush()
        os._exit(0)


def restrict(order: Any) -> list[str]:
    """Apply all restrictions.

    Returns those that this system does not support, with the reason.
    """
    if not sys.platform.startswith("linux"):
        _limit(order)
        return [f"landlock, seccomp and no_new_privs: {sys.platform} has none"]
    import ctypes

    from shared.plugins.child import landlock, seccomp

    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    if os.getppid() != order["parent"]:
        os._exit(1)
    missing = []
    if library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        missing.append("no_new_privs")
    _limit(order)
    missing += [landlock.restrict(order["readable"]), seccomp.restrict()]
    return [why for why in missing if why]


def _limit(order: Any) -> None:
    """Set hard limits, which an unprivileged process cannot raise again.

    The limit of CPU time is a second above the quota, for a system on which the host cannot measure it: the kernel
    sends SIGXCPU, and SIGKILL a second later.
    """
    megabytes, seconds = order["limits"]["memory_mb"], -(-order["limits"]["cpu_ms"] // 1000) + 1
    _set(resource.RLIMIT_AS, _address_space() + (megabytes << 20))
    _set(resource.RLIMIT_CPU, seconds, seconds + 1)
    _set(resource.RLIMIT_NOFILE, FILES)
    _set(resource.RLIMIT_FSIZE, 0)
    _set(resource.RLIMIT_CORE, 0)


def _set(what: int, soft: int, hard: int | None = None) -> None:
    _, most = resource.getrlimit(what)
    limits = (soft, soft if hard is None else hard)
    try:
        resource.setrlimit(what, limits if most == resource.RLIM_INFINITY else (min(soft, most), min(limits[1], most)))
    except (OSError, ValueError):
        # macOS refuses some limits; docs/howto/plugin.md lists the missing ones.
        return


def _address_space() -> int:
    """Bytes that the bare interpreter has reserved, outside the quota."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - as above
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 256 << 20


def _flush() -> None:
    """Flush printed output before the process exits."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue


def _handler(order: Any) -> Any:
    """Load the handler from the plugin's own folder.

    An installed package of the same name is not loaded.
    """
    module, _, function = order["handler"].partition(":")
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in sys.modules:
        raise ImportError(f"the handler's module {top!r} has the name of a module of Python or the platform; rename it")
    spec = PathFinder.find_spec(top, [order["root"]])
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"the handler's module {top!r} is missing: there is none in {order['root']}")
    loaded = sys.modules[top] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return getattr(importlib.import_module(module), function)


def _json_data(result: Any) -> Any:
    from shared.plugins import wire

    try:
        text = json.dumps(result, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"the return value of the handler is not JSON: {error}") from None
    wire.check_result(text)
    return result


def _error_fields(error: BaseException) -> dict[str, str]:
    stack = "".join(traceback.format_exception(error))
    return {"kind": type(error).__name__, "error": str(error)[:2000], "stack": stack[-8000:]}


if __name__ == "__main__":
    main()
