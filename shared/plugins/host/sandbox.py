"""Run a plugin's handler in a separate process, with quotas."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.plugins.host.output_pump import OutputPump
from shared.plugins.host.watchdog import BOOT_SECONDS, MAX_THREADS, ProcessWatchdog
from shared.plugins.manifest.permissions import Limits
from shared.plugins.wire import Connection, ConnectionClosed, ProtocolError, TooLarge, check_result

if TYPE_CHECKING:
    from shared.observability.log import Log
    from shared.plugins.host.broker import PluginBroker

BOOT = Path(__file__).parents[1] / "child" / "boot.py"
PR_SET_DUMPABLE = 4
LONGEST_STACK = 8000
# Libraries of the system that Python's own are linked to, and the time zones.
SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/usr/share/zoneinfo")


class PluginRunError(Exception):
    """A plugin's run did not succeed."""

    cpu_ms = 0


class QuotaExceeded(PluginRunError):
    """The plugin was killed because it exceeded a quota."""


class WallClockExceeded(QuotaExceeded):
    pass


class MemoryExceeded(QuotaExceeded):
    pass


class CpuExceeded(QuotaExceeded):
    pass


class ThreadsExceeded(QuotaExceeded):
    pass


class PluginFailed(PluginRunError):
    """The handler raised, or its process ended.

    The message has the cause, `stack` the plugin's traceback.
    """

    def __init__(self, message: str, stack: str = "") -> None:
        super().__init__(message)
        self.stack = stack


@dataclass(frozen=True, slots=True)
class Order:
    """A handler to run, and its context."""

    handler: str
    #: The folder that it imports from.
    root: Path
    limits: Limits
    #: The facts of the run, as Context has them.
    context: Mapping[str, Any]


@dataclass(slots=True)
class RunResult:
    #: The return value of the handler.
    result: Any
    cpu_ms: int
    wall_ms: int
    #: Restrictions that this kernel does not support.
    missing: tuple[str, ...] = ()


def run(order: Order, broker: PluginBroker, log: Log, seconds: float) -> RunResult:
    """Run the handler for at most `seconds` or its own limit.

    Raises QuotaExceeded and PluginFailed.
    """
    host_end, plugin_end = socket.socketpair()
    with host_end:
        with plugin_end:
            process = _start(plugin_end.fileno())
        watch = ProcessWatchdog(process, order.limits, seconds)
        broker.remaining = watch.remaining
        pumps = [
            OutputPump(process.stdout, broker.output, "stdout"),
            OutputPump(process.stderr, broker.output, "stderr"),
        ]
        conversation = _Conversation(Connection(host_end), broker, watch, log)
        # Not a daemon: Lambda ends a process with a live thread instead of thawing it in the next invocation.
        thread = threading.Thread(
            target=conversation.serve, args=(_first_message(order, broker),), name="plugin-conversation"
        )
        try:
            watch.wait(thread)
        finally:
            watch.end()
            for pump in pumps:
                pump.end()
            # A request may outlive the run; its lines are dropped.
            broker.output.close()
    try:
        return conversation.result()
    except PluginRunError as error:
        error.cpu_ms = watch.cpu_ms
        raise


@cache
def _hide() -> None:
    """Hide environment, memory and files of this process in /proc.

    On a kernel without Landlock this is the only protection; man 2 PR_SET_DUMPABLE.
    """
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _start(end: int) -> subprocess.Popen[bytes]:
    _hide()
    # A new interpreter: a fork would copy every secret in the memory of the host.
    library = os.environ.get("LD_LIBRARY_PATH")
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", str(BOOT), str(end)],
        pass_fds=(end,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        # Lambda's Python needs the library path. One arena: each further one reserves 64 MB without using it.
        env={"MALLOC_ARENA_MAX": "1", **({"LD_LIBRARY_PATH": library} if library else {})},
        start_new_session=True,
    )


def imports() -> list[str]:
    """Folders of installed packages, which contain only code."""
    return [path for path in sys.path if path.rstrip("/").endswith(("site-packages", "dist-packages", "/opt/python"))]


def readable(root: Path | str) -> list[str]:
    """Folders that the plugin's process may read."""
    own = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    base = {os.path.join(sys.base_prefix, "lib"), os.path.join(sys.base_exec_prefix, "lib")}  # noqa: PTH118
    return [str(root), str(Path(__file__).parents[1]), *imports(), *sorted(own | base), *SYSTEM]


def own_prefix(order: Order) -> str:
    """Path prefix of the plugin's own files.

    An installed plugin shares its root with all packages.
    """
    package = order.root / order.handler.partition(":")[0].partition(".")[0]
    return str(package) if str(order.root) in imports() or package.is_dir() else f"{order.root}{os.sep}"


def _first_message(order: Order, broker: PluginBroker) -> dict[str, Any]:
    limits = order.limits
    return {
        "parent": os.getpid(),
        "handler": order.handler,
        "root": str(order.root),
        "packages": imports(),
        "readable": readable(order.root),
        "env": broker.granted(),
        "own": own_prefix(order),
        "limits": {"memory_mb": limits.memory_mb, "cpu_ms": limits.cpu_ms},
        "context": dict(order.context),
    }


class _Conversation:
    """The messages of the plugin's process, from its start to its end."""

    def __init__(self, wire: Connection, broker: PluginBroker, watch: ProcessWatchdog, log: Log) -> None:
        self.wire, self.broker, self.watch, self.log = wire, broker, watch, log
        self.last: Mapping[str, Any] = {}
        self.missing: tuple[str, ...] = ()
        self.protocol_error = ""
        self.fault: BaseException | None = None

    def serve(self, order: Mapping[str, Any]) -> None:
        try:
            self.wire.send(order)
            while not self.last:
                self._handle(*self.wire.receive())
        except ProtocolError as error:
            self.protocol_error = str(error)
        except (ConnectionClosed, OSError):
            # The process has ended or was killed; its exit code shows which.
            return
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self.fault = error

    def _handle(self, message: Any, body: bytes) -> None:
        """Serve a message: `ready` first, then requests, `done` or `failed`.

        Raises ProtocolError.
        """
        kind = message.get("tell") if isinstance(message, dict) else None
        if kind == "ready":
            # A second one would restart the clocks.
            if not self.watch.begin():
                raise ProtocolError("it reported twice that it is ready")
            # The first one is sent by boot.py, before the first line of the plugin.
            self.missing = _texts(message.get("missing"))
            if self.missing:
                self.log.warning("plugin_walls_missing", missing=list(self.missing))
        elif not self.watch.ready:
            raise ProtocolError("it sent a message before it was ready")
        elif kind == "done":
            # The process checks its result too, but sends what it likes.
            self._check(message.get("result"))
            self.last = message
        elif kind == "failed":
            self.last = message
        else:
            reply, data = self.broker.answer(message, body)
            try:
                self.wire.send(reply, data)
            except TooLarge as error:
                self.wire.send({"ok": False, "kind": "ValueError", "error": str(error)})

    @staticmethod
    def _check(result: Any) -> None:
        try:
            check_result(json.dumps(result, allow_nan=False))
        except (ValueError, RecursionError) as error:
            raise ProtocolError(str(error)) from None

    def result(self) -> RunResult:
        if self.fault:
            raise self.fault
        watch, limits = self.watch, self.watch.limits
        code, last = watch.process.returncode, self.last
        used = f"{watch.cpu_ms} ms of CPU time and {watch.wall_ms} ms"
        if watch.exceeded == "start":
            raise PluginFailed(f"its process did not start within {BOOT_SECONDS:.0f} s")
        if watch.exceeded == "wall":
            raise WallClockExceeded(f"killed after {watch.allowed_ms} ms, its wall clock quota; it had used {used}")
        if watch.exceeded == "threads":
            raise ThreadsExceeded(f"killed for running more than {MAX_THREADS} threads; it had used {used}")
        if watch.exceeded == "cpu" or code == -signal.SIGXCPU:
            raise CpuExceeded(f"killed for using more than {limits.cpu_ms} ms of CPU time, its quota; {used}")
        kind = str(last.get("kind", ""))
        if kind == "MemoryError":
            raise MemoryExceeded(f"requested more than {limits.memory_mb} MB of memory, its quota, after {used}")
        if last.get("tell") == "failed":
            stack = _clean(str(last.get("stack", ""))[-LONGEST_STACK:])
            raise PluginFailed(_clean(f"{kind[:100]}: {str(last.get('error', ''))[:500]}"), stack)
        if self.protocol_error:
            raise PluginFailed(f"its process was killed for a violation of the protocol: {self.protocol_error}")
        if not last:
            raise PluginFailed(f"its process ended without a result: {_how(code)}")
        result = json.loads(_clean(json.dumps(last.get("result"), ensure_ascii=False)))
        return RunResult(result, watch.cpu_ms, watch.wall_ms, self.missing)


def _clean(text: str) -> str:
    """Replace unpaired surrogates, which JSON allows and databases do not."""
    return text.encode(errors="replace").decode()


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ProtocolError("its list of missing restrictions is not a list of texts")
    return tuple(text[:200] for text in value[:10])


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
