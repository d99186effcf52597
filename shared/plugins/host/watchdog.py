"""The clocks of a plugin's process: it is ended on time, whatever anybody waits for meanwhile."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field

from shared.plugins.manifest.permissions import Limits

# Seconds until the process must say that its walls stand.
BOOT_SECONDS = 10.0
# Seconds between two looks at the processor time of one that uses it.
LOOK = 0.02
# Seconds in which a conversation should notice that the process is gone.
FAREWELL = 0.05


@dataclass(slots=True)
class Watch:
    """seconds: what the run has left, if less than the limits. exceeded: `start`, `wall` or `cpu`, if it was ended."""

    process: subprocess.Popen[bytes]
    limits: Limits
    seconds: float
    exceeded: str = ""
    cpu_ms: int = 0
    wall_ms: int = 0
    _began: float = field(default_factory=time.monotonic)
    _ready: bool = False
    _base: float = 0.0

    @property
    def allowed_ms(self) -> int:
        return min(self.limits.timeout_ms, max(1, int(self.seconds * 1000)))

    def begin(self) -> bool:
        """Its own code starts now, and so does its time. False where that was said before."""
        if self._ready:
            return False
        self._base, self._began, self._ready = _processor(self.process.pid), time.monotonic(), True
        return True

    def remaining(self) -> float:
        """Seconds of wall clock."""
        return (self.allowed_ms / 1000 if self._ready else BOOT_SECONDS) - (time.monotonic() - self._began)

    def hold(self, talk: threading.Thread) -> None:
        """Until the conversation is over, or the process has had its time. What is done on its behalf at that moment,
        as a call to a host that does not answer, is not waited for."""
        talk.start()
        while talk.is_alive() and not self.exceeded:
            talk.join(max(0.0, min(self.remaining(), self._patience())))
            self._measure()
            if not talk.is_alive():
                return
            if self.remaining() <= 0:
                self.exceeded = "wall" if self._ready else "start"
            elif self._ready and self.cpu_ms > self.limits.cpu_ms:
                self.exceeded = "cpu"
        self._kill()
        talk.join(FAREWELL)

    def end(self) -> None:
        self._measure()
        self._kill()
        self.process.wait()

    def _kill(self) -> None:
        # All that it started, where no filter has kept it from that.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

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
