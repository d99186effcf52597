"""Process of a function, with its children: start, invoke, freeze, thaw, end."""

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

from local.lambda_runtime.log_pipe import LogPipe

RUNTIME = Path(__file__).with_name("runtime.py")


class Ended(Exception):
    """The process ended before it returned a result. The message is Lambda's."""


class TooLate(Exception):
    """The process did not return a result in time."""


class Process(subprocess.Popen[bytes]):
    """Process with `path` as its `sys.path` and nothing else of this process's.

    `copy` is a file that its log is appended to.
    """

    def __init__(self, path: list[str], folder: Path, environment: Mapping[str, str], copy: Path | None) -> None:
        invocations, self._invocations = os.pipe()
        self._results, results = os.pipe()
        self._unsent = memoryview(b"")
        self._result = b""
        try:
            super().__init__(
                [sys.executable, "-I", "-S", str(RUNTIME), str(invocations), str(results), *path],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(invocations, results),
                cwd=folder,
                env=environment,
                # In the engine's session, so that it can be found after the engine; in another process group, so that
                # its children end with it.
                process_group=0,
            )
        finally:
            os.close(invocations)
            os.close(results)
        assert self.stdout
        self.log = LogPipe(self.stdout, copy)
        # Non-blocking: a process that does not read a large event must time out.
        os.set_blocking(self._invocations, False)
        self._pipes = select.poll()
        self._pipes.register(self._results, select.POLLIN)
        self._pipes.register(self.log, select.POLLIN)

    def terminate(self) -> None:
        """Kill at once, as Lambda does."""
        self._signal_all(signal.SIGKILL)

    def freeze(self) -> None:
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def close(self) -> None:
        """Read the rest of an ended process's log; close its pipes."""
        self.log.close()
        for pipe in (self._invocations, self._results):
            with contextlib.suppress(OSError):
                os.close(pipe)
        # The system may reuse their numbers.
        self._invocations = self._results = -1

    def request(self, message: str, seconds: float) -> dict[str, str]:
        """Send a message; return the next result after its log.

        Raises Ended and TooLate.
        """
        deadline = time.monotonic() + seconds
        self._unsent = memoryview(message.encode())
        if self._unsent:
            self._pipes.register(self._invocations, select.POLLOUT)
        while b"\n" not in self._result:
            self._serve_pipes(deadline - time.monotonic())
        # The runtime client writes the log before the result, so all of it is in the pipe.
        self.log.drain()
        line, _, self._result = self._result.partition(b"\n")
        result: dict[str, str] = json.loads(line)
        return result

    def _serve_pipes(self, left: float) -> None:
        """Wait until a pipe is ready, and write or read it.

        A process blocks if nobody reads its log.
        """
        if left <= 0:
            raise TooLate
        # Before the poll: a process that writes its result and ends at once has a result.
        ended = self.poll() is not None
        # In slices: a child process that holds the pipes open must not hide the function's end.
        ready = {number for number, _ in self._pipes.poll(0 if ended else min(left, 0.1) * 1000)}
        if self.log.fileno() in ready and not self.log.read():
            self._pipes.unregister(self.log)
        if self._invocations in ready:
            self._write(left)
        if self._results in ready:
            self._read_result(left)
        elif ended:
            raise self._end(left)

    def _write(self, left: float) -> None:
        try:
            self._unsent = self._unsent[os.write(self._invocations, self._unsent) :]
        except BrokenPipeError:
            raise self._end(left) from None
        if not self._unsent:
            self._pipes.unregister(self._invocations)

    def _read_result(self, left: float) -> None:
        data = os.read(self._results, 1 << 16)
        if not data:
            raise self._end(left)
        self._result += data

    def _end(self, left: float) -> Ended:
        """Describe how the process ended.

        Raises TooLate if it closed its pipes and still runs.
        """
        try:
            code = self.wait(left)
        except subprocess.TimeoutExpired:
            raise TooLate from None
        # Its children. The number of a process group is not reused while it has members.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if code < 0:
            name = "killed" if code == -signal.SIGKILL else signal.strsignal(-code) or signal.Signals(-code).name
            return Ended(f"Runtime exited with error: signal: {name.lower()}")
        return Ended(
            f"Runtime exited with error: exit status {code}" if code else "Runtime exited without providing a reason"
        )

    def _signal_all(self, number: int) -> None:
        # The number of a reaped process may be reused.
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
