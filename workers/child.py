"""A process that runs one thing after another, as a sandbox of Lambda does, and may be killed at any moment."""

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

# Not forked: the worker's open connections are its own. It is started once and runs many things.
CONTEXT = multiprocessing.get_context("spawn")
# Seconds for a process to be gone in.
PATIENCE = 2.0

# Picklable: it is sent to the process.
Perform = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Raised:
    """What `perform` raised instead of returning."""

    error: str


class Child:
    def __init__(self, perform: Perform, environment: Mapping[str, str]) -> None:
        self.pipe, theirs = CONTEXT.Pipe()
        self.process = CONTEXT.Process(target=_serve, args=(theirs, perform, dict(environment)))
        self.process.start()
        theirs.close()

    @property
    def handles(self) -> list[Any]:
        """One of them is ready when it has answered, or is gone."""
        return [self.pipe, self.process.sentinel]

    def give(self, *words: Any) -> None:
        """Have it call `perform(*words)`. Where it is gone already, that shows like any other end of it."""
        with suppress(ConnectionError):
            self.pipe.send(words)

    def answer(self) -> tuple[Any, bool] | None:
        """What `perform` returned, or Raised; and whether the process goes on after that. None where it is gone."""
        try:
            given: tuple[Any, bool] | None = self.pipe.recv() if self.pipe.poll() else None
        except (EOFError, ConnectionError):
            return None
        return given

    def epitaph(self) -> str:
        """How it ended, for a person."""
        self.process.join(PATIENCE)
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process left with exit code {code}"

    def kill(self) -> None:
        """And whatever it has started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid or 0, signal.SIGKILL)
        self.process.kill()
        self.process.join(PATIENCE)
        self.pipe.close()

    def dismiss(self) -> None:
        """Let it go when it is done with what it does."""
        self.pipe.close()
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.kill()


def _serve(pipe: Connection, perform: Perform, environment: Mapping[str, str]) -> None:
    # Ctrl-C, and a SIGTERM to the whole service, are for the worker: it decides what becomes of what runs.
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(environment)
    before = set(threading.enumerate())
    while True:
        try:
            words = pipe.recv()
        except EOFError:
            return
        try:
            result = perform(*words)
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker is told, and this process goes on
            traceback.print_exc()
            result = Raised(f"{type(error).__name__}: {error}")
        # A thread that is still at work would go on in the next run's time.
        haunted = any(thread.is_alive() and not thread.daemon for thread in set(threading.enumerate()) - before)
        with suppress(ConnectionError):
            pipe.send((result, not haunted))
        if haunted:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
