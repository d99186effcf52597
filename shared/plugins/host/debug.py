"""KB_JOBS_DEBUG: a plugin in this very process, so that a debugger stops in it.

Permissions hold by the audit hook and the same broker; quotas do not, since who looks at a breakpoint takes his time,
and neither do the walls of the kernel, which could not be taken down again. For a laptop, and for code that is known.
"""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shared.plugins.child import audit_hook, environ
from shared.plugins.child.client import rebuilt
from shared.plugins.child.context import Context
from shared.plugins.denied import NativeDenied
from shared.plugins.host.sandbox import Ended, Order, PluginFailed, own_of, readable

if TYPE_CHECKING:
    from shared.observability.log import Log
    from shared.plugins.host.broker import Broker

# The environment is one for all threads.
_ONE_AT_A_TIME = threading.Lock()
_inside = threading.local()
_watched: set[str] = set()


class Direct:
    """Asks the broker without a wire between; what the broker does, it does as the platform."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def ask(self, what: str, body: bytes = b"", /, **arguments: Any) -> tuple[Any, bytes]:
        with _as(""):
            answer, data = self._broker.answer({"ask": what, **arguments}, body)
        if answer.get("ok"):
            return answer["value"], data
        raise rebuilt(answer["kind"], answer["error"])


def run(order: Order, broker: Broker, log: Log, seconds: float) -> Ended:  # noqa: ARG001 - it has no end
    """As `sandbox.run`, without an end to its time. Raises PluginFailed."""
    # No other thread is his.
    root, began, used = str(order.root), time.monotonic(), time.thread_time()
    log.warning("plugin_debugged", note="in the host's process: permissions hold, quotas and the kernel's walls do not")
    with _ONE_AT_A_TIME:
        _watch(root)
        lift = environ.guard(broker.granted(), own_of(order), lambda: bool(_current()))
        sys.path.insert(0, root)
        module, _, function = order.handler.partition(":")
        try:
            with _as(root):
                # As it stands on the disk now: somebody is at work on it.
                sys.modules.pop(module, None)
                handler = getattr(importlib.import_module(module), function)
                result = handler(Context(order.context, Direct(broker)))
        except Exception as error:
            failed = PluginFailed(f"{type(error).__name__}: {error}")
            failed.cpu_ms = _since(used)
            raise failed from error
        finally:
            sys.path.remove(root)
            lift()
    took = int((time.monotonic() - began) * 1000)
    return Ended(result, _since(used), took, ("every wall of the kernel: KB_JOBS_DEBUG",))


def _since(used: float) -> int:
    return int((time.thread_time() - used) * 1000)


def _watch(root: str) -> None:
    """An audit hook is for ever; each is awake while a plugin of its own root runs in the thread that asks."""
    if root not in _watched:
        _watched.add(root)
        audit_hook.install(readable(root), lambda: _current() == root)


def _refuse_threads() -> None:
    """They would run as nobody's. Not every Python has an audit event for it."""
    start = threading.Thread.start

    def guarded(thread: threading.Thread) -> None:
        if _current():
            raise NativeDenied("thread", "cannot be watched in the host's process")
        start(thread)

    threading.Thread.start = guarded  # type: ignore[assignment,method-assign]


_refuse_threads()


def _current() -> str:
    found: str = getattr(_inside, "root", "")
    return found


@contextmanager
def _as(root: str) -> Iterator[None]:
    before, _inside.root = _current(), root
    try:
        yield
    finally:
        _inside.root = before
