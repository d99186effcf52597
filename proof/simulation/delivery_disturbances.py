"""Disturbances of deliveries: twice, late, in another order, never."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Self

from proof.simulation.disturbance import ACKNOWLEDGED, EVENT, TICK, Chance, Disturbance

if TYPE_CHECKING:
    from proof.simulation.simulated_world import SimulatedWorld


class Duplicates(Disturbance):
    """Ticks, events and messages arrive again, at once or later."""

    kind = "duplicates"

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        share, amount = (
            round(chance.random.uniform(0.02, 0.5), 2),
            round(chance.random.choice((0.0, 5.0, 90.0, 1200.0))),
        )
        return cls.at(chance, share, "", amount)

    def arrivals(self, random: Random, kind: str, job: str) -> list[float] | None:
        if random.random() >= self.share:
            return None
        return [0.0, random.uniform(0, self.amount)]


class Reordering(Disturbance):
    """Ticks and events are delayed, so that later ones overtake them."""

    kind = "reordering"

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        share, amount = round(chance.random.uniform(0.05, 0.7), 2), round(chance.random.uniform(1, 600))
        return cls.at(chance, share, "", amount)

    def arrivals(self, random: Random, kind: str, job: str) -> list[float] | None:
        if kind == ACKNOWLEDGED or random.random() >= self.share:
            return None
        return [random.uniform(0, self.amount)]


class LostTicks(Disturbance):
    """Rules do not fire."""

    kind = "lost-ticks"

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        return cls.at(chance, round(chance.random.uniform(0.02, 0.6), 2))

    def arrivals(self, random: Random, kind: str, job: str) -> list[float] | None:
        return [] if kind == TICK and random.random() < self.share else None


class Outage(Disturbance):
    """Nothing fires, nothing is delivered, no call is answered."""

    kind = "outage"

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        return cls(chance.number, chance.begins, chance.random.choice((0.5, 4.0, 24.0)))

    def start(self, world: SimulatedWorld, random: Random) -> None:
        world.outages += 1

    def stop(self, world: SimulatedWorld, random: Random) -> None:
        world.outages -= 1

    def arrivals(self, random: Random, kind: str, job: str) -> list[float] | None:
        return [] if kind == TICK else None


class SlowStart(Disturbance):
    """Events wait for a sandbox, some for too long."""

    kind = "slow-start"

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        return cls.at(chance, round(chance.random.uniform(0.02, 0.2), 2), "", round(chance.random.uniform(60, 5400)))

    def arrivals(self, random: Random, kind: str, job: str) -> list[float] | None:
        return [random.uniform(0, self.amount)] if kind == EVENT and random.random() < self.share else None


DELIVERIES: tuple[type[Disturbance], ...] = (Duplicates, Reordering, LostTicks, Outage, SlowStart)
