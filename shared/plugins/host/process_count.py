"""Count the processes of a command and of a user, by /proc."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from shared.text.whole_number import is_whole_number

PROC = Path("/proc")
# Fields after the name, of man 5 proc_pid_stat: the session is the 6th of all, num_threads the 20th.
SESSION, THREADS = 3, 17


def in_session(session: int) -> int:
    """Number of processes in a session; 0 where /proc is missing."""
    return sum(int(fields[SESSION]) == session for fields in _stats())


def threads(pid: int) -> int:
    """Number of threads of a process.

    0 where /proc is missing or the process has ended.
    """
    fields = _fields(PROC / str(pid))
    return int(fields[THREADS]) if fields else 0


def tasks_of(user: int) -> int:
    """Number of processes and threads of a user, which RLIMIT_NPROC limits."""
    return sum(int(fields[THREADS]) for fields in _stats(user))


def _stats(user: int | None = None) -> Iterator[list[bytes]]:
    if not PROC.is_dir():
        return
    for folder in PROC.iterdir():
        if is_whole_number(folder.name) and (fields := _fields(folder, user)):
            yield fields


def _fields(folder: Path, user: int | None = None) -> list[bytes]:
    """The fields after the name.

    None if the process has ended, or is another user's.
    """
    try:
        if user is not None and folder.stat().st_uid != user:
            return []
        # The name before the last parenthesis may contain spaces and parentheses.
        return (folder / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []
