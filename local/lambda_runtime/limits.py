"""Limits of a function's process: memory and processor time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html: one processor at 1,769 MB.
MEGABYTES_PER_PROCESSOR = 1769
LINUX = sys.platform.startswith("linux")
PAGE = os.sysconf("SC_PAGE_SIZE")


def processor_seconds(timeout: float, memory_mb: int) -> float:
    """Processor time that Lambda could give in `timeout` seconds.

    At least one processor's: a laptop's is not slowed down to the share of `memory_mb`; only endless loops are stopped.
    """
    return timeout * max(1.0, memory_mb / MEGABYTES_PER_PROCESSOR)


def resident_megabytes(pid: int) -> int:
    """Memory that the process holds now; 0 where it is gone."""
    if LINUX:
        with contextlib.suppress(OSError):
            return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE >> 20
        return 0
    shown = subprocess.run(["/bin/ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return int(shown.stdout.strip() or 0) >> 10


class Measured(Protocol):
    """A process that runs an invocation."""

    memory_mb: int
    peak_mb: int

    @property
    def pid(self) -> int: ...

    def out_of_memory(self) -> None: ...


class MemoryWatch:
    """Ends processes that use more memory than declared.

    One thread samples all busy processes, so one can exceed its limit for an interval. RLIMIT_AS would be exact, but
    counts address space that Python and its threads reserve without using it.
    """

    interval = 0.02 if LINUX else 0.25

    def __init__(self) -> None:
        self._busy: set[Measured] = set()
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="memory", daemon=True).start()

    @contextlib.contextmanager
    def watching(self, process: Measured) -> Iterator[None]:
        with self._changed:
            self._busy.add(process)
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._busy.discard(process)
            self._measure(process)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._busy)
                busy = list(self._busy)
            for process in busy:
                if self._measure(process) > process.memory_mb:
                    process.out_of_memory()
            time.sleep(self.interval)

    def _measure(self, process: Measured) -> int:
        held = resident_megabytes(process.pid)
        process.peak_mb = max(process.peak_mb, held)
        return held
