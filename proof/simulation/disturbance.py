"""A disturbance: its window, its share of the events, its hooks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proof.simulation.fate import CallFate
    from proof.simulation.simulated_world import SimulatedWorld

# Kinds of what arrives: ticks of a rule, events of an asynchronous invocation, messages that were acknowledged.
TICK, EVENT, ACKNOWLEDGED = "tick", "event", "acknowledged"


@dataclass(frozen=True, slots=True)
class Chance:
    """Number and window of a disturbance, and the source of the rest."""

    number: int
    begins: float
    hours: float
    random: Random
    #: Jobs that may be its subject.
    jobs: Sequence[str]


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One disturbance of a plan.

    Its hooks do nothing here. Each draws from a source of its own, so that leaving out another one changes nothing.
    """

    kind: ClassVar[str] = ""

    #: Number in its plan, from 1, which stays when others are left out.
    number: int
    #: Hours after the start at which it begins, and for which it lasts.
    begins: float
    hours: float
    #: Share of the calls or events that it meets.
    share: float = 1.0
    #: Service or job that it meets; empty for all.
    subject: str = ""
    #: Seconds; the meaning depends on the kind.
    amount: float = 0.0

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        """Draw share, subject and amount."""
        return cls.at(chance)

    @classmethod
    def at(cls, chance: Chance, share: float = 1.0, subject: str = "", amount: float = 0.0) -> Self:
        """Return one with the drawn number and window."""
        return cls(chance.number, chance.begins, chance.hours, share, subject, amount)

    def start(self, world: SimulatedWorld, random: Random) -> None:
        """Begin the window."""

    def stop(self, world: SimulatedWorld, random: Random) -> None:
        """End the window."""

    def call(self, random: Random, job: str, name: str) -> CallFate | None:
        """Return the fate of a try; None where it is not met.

        name: service and operation, as `dynamodb:PutItem`, or `outside:` and the request.
        """
        return None

    def arrivals(self, random: Random, kind: str, job: str) -> list[float] | None:
        """Return the seconds until each arrival.

        Empty where it is lost, None where it is not met. kind: TICK, EVENT or ACKNOWLEDGED.
        """
        return None

    def window(self, start: datetime) -> tuple[datetime, datetime]:
        """Begin and end of the window in a simulation from `start`."""
        begins = start + timedelta(hours=self.begins)
        return begins, begins + timedelta(hours=self.hours)

    def data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"kind": self.kind, **asdict(self)}

    def __str__(self) -> str:
        parts = [f"{self.number}: {self.kind}"]
        parts += [f"of {self.subject}"] if self.subject else []
        parts += [f"share {self.share:g}"] if self.share < 1 else []
        parts += [f"{self.amount:g} s"] if self.amount else []
        return f"{' '.join(parts)}, from hour {self.begins:g} for {self.hours:g} h"
