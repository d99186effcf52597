"""A child process that performs one delivery after another.

Like a Lambda sandbox; it may be killed at any time.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

# Spawned, not forked: it must not share the worker's open connections.
CONTEXT = multiprocessing.get_context("spawn")
# Seconds to wait for the end of a process.
EXIT_TIMEOUT = 2.0

# Must be picklable: it is sent to the process.
Perform = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Raised:
    """The exception that `perform` raised instead of returning."""

    #: Class and message.
    error: str


class Child:
    """A spawned process that calls `perform` for each request."""

    def __init__(self, perform: Perform, environment: Mapping[str, str]) -> None:
        self.pipe, child_end = CONTEXT.Pipe()
        self.process = CONTEXT.Process(target=_serve, args=(child_end, perform, dict(environment)))
        self.process.start()
        child_end.close()

    @property
    def handles(self) -> list[Any]:
        """Handles, one ready after a result or the process's end."""
        return [self.pipe, self.process.sentinel]

    def call(self, *arguments: Any) -> None:
        """Let the process call `perform(*arguments)`.

        If it has ended already, `handles` show that.
        """
        with suppress(ConnectionError):
            self.pipe.send(arguments)

    def result(self) -> tuple[Any, bool] | None:
        """Return the result of `perform`, or Raised, and whether the process continues.

        None where it has ended.
        """
        try:
            received: tuple[Any, bool] | None = self.pipe.recv() if self.pipe.poll() else None
        except (EOFError, ConnectionError):
            return None
        return received

    def exit_reason(self) -> str:
        """Return how the process ended, for people."""
        self.process.join(EXIT_TIMEOUT)
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process left with exit code {code}"

    def kill(self) -> None:
        """Kill the process and its process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid or 0, signal.SIGKILL)
        self.process.kill()
        self.process.join(EXIT_TIMEOUT)
        self.pipe.close()

    def close(self) -> None:
        """End the process after its current call.

        Kill it where it does not end.
        """
        self.pipe.close()
        self.process.join(EXIT_TIMEOUT)
        if self.process.is_alive():
            self.kill()


def _serve(pipe: Connection, perform: Perform, environment: Mapping[str, str]) -> None:
    # Ctrl-C, and a SIGTERM to the whole service, are for the worker: it decides how runs end.
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(environment)
    before = set(threading.enumerate())
    while True:
        try:
            arguments = pipe.recv()
        except EOFError:
            return
        try:
            result = perform(*arguments)
        except Exception as error:  # noqa: BLE001 - any exception is reported, and this process continues
            traceback.print_exc()
            result = Raised(f"{type(error).__name__}: {error}")
        # A live thread would continue during the next run.
        has_live_threads = any(
            thread.is_alive() and not thread.daemon for thread in set(threading.enumerate()) - before
        )
        with suppress(ConnectionError):
            pipe.send((result, not has_live_threads))
        if has_live_threads:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
