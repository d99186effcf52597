"""KB_JOBS_DEBUG: run a plugin in this process, so that breakpoints work.

The audit hook and the broker enforce permissions. Quotas are not enforced, since time passes at a breakpoint,
and neither are the kernel's restrictions, which cannot be lifted again. Only for trusted code on a laptop.
"""

from __future__ import annotations

import grp  # noqa: F401 - loaded already, so that libraries which import it can be imported by a plugin
import importlib
import pwd  # noqa: F401 - as above
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shared.plugins.child import audit_hook, environ
from shared.plugins.child.client import rebuild_error
from shared.plugins.child.context import Context
from shared.plugins.child.native_modules import ImportRules
from shared.plugins.denied import NativeDenied
from shared.plugins.host.sandbox import Order, PluginFailed, RunResult, imports, own_prefix, readable

if TYPE_CHECKING:
    from shared.observability.log import Log
    from shared.plugins.host.broker import PluginBroker

# The environment is shared by all threads.
_ONE_AT_A_TIME = threading.Lock()
_inside = threading.local()
_watched: set[str] = set()


class DirectClient:
    """Calls the broker directly, without a connection.

    The broker's own work is not restricted.
    """

    def __init__(self, broker: PluginBroker) -> None:
        self._broker = broker

    def ask(self, what: str, body: bytes = b"", /, **arguments: Any) -> tuple[Any, bytes]:
        with _as(""):
            answer, data = self._broker.answer({"ask": what, **arguments}, body)
        if answer.get("ok"):
            return answer["value"], data
        raise rebuild_error(answer["kind"], answer["error"])


def run(order: Order, broker: PluginBroker, log: Log, seconds: float) -> RunResult:  # noqa: ARG001 - no time limit
    """Like `sandbox.run`, without a time limit. Raises PluginFailed."""
    root, began, used = str(order.root), time.monotonic(), time.thread_time()
    log.warning(
        "plugin_debugged",
        note="in the host's process: permissions are enforced, quotas and kernel restrictions are not",
    )
    with _ONE_AT_A_TIME:
        _watch(order)
        lift = environ.guard(broker.granted(), own_prefix(order), lambda: bool(_current()))
        sys.path.insert(0, root)
        module, _, function = order.handler.partition(":")
        try:
            with _as(root):
                # Import the current source: the developer is editing it.
                sys.modules.pop(module, None)
                handler = getattr(importlib.import_module(module), function)
                result = handler(Context(order.context, DirectClient(broker)))
        except Exception as error:
            failed = PluginFailed(f"{type(error).__name__}: {error}")
            failed.cpu_ms = _since(used)
            raise failed from error
        finally:
            sys.path.remove(root)
            lift()
    took = int((time.monotonic() - began) * 1000)
    return RunResult(result, _since(used), took, ("all kernel restrictions: KB_JOBS_DEBUG",))


def _since(used: float) -> int:
    return int((time.thread_time() - used) * 1000)


def _watch(order: Order) -> None:
    """Install an audit hook, which is permanent.

    It is active only in threads that run a plugin of this root.
    """
    root = str(order.root)
    if root not in _watched:
        _watched.add(root)
        rules = ImportRules(imports(), own_prefix(order))
        audit_hook.install(readable(root), rules, lambda: _current() == root)


def _refuse_threads() -> None:
    """Refuse to start threads: they would not be watched.

    Not every Python has an audit event for it.
    """
    start = threading.Thread.start

    def guarded(thread: threading.Thread) -> None:
        if _current():
            raise NativeDenied("thread", "cannot be watched in the host's process")
        start(thread)

    threading.Thread.start = guarded  # type: ignore[assignment,method-assign]


_refuse_threads()


def _current() -> str:
    root: str = getattr(_inside, "root", "")
    return root


@contextmanager
def _as(root: str) -> Iterator[None]:
    before, _inside.root = _current(), root
    try:
        yield
    finally:
        _inside.root = before
