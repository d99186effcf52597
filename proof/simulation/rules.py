"""Rules: they fire the ticks of the schedules that are deployed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proof.simulation.simulated_world import SimulatedWorld


class Rules:
    """Fires the ticks of some jobs."""

    def __init__(self, world: SimulatedWorld, jobs: tuple[str, ...]) -> None:
        self.world = world
        self.jobs = jobs
        #: Ticks that were due, by job, each with the number of its deliveries.
        self.fired: dict[str, dict[datetime, int]] = {job: {} for job in jobs}
        #: Deployment whose schedules `_next` follows; 0 before the first.
        self._deployed = 0
        self._ticks: list[tuple[str, Iterator[datetime]]] = []
        self._next: list[tuple[datetime, str]] = []

    def begin(self) -> None:
        """Plan the next minute with a tick."""
        self._plan_after(self.world.clock.now())

    def _plan_after(self, at: datetime) -> None:
        if self._deployed != self.world.deployed:
            self._read_schedules(at)
        self._advance(at)
        if self._next:
            first = min(self._next)[0]
            self.world.plan(first, partial(self._fire, first))

    def _read_schedules(self, at: datetime) -> None:
        """Follow the schedules of the last deployment."""
        self._deployed = self.world.deployed
        schedules = ((job, each) for job in self.jobs for each in self.world.jobs[job].schedules())
        self._ticks = [(job, each.after(at)) for job, each in schedules]
        self._next = [(next(ticks), job) for job, ticks in self._ticks]

    def _advance(self, at: datetime) -> None:
        for number, (job, ticks) in enumerate(self._ticks):
            while self._next[number][0] <= at:
                self._next[number] = next(ticks), job

    def _fire(self, tick: datetime) -> None:
        """Deliver the ticks of a minute, by the schedules of now."""
        if self._deployed != self.world.deployed:
            self._read_schedules(tick - timedelta(seconds=1))
        # Two schedules of a job with the same minute are two rules, and one tick.
        for job in sorted({job for at, job in self._next if at == tick}):
            self.fired[job][tick] = self.world.deliver_tick(job, tick)
        self._plan_after(tick)
