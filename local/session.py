"""Processes of a session: the rest of an engine that ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from shared.text.whole_number import is_whole_number


def end_session(leader: int) -> None:
    """Kill all processes of the session of `leader`, in any process group."""
    for pid in _pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) == leader:
                os.kill(pid, signal.SIGKILL)


def _pids() -> list[int]:
    if Path("/proc/self").exists():
        return [int(entry.name) for entry in Path("/proc").iterdir() if is_whole_number(entry.name)]
    shown = subprocess.run(["/bin/ps", "-axo", "pid="], capture_output=True, text=True, check=True)
    return [int(pid) for pid in shown.stdout.split()]
