"""A function's process: ended, frozen and thawed with everything that it started, and talked to over two pipes."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

RUNTIME = Path(__file__).with_name("runtime.py")


class Ended(Exception):
    """The process ended before it answered. The text is how, in Lambda's words."""


class TooLate(Exception):
    """No answer came in time."""


class Process(subprocess.Popen[bytes]):
    """`path` becomes its `sys.path`; nothing of this process's is in there, nor in its environment."""

    def __init__(self, path: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        invocations, self._invocations = os.pipe()
        self._results, results = os.pipe()
        self._answer = b""
        try:
            super().__init__(
                [sys.executable, "-I", "-S", str(RUNTIME), str(invocations), str(results), *path],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(invocations, results),
                cwd=folder,
                env=environment,
                # In the engine's session, so that whoever outlives the engine finds it; in a group of its own, so that
                # what it starts ends with it.
                process_group=0,
            )
        finally:
            os.close(invocations)
            os.close(results)

    def terminate(self) -> None:
        """At once, as Lambda ends an environment."""
        self._signal_all(signal.SIGKILL)

    def freeze(self) -> None:
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def close(self) -> None:
        for pipe in (self._invocations, self._results):
            with contextlib.suppress(OSError):
                os.close(pipe)
        # Their numbers may belong to something else from now on.
        self._invocations = self._results = -1

    def write(self, message: str) -> None:
        data = memoryview(message.encode())
        try:
            while data:
                data = data[os.write(self._invocations, data) :]
        except OSError:
            raise Ended(self.death()) from None

    def answer(self, seconds: float) -> dict[str, str]:
        """The next line of its results. Raises Ended and TooLate."""
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._results, select.POLLIN)
        while b"\n" not in self._answer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TooLate
            # In slices: a child of the function's that holds the pipe open must not hide its death.
            data = os.read(self._results, 1 << 16) if poll.poll(min(left, 0.1) * 1000) else None
            if data == b"" or (data is None and self.poll() is not None):
                raise Ended(self.death())
            self._answer += data or b""
        line, _, self._answer = self._answer.partition(b"\n")
        answer: dict[str, str] = json.loads(line)
        return answer

    def death(self) -> str:
        code = self.wait()
        if code < 0:
            name = "killed" if code == -signal.SIGKILL else signal.strsignal(-code) or signal.Signals(-code).name
            return f"Runtime exited with error: signal: {name.lower()}"
        return f"Runtime exited with error: exit status {code}" if code else "Runtime exited without providing a reason"

    def _signal_all(self, number: int) -> None:
        # One that was waited for has given up its number.
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
