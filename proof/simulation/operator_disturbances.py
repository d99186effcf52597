"""Disturbances by people: pauses, deployments, clocks, budgets."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Self

from proof.simulation.disturbance import Chance, Disturbance

if TYPE_CHECKING:
    from proof.simulation.simulated_world import SimulatedWorld

# Seconds by which two clocks may differ: less than the default of NIGHTSHIFT_LEASE_MARGIN.
LARGEST_SKEW = 4.0
# Schedules in zones with summer time; each has ticks in the hours that a change of the clock skips or repeats.
ZONED = ("30 2 * * * Europe/Berlin", "*/15 * * * * America/New_York", "30 1,2,3 * * * Europe/London")


class ClockSkew(Disturbance):
    """Clocks of new instances are ahead or behind."""

    kind = "clock-skew"

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        return cls.at(chance, 1.0, "", round(chance.random.uniform(0.5, LARGEST_SKEW), 1))

    def start(self, world: SimulatedWorld, random: Random) -> None:
        world.instances.skew = self.amount
        world.instances.replace_all()

    def stop(self, world: SimulatedWorld, random: Random) -> None:
        world.instances.skew = 0.0
        world.instances.replace_all()


class Deployment(Disturbance):
    """Other settings and another version, until the window ends.

    Runs in progress keep what they began with.
    """

    kind = "deployment"

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        return cls.at(chance, 1.0, chance.random.choice(chance.jobs))

    def start(self, world: SimulatedWorld, random: Random) -> None:
        world.deploy({f"{world.jobs[self.subject].env}_MAX_RUNS_PER_TICK": str(random.choice((1, 2, 1000)))})

    def stop(self, world: SimulatedWorld, random: Random) -> None:
        world.deploy({f"{world.jobs[self.subject].env}_MAX_RUNS_PER_TICK": ""})


class SwitchedOff(Disturbance):
    """A job is switched off by its setting."""

    kind = "switched-off"

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        return cls.at(chance, 1.0, chance.random.choice(chance.jobs))

    def start(self, world: SimulatedWorld, random: Random) -> None:
        world.deploy({f"{world.jobs[self.subject].env}_ENABLE": "false"})

    def stop(self, world: SimulatedWorld, random: Random) -> None:
        world.deploy({f"{world.jobs[self.subject].env}_ENABLE": "true"})


class ZonedSchedule(Disturbance):
    """A job fires by the time of a zone."""

    kind = "zoned-schedule"

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        return cls(chance.number, 0.0, 10_000.0, 1.0, chance.random.choice(chance.jobs))

    def start(self, world: SimulatedWorld, random: Random) -> None:
        job = world.jobs[self.subject]
        if not job.queue:
            world.deploy({f"{job.env}_SCHEDULE": random.choice(ZONED)})


class BudgetUsedUp(Disturbance):
    """A job may work on one item a day."""

    kind = "budget"

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        return cls.at(chance, 1.0, chance.random.choice(chance.jobs))

    def start(self, world: SimulatedWorld, random: Random) -> None:
        if world.jobs[self.subject].budget is not None:
            world.deploy({f"{world.jobs[self.subject].env}_BUDGET": "1 items per day"})

    def stop(self, world: SimulatedWorld, random: Random) -> None:
        if world.jobs[self.subject].budget is not None:
            world.deploy({f"{world.jobs[self.subject].env}_BUDGET": ""})


class Paused(Disturbance):
    """An operator pauses a job, and resumes it."""

    kind = "pause"

    @classmethod
    def draw(cls, chance: Chance) -> Self:
        return cls.at(chance, 1.0, chance.random.choice(chance.jobs))

    def start(self, world: SimulatedWorld, random: Random) -> None:
        world.operator.pause(self.subject)

    def stop(self, world: SimulatedWorld, random: Random) -> None:
        world.operator.resume(self.subject)


PEOPLE: tuple[type[Disturbance], ...] = (ClockSkew, Deployment, SwitchedOff, ZonedSchedule, BudgetUsedUp, Paused)
