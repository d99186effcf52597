"""One run of a plugin's handler in a process of its own, ended when it has used up what it may."""

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
from typing import IO, TYPE_CHECKING, Any

from shared.plugins.host.watchdog import BOOT_SECONDS, Watch
from shared.plugins.manifest.permissions import Limits
from shared.plugins.wire import Broken, Nonsense, TooLarge, Wire

if TYPE_CHECKING:
    from shared.observability.log import Log
    from shared.plugins.host.broker import Broker

BOOT = Path(__file__).parents[1] / "child" / "boot.py"
MOST_SAID = 64 * 1024
# Seconds for what was printed to be read to its end.
PATIENCE = 1.0
PR_SET_DUMPABLE = 4
# Code of the system that Python's own libraries are linked to, and the time zones.
SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/usr/share/zoneinfo")


class Ending(Exception):
    """A run of a plugin that came to no good end."""

    cpu_ms = 0


class QuotaExceeded(Ending):
    """The plugin was ended."""


class WallClockExceeded(QuotaExceeded):
    pass


class MemoryExceeded(QuotaExceeded):
    pass


class CpuExceeded(QuotaExceeded):
    pass


class PluginFailed(Ending):
    """The handler raised, or its process died; the message says how. stack: of the plugin's own."""

    def __init__(self, message: str, stack: str = "") -> None:
        super().__init__(message)
        self.stack = stack


@dataclass(frozen=True, slots=True)
class Order:
    """What is to run. root: the folder that it imports from; context: what KB-12 says of this run."""

    handler: str
    root: Path
    limits: Limits
    context: Mapping[str, Any]


@dataclass(slots=True)
class Ended:
    """result: what the handler returned. cpu_ms, wall_ms: what it took. missing: walls that this kernel lacks."""

    result: Any
    cpu_ms: int
    wall_ms: int
    missing: tuple[str, ...] = ()


def run(order: Order, broker: Broker, log: Log, seconds: float) -> Ended:
    """Raises QuotaExceeded and PluginFailed. seconds: what the run has left, if less than the plugin's own limit."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = _start(theirs.fileno())
        watch = Watch(process, order.limits, seconds)
        broker.remaining = watch.remaining
        said = [_pump(process.stdout, log, "stdout"), _pump(process.stderr, log, "stderr")]
        conversation = _Conversation(Wire(ours), broker, watch, log)
        # Not a daemon: Lambda's process is left where one is still at work, and does not thaw in another's time.
        talk = threading.Thread(target=conversation.hold, args=(_told(order, broker),), name="plugin-talk")
        try:
            watch.hold(talk)
        finally:
            watch.end()
            # A process that got away, where no filter keeps it, may hold the other ends of these for ever.
            for thread in said:
                thread.join(PATIENCE)
    try:
        return conversation.ended()
    except Ending as error:
        error.cpu_ms = watch.cpu_ms
        raise


@cache
def _hide() -> None:
    """Take environment, memory and files of this process from others of the same user, where /proc shows them.

    The only wall in front of them on a kernel without Landlock; man 2 PR_SET_DUMPABLE.
    """
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _start(end: int) -> subprocess.Popen[bytes]:
    _hide()
    # An interpreter of its own: a fork would carry every secret in our memory along.
    library = os.environ.get("LD_LIBRARY_PATH")
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", str(BOOT), str(end)],
        pass_fds=(end,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        # Lambda's Python finds its library there. One arena: the others reserve 64 MB each, and never use it.
        env={"MALLOC_ARENA_MAX": "1", **({"LD_LIBRARY_PATH": library} if library else {})},
        start_new_session=True,
    )


def imports() -> list[str]:
    """Folders of installed packages, which a plugin may need: code, and nothing else."""
    return [path for path in sys.path if path.rstrip("/").endswith(("site-packages", "dist-packages", "/opt/python"))]


def readable(root: Path | str) -> list[str]:
    own = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    base = {os.path.join(sys.base_prefix, "lib"), os.path.join(sys.base_exec_prefix, "lib")}  # noqa: PTH118
    return [str(root), str(Path(__file__).parents[1]), *imports(), *sorted(own | base), *SYSTEM]


def own_of(order: Order) -> str:
    """How the names of the plugin's own files begin: an installed one shares its root with all others."""
    package = order.root / order.handler.partition(":")[0].partition(".")[0]
    return str(package) if str(order.root) in imports() or package.is_dir() else f"{order.root}{os.sep}"


def _told(order: Order, broker: Broker) -> dict[str, Any]:
    limits = order.limits
    return {
        "parent": os.getpid(),
        "handler": order.handler,
        "imports": [str(order.root), *(path for path in imports() if path != str(order.root))],
        "readable": readable(order.root),
        "env": broker.granted(),
        "own": own_of(order),
        "limits": {"memory_mb": limits.memory_mb, "cpu_ms": limits.cpu_ms},
        "context": dict(order.context),
    }


class _Conversation:
    """Everything that the process asks and tells, until it ends."""

    def __init__(self, wire: Wire, broker: Broker, watch: Watch, log: Log) -> None:
        self.wire, self.broker, self.watch, self.log = wire, broker, watch, log
        self.last: Mapping[str, Any] = {}
        self.missing: tuple[str, ...] = ()
        self.nonsense = ""
        self.fault: BaseException | None = None

    def hold(self, order: Mapping[str, Any]) -> None:
        try:
            self.wire.send(order)
            while not self.last:
                self._hear(*self.wire.receive())
        except Nonsense as error:
            self.nonsense = str(error)
        except (Broken, OSError):
            # It died or was ended; how it ended says which.
            return
        except BaseException as error:  # noqa: BLE001 - of ours, and raised where somebody waits for it
            self.fault = error

    def _hear(self, message: Any, body: bytes) -> None:
        told = message.get("tell") if isinstance(message, dict) else None
        if told == "ready":
            # Said again, it would begin its time anew.
            if not self.watch.begin():
                raise Nonsense("it began twice")
            # The first is ours, from before the plugin's first line.
            self.missing = tuple(message["missing"])
            if self.missing:
                self.log.warning("plugin_walls_missing", missing=list(self.missing))
        elif told in ("done", "failed"):
            self.last = message
        else:
            answer, data = self.broker.answer(message, body)
            try:
                self.wire.send(answer, data)
            except TooLarge as error:
                self.wire.send({"ok": False, "kind": "ValueError", "error": str(error)})

    def ended(self) -> Ended:
        if self.fault:
            raise self.fault
        watch, limits = self.watch, self.watch.limits
        code, last = watch.process.returncode, self.last
        used = f"{watch.cpu_ms} ms of processor and {watch.wall_ms} ms"
        if watch.exceeded == "start":
            raise PluginFailed(f"its process did not start within {BOOT_SECONDS:.0f} s")
        if watch.exceeded == "wall":
            raise WallClockExceeded(f"ended after {watch.allowed_ms} ms, its wall clock quota; it had used {used}")
        if watch.exceeded == "cpu" or code == -signal.SIGXCPU:
            raise CpuExceeded(f"ended for using more than {limits.cpu_ms} ms of processor, its quota; {used}")
        kind = str(last.get("kind", ""))
        if kind == "MemoryError":
            raise MemoryExceeded(f"asked for more than {limits.memory_mb} MB of memory, its quota, after {used}")
        if last.get("tell") == "failed":
            stack = _clean(str(last.get("stack", "")))
            raise PluginFailed(_clean(f"{kind[:100]}: {str(last.get('error', ''))[:500]}"), stack)
        if self.nonsense:
            raise PluginFailed(f"its process was ended, since it broke the protocol: {self.nonsense}")
        if not last:
            raise PluginFailed(f"its process ended without a result: {_how(code)}")
        result = json.loads(_clean(json.dumps(last.get("result"), ensure_ascii=False)))
        return Ended(result, watch.cpu_ms, watch.wall_ms, self.missing)


def _clean(text: str) -> str:
    """Half of a surrogate pair is text to JSON and to Python, and to no database."""
    return text.encode(errors="replace").decode()


def _pump(stream: IO[bytes] | None, log: Log, name: str) -> threading.Thread:
    """Print statements become log lines; what is too much is read and dropped, so that nobody waits."""

    def pump() -> None:
        assert stream is not None
        left = MOST_SAID
        with stream:
            while line := stream.readline(4096):
                if left > 0:
                    log.info("plugin_said", said=line.decode(errors="replace").rstrip()[:512], stream=name)
                left -= len(line)

    thread = threading.Thread(target=pump, name=f"plugin-{name}", daemon=True)
    thread.start()
    return thread


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
