"""Read a plugin's printed output and log its lines."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Iterator
from typing import IO

from shared.plugins.host.plugin_log import PluginLog

# Seconds to read the rest of the output after the process has ended.
DRAIN_SECONDS = 1.0
# Milliseconds between two checks whether the run has ended.
CHECK_MS = 100
CHUNK = 64 * 1024
# Bytes of a line that are read; the log truncates further.
LONGEST_LINE = 4096


class OutputPump:
    """A thread that logs the lines of a pipe.

    It ends when the other end is closed or the run has ended. It reads what the log drops too, so that the plugin never
    blocks. On a kernel without the filter an escaped process may keep the other end open; the thread ends nevertheless.
    """

    def __init__(self, stream: IO[bytes] | None, log: PluginLog, name: str) -> None:
        assert stream is not None
        self._stream, self._log, self._name = stream, log, name
        self._ends = float("inf")
        self._thread = threading.Thread(target=self._run, name=f"plugin-{name}")
        self._thread.start()

    def end(self) -> None:
        """Read the rest, then stop."""
        self._ends = time.monotonic() + DRAIN_SECONDS
        self._thread.join()

    def _run(self) -> None:
        with self._stream:
            rest = b""
            for chunk in self._chunks():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._said(line)
                rest = rest[:LONGEST_LINE]
            self._said(rest)

    def _said(self, line: bytes) -> None:
        text = line[:LONGEST_LINE].decode(errors="replace").rstrip()
        if text:
            self._log.said("info", text, stream=self._name)

    def _chunks(self) -> Iterator[bytes]:
        descriptor, poll = self._stream.fileno(), select.poll()
        poll.register(descriptor, select.POLLIN)
        while time.monotonic() < self._ends:
            if poll.poll(CHECK_MS):
                chunk = os.read(descriptor, CHUNK)
                if not chunk:
                    return
                yield chunk
            elif self._ends < float("inf"):
                return
