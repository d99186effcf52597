"""Enforce the wall clock, CPU and thread quotas of a plugin's process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field

from shared.plugins.host import process_count
from shared.plugins.manifest.permissions import Limits

# Seconds until the process must report that its restrictions are in force.
BOOT_SECONDS = 10.0
# Shortest interval between two measurements of CPU time, in seconds.
MEASURE_SECONDS = 0.02
# Seconds for the conversation thread to notice that the process has ended.
CLOSE_SECONDS = 0.05
# Longest interval between two counts of threads, in seconds.
COUNT_SECONDS = 0.1
# Above the hook's limit, which has an error of its own.
MAX_THREADS = 128


@dataclass(slots=True)
class ProcessWatchdog:
    """Watches one process from its start to its end."""

    process: subprocess.Popen[bytes]
    limits: Limits
    #: Seconds that the run has left; they apply if they are less than the limit.
    seconds: float
    #: `start`, `wall`, `cpu` or `threads` if the process was killed for it.
    exceeded: str = ""
    cpu_ms: int = 0
    wall_ms: int = 0
    _began: float = field(default_factory=time.monotonic)
    _ready: bool = False
    _base: float = 0.0

    @property
    def ready(self) -> bool:
        """Whether the plugin's own code has begun."""
        return self._ready

    @property
    def allowed_ms(self) -> int:
        return min(self.limits.timeout_ms, max(1, int(self.seconds * 1000)))

    def begin(self) -> bool:
        """Start the clocks: the plugin's own code begins now.

        False if they were started before.
        """
        if self._ready:
            return False
        self._base, self._began, self._ready = _processor(self.process.pid), time.monotonic(), True
        return True

    def remaining(self) -> float:
        """Seconds of wall clock that are left."""
        return (self.allowed_ms / 1000 if self._ready else BOOT_SECONDS) - (time.monotonic() - self._began)

    def wait(self, conversation: threading.Thread) -> None:
        """Wait until the conversation is over or a quota is exceeded.

        A request that is being served at that moment, to a slow host for example, is not waited for.
        """
        conversation.start()
        while conversation.is_alive() and not self.exceeded:
            conversation.join(max(0.0, min(self.remaining(), self._until_next_measurement())))
            self._measure()
            if not conversation.is_alive():
                return
            if self.remaining() <= 0:
                self.exceeded = "wall" if self._ready else "start"
            elif self._ready and self.cpu_ms > self.limits.cpu_ms:
                self.exceeded = "cpu"
            elif process_count.threads(self.process.pid) > MAX_THREADS:
                self.exceeded = "threads"
        self._kill()
        conversation.join(CLOSE_SECONDS)

    def end(self) -> None:
        self._measure()
        self._kill()
        self.process.wait()

    def _kill(self) -> None:
        # The group: includes processes that it started, on a kernel without the filter.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _until_next_measurement(self) -> float:
        """The shortest time to use up the CPU quota, on all processors."""
        rest = (self.limits.cpu_ms - self.cpu_ms) / 1000 / (os.cpu_count() or 1)
        return min(COUNT_SECONDS, max(MEASURE_SECONDS, rest)) if self._ready else MEASURE_SECONDS

    def _measure(self) -> None:
        used = _processor(self.process.pid) - self._base
        self.cpu_ms = max(self.cpu_ms, int(used * 1000)) if self._ready else 0
        self.wall_ms = int((time.monotonic() - self._began) * 1000)


def _processor(pid: int) -> float:
    """CPU seconds that a process has used.

    Linux has a clock for each process, whose number is derived from its id.

    https://man7.org/linux/man-pages/man3/clock_getcpuclockid.3.html; CPUCLOCK_SCHED of a process is 2.
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0
