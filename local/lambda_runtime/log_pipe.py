"""Log lines of a function's process, by invocation."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import termios
import time
from pathlib import Path
from typing import IO

CHUNK = 1 << 16


class LogPipe:
    """Read end of the pipe of stdout and stderr.

    Lines are appended to the file `copy` as well.

    The runtime client writes a marker after the last line of an invocation and before its result, into the same pipe.
    So all lines are in the pipe once the result was read, and one `drain` reads them without waiting.
    """

    def __init__(self, pipe: IO[bytes], copy: Path | None) -> None:
        self._pipe = pipe
        self._copy = copy.open("a", buffering=1) if copy else None
        self._partial = b""
        self._lines: list[tuple[int, str]] = []
        self._marker = b""
        self._marked: int | None = None

    def fileno(self) -> int:
        return self._pipe.fileno()

    def expect(self, request_id: str) -> None:
        """Assign lines up to this request's marker to one invocation."""
        self._marker = b"\0" + request_id.encode()

    def read(self, size: int = CHUNK) -> bool:
        """Read up to `size` bytes; blocks while empty.

        Returns false at the end.
        """
        data = os.read(self.fileno(), size)
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._add(line)
        return bool(data)

    def drain(self) -> None:
        """Read the bytes that are in the pipe now, and no more.

        A child process may hold the pipe open and continue to write.
        """
        held = array.array("i", [0])
        fcntl.ioctl(self.fileno(), termios.FIONREAD, held)
        for start in range(0, held[0], CHUNK):
            self.read(min(CHUNK, held[0] - start))

    def take(self) -> list[tuple[int, str]]:
        """Epoch milliseconds and text of the invocation's lines.

        Lines after its marker belong to the next one.
        """
        count = len(self._lines) if self._marked is None else self._marked
        taken, self._lines, self._marked = self._lines[:count], self._lines[count:], None
        return taken

    def close(self) -> None:
        """Read the rest after the process has ended, and close both files."""
        if self._pipe.closed:
            return
        self.drain()
        if self._partial:
            self._add(self._partial)
        self._pipe.close()
        if self._copy:
            self._copy.close()

    def _add(self, line: bytes) -> None:
        marked = self._marker != b"" and line.endswith(self._marker)
        if marked:
            line, self._marker = line.removesuffix(self._marker), b""
        # The runtime client ends the lines of one error with carriage returns.
        if text := line.decode(errors="replace").rstrip("\r").replace("\r", "\n"):
            self._lines.append((time.time_ns() // 1_000_000, text))
            # The copy is not essential: a full disk must not fail the invocation.
            with contextlib.suppress(OSError):
                if self._copy:
                    self._copy.write(text + "\n")
        if marked:
            self._marked = len(self._lines)
