"""The clocks of a plugin's process: it is ended on time, whatever anybody waits for meanwhile."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from dataclasses import dataclass, field

from shared.plugins.permissions import Limits

# Seconds until the process must say that its walls stand.
BOOT_SECONDS = 10.0
# Seconds between two looks at the processor time of one that uses it.
LOOK = 0.02


@dataclass(slots=True)
class Watch:
    """seconds: what the run has left, if less than the limits. exceeded: `wall` or `cpu`, once it was ended for it."""

    process: subprocess.Popen[bytes]
    limits: Limits
    seconds: float
    exceeded: str = ""
    cpu_ms: int = 0
    wall_ms: int = 0
    _began: float = field(default_factory=time.monotonic)
    _ready: bool = False
    _base: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._look, name="plugin-watch", daemon=True)
        self._thread.start()

    @property
    def allowed_ms(self) -> int:
        return min(self.limits.timeout_ms, max(1, int(self.seconds * 1000)))

    def begin(self) -> None:
        """Its own code starts now, and so does its time."""
        self._base, self._began, self._ready = _processor(self.process.pid), time.monotonic(), True

    def remaining(self) -> float:
        """Seconds of wall clock."""
        return (self.allowed_ms / 1000 if self._ready else BOOT_SECONDS) - (time.monotonic() - self._began)

    def end(self) -> None:
        self._measure()
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self.process.kill()
        self.process.wait()

    def _look(self) -> None:
        while not self._over.wait(max(0.0, min(self.remaining(), self._patience()))):
            self._measure()
            if self.remaining() <= 0:
                self.exceeded = "wall"
            elif self._ready and self.cpu_ms > self.limits.cpu_ms:
                self.exceeded = "cpu"
            if self.exceeded:
                self.process.kill()
                return

    def _patience(self) -> float:
        """However many processors it has, it cannot use up the rest before so many seconds have passed."""
        rest = (self.limits.cpu_ms - self.cpu_ms) / 1000 / (os.cpu_count() or 1)
        return max(LOOK, rest) if self._ready else LOOK

    def _measure(self) -> None:
        used = _processor(self.process.pid) - self._base
        self.cpu_ms = max(self.cpu_ms, int(used * 1000)) if self._ready else 0
        self.wall_ms = int((time.monotonic() - self._began) * 1000)


def _processor(pid: int) -> float:
    """Seconds of processor that the process has used: Linux has a clock for each, whose number is made of its id.

    https://man7.org/linux/man-pages/man3/clock_getcpuclockid.3.html; CPUCLOCK_SCHED of a process is 2.
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0
