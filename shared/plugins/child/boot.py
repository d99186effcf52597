"""Entry point of a plugin's process.

Restrict the process, call the handler, report the result.

Started as `python -I -S -B boot.py <descriptor>`; that descriptor is its only connection.
"""

from __future__ import annotations

import os
import resource
import socket
import sys
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))  # noqa: PTH100, PTH120 - pathlib is slow to import
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, SIGKILL = 1, 38, 9
FILES = 64


def main() -> None:
    sys.path.insert(0, ROOT)
    from shared.plugins.child import audit_hook, environ
    from shared.plugins.child.client import HostClient
    from shared.plugins.child.context import Context
    from shared.plugins.wire import Connection

    wire = Connection(socket.socket(fileno=int(sys.argv[1])))
    order, _ = wire.receive()
    sys.argv[:] = ["plugin"]
    missing = restrict(order)
    sys.path[:] = [*order["imports"], *(path for path in sys.path if path != ROOT)]
    _forget_native()
    environ.guard(order["env"], order["own"])
    audit_hook.install(order["readable"])
    host = HostClient(wire)
    host.tell("ready", missing=missing)
    context = Context(order["context"], host)
    try:
        module, _, function = order["handler"].partition(":")
        result = _json_data(getattr(_imported(module), function)(context))
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


def _forget_native() -> None:
    """Disable native interfaces that are loaded already.

    The audit hook prevents that they are loaded again.
    """
    import _imp
    import _posixsubprocess
    import posix
    import signal
    import time

    from shared.plugins.child.audit_hook import NATIVE, NATIVE_MODULES, UNAUDITED
    from shared.plugins.denied import NativeDenied, ShellDenied

    def fork_exec(*_: Any) -> int:
        raise ShellDenied("subprocess", "bypasses the context; use context.shell")

    load = _imp.create_dynamic

    def create_dynamic(spec: Any, *rest: Any) -> Any:
        # A module that was loaded before comes from a cache, without an audit event.
        if str(spec.name) in NATIVE_MODULES:
            raise NativeDenied(f"import {spec.name}", NATIVE)
        return load(spec, *rest)

    _posixsubprocess.fork_exec = fork_exec
    _imp.create_dynamic = create_dynamic
    for name in UNAUDITED:

        def refuse(*_: Any, what: str = name, **__: Any) -> None:
            raise NativeDenied(what, NATIVE)

        for module in (os, posix, time, signal, sys.modules["_signal"]):
            if hasattr(module, name):
                setattr(module, name, refuse)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("ctypes", "_ctypes")]:
        del sys.modules[name]


def _flush() -> None:
    """Flush printed output before the process exits."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue


def _imported(name: str) -> Any:
    import importlib

    return importlib.import_module(name)


def _json_data(result: Any) -> Any:
    import json

    try:
        text = json.dumps(result)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"the return value of the handler is not JSON: {error}") from None
    if len(text) > 64 * 1024:
        raise ValueError(
            f"the return value of the handler has {len(text):,} characters; the limit is 65,536, use a file for more"
        )
    return result


def _error_fields(error: BaseException) -> dict[str, str]:
    import traceback

    stack = "".join(traceback.format_exception(error))
    return {"kind": type(error).__name__, "error": str(error)[:2000], "stack": stack[-8000:]}


if __name__ == "__main__":
    main()
