"""Trace of a simulation: each process, and a digest of them all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from shared import clock

if TYPE_CHECKING:
    from proof.simulation.simulated_process import SimulatedProcess
    from proof.simulation.simulated_world import Answer
    from proof.world.memory_lambda import PendingInvocation


def _ignore(_: str) -> None:
    """Show nothing."""


class SimulationTrace:
    """One line per process and event.

    Two runs of a plan have the same digest."""

    def __init__(self, show: Callable[[str], None] = _ignore) -> None:
        self.show = show
        #: Number of lines so far: the step of the simulation.
        self.steps = 0
        self._digest = hashlib.sha256()

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()[:16]

    def note(self, at: datetime, text: str) -> None:
        """Add a line."""
        self.steps += 1
        line = f"{self.steps} {clock.iso(at)} {text}"
        self._digest.update(f"{line}\n".encode())
        self.show(line)

    def began(self, process: SimulatedProcess, invocation: PendingInvocation) -> None:
        self.note(process.world.clock.now(), f"{process.job} begins")

    def ended(self, process: SimulatedProcess, invocation: PendingInvocation, answer: Answer) -> None:
        end = _end(answer)
        self.note(process.world.clock.now(), f"{process.job} {end}: {' '.join(process.calls)}")


def _end(answer: Answer) -> str:
    if not isinstance(answer, Mapping):
        return f"failed ({answer.error_type}{', silently' if answer.silent else ''})"
    if "outcome" in answer:
        return f"{answer.get('tick', '')} {answer['outcome']}"
    return f"answered, {len(answer['batchItemFailures'])} again"
