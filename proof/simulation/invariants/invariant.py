"""Interface of the invariants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from shared import clock

if TYPE_CHECKING:
    from proof.simulation.rules import Rules
    from proof.simulation.simulated_process import SimulatedProcess
    from proof.simulation.simulated_world import Answer, SimulatedWorld
    from proof.simulation.traffic import Traffic
    from proof.world.dynamodb.attribute_values import Item
    from proof.world.dynamodb.keys import Key
    from proof.world.memory_lambda import PendingInvocation

LogLine = tuple[str, str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Observed:
    """The parts of a simulation that invariants look at."""

    world: SimulatedWorld
    rules: Rules
    traffic: Traffic
    #: Effects that arrived outside: how often each, by kind, receiver and key.
    received: Any
    #: When the disturbances are over.
    calm_from: datetime


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that did not hold."""

    invariant: str
    #: Number of the last line of the trace.
    step: int
    at: datetime
    text: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.text} (step {self.step}, {clock.iso(self.at)})"


class Invariant:
    """One invariant. Its hooks look, and call `violated`."""

    name: ClassVar[str] = ""

    def __init__(self, observed: Observed) -> None:
        self.observed = observed
        self.world = observed.world
        self.violations: list[Violation] = []

    def violated(self, text: str) -> None:
        """Report that it does not hold."""
        self.violations.append(Violation(self.name, self.world.trace.steps, self.world.clock.now(), text))

    def changed(self, key: Key, before: Item | None, after: Item | None) -> None:
        """Look at a change of a row of the table `state`."""

    def ended(self, process: SimulatedProcess, invocation: PendingInvocation, answer: Answer) -> None:
        """Look at a process that has ended."""

    def logged(self, line: LogLine) -> None:
        """Look at a line of a log."""

    def hourly(self) -> None:
        """Look at the world while it is disturbed."""

    def final(self) -> None:
        """Look at the world after the calm hours at the end."""

    def age(self, at: datetime) -> timedelta:
        return self.world.clock.now() - at
