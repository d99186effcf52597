"""Scenario of a job: its start, and the ticks after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from cli.commands.test import at_time, sample
from shared.aws import attributes
from shared.job.definition import Job
from shared.run.firing import Firing
from shared.tables import STATE

if TYPE_CHECKING:
    from proof.world.world import World

# Time for which a sweep defers an item: its effect is in progress, or its attempt has failed.
DEFERRED = timedelta(days=1)
# Time between ticks of the last day, at which an item that fails has the rest of its attempts.
RETRIED = timedelta(minutes=20)
# Time after a tick, less than a minute, in which its run has ended.
THAW = timedelta(seconds=40)
# Seconds after the timeout of a run at which its lease has expired.
LEASE_EXPIRED = 300
# Runs of the jobs that watch the others, after each tick.
RECONCILER = "reconciler"
WATCHES = {RECONCILER: 1, "job-monitoring": 1}
QUEUE_WATCHES = {"queue-health": 1, "job-monitoring": 1}
WATCHERS = {*WATCHES, *QUEUE_WATCHES}
# Time from the samples to the first tick: the reconciler expects ticks of a new deployment after an hour.
ROLLOUT = timedelta(hours=4)
# Time before the first tick at which a plan begins.
LEAD = timedelta(hours=2)
# Messages may wait for redelivery: receives times visibility.
REDELIVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Ticks and messages of a plan of one job."""

    job: Job
    #: Ticks of its schedule, the disturbed one first. Empty for a consumer and a job without a schedule.
    ticks: tuple[datetime, ...]
    start: datetime
    faults: int = 1

    @classmethod
    def of(cls, job: Job, start: datetime, faults: int = 1) -> Scenario:
        """The scenario of a job from `start` on.

        faults: how many meet its runs. Each is followed by a day of its own.
        """
        if job.queue:
            return cls(job, (), start)
        return cls(job, tuple(_ticks(job, start, faults)), start, faults)

    @property
    def thaws_at(self) -> datetime:
        """When a frozen process continues: after the next tick beyond its lease."""
        if not self.ticks:
            return self.start
        expired = self.ticks[0] + timedelta(seconds=self.job.timeout + LEASE_EXPIRED)
        return next(tick for tick in self.ticks if tick > expired) + THAW

    def play(self, world: World) -> None:
        """Start the job, and run the world until it is idle.

        Or until messages have waited for long. Raises WorldStuck.
        """
        at = world.clock.now()
        if self.job.queue:
            url = world.names.queue_url(self.job.queue)
            for body in sample_messages(self.job, world.clock.now()):
                world.sqs.call("SendMessage", {"QueueUrl": url, "MessageBody": body})
        elif not self.ticks:
            self._start(world, "proof", at)
        for at in self.ticks:
            world.plan_tick(self.job.name, at)
        began = self.ticks or (world.clock.now(),)
        self._plan_watchers(world, began[0], began[0])
        if self.faults > 1:
            # The second fault meets one of these ticks; reports are due before days have passed.
            for at in began[1:-1]:
                self._plan_watchers(world, at, at)
        if len(began) > 1:
            self._plan_watchers(world, began[-1], began[0])
        world.run_until_idle(max(began) + REDELIVERY)
        if not self.ticks:
            # What was redriven to a dead-letter queue is moved by a later look, and a frozen manual run is recorded.
            self._plan_watchers(world, world.clock.now(), world.clock.now())
            world.run_until_idle(world.clock.now() + REDELIVERY)
            if not self.job.queue and not _is_done(world, self.job):
                # Nothing resumes a manual run that died without a report: its caller, who sees no good end, starts it
                # again.
                self._start(world, "again", at)
                world.run_until_idle(world.clock.now() + REDELIVERY)

    def _start(self, world: World, run: str, at: datetime) -> None:
        """Start a manual run for the time `at`."""
        request = Firing(self.job.name, at, id=run, manual=True, correlation_id=run)
        world.functions.enqueue(self.job.name, {"firing": request.data()})

    def prepare(self, world: World) -> None:
        """Advance to shortly before the first tick.

        The reconciler accounts for all ticks until then.
        """
        world.clock.advance_to((self.ticks[0] if self.ticks else self.start) - LEAD)
        self._plan_watchers(world, world.clock.now() - timedelta(seconds=self.job.timeout), self.start)
        world.run_until_idle(world.clock.now() + LEAD)

    def _plan_watchers(self, world: World, at: datetime, since: datetime) -> None:
        """Plan runs of the watchers after `at`.

        since: up to when they have accounted for everything.
        """
        for name, count in (QUEUE_WATCHES if self.job.queue else WATCHES).items():
            if name == self.job.name:
                continue
            (schedule,) = world.jobs[name].schedules()
            expired = at + timedelta(seconds=self.job.timeout + LEASE_EXPIRED)
            due = {*islice(schedule.after(at), count), *islice(schedule.after(expired), count)}
            if name == RECONCILER:
                # One run accounts for the ticks of a day.
                due |= {*islice(schedule.after(expired), count + (at - since).days)}
            for each in sorted(due):
                world.plan_tick(name, each)


def _is_done(world: World, job: Job) -> bool:
    rows = map(attributes.plain, world.dynamodb.shared_rows(STATE.name))
    return any(row.get("job") == job.name and row.get("outcome") == "done" and row.get("ok", True) for row in rows)


def _ticks(job: Job, start: datetime, faults: int) -> list[datetime]:
    """The disturbed tick, the next, two after its lease, last ones."""
    if not job.schedules():
        return []
    first, second = _first_after(job, start, 2)
    later = _first_after(job, first + timedelta(seconds=job.timeout + LEASE_EXPIRED), 2)
    # Work that was deferred meanwhile is due again.
    ticks = [first, second, *later]
    for _ in range(faults):
        last = _first_after(job, ticks[-1] + DEFERRED, 1)[0]
        retried = (_first_after(job, last + number * RETRIED, 1)[0] for number in (1, 2))
        ticks += [last, *(at for at in retried if at < last + 4 * RETRIED)]
    return sorted({*ticks})


def _first_after(job: Job, start: datetime, count: int) -> list[datetime]:
    return sorted({at for each in job.schedules() for at in islice(each.after(start), count)})[:count]


def sample_messages(job: Job, now: datetime) -> tuple[str, ...]:
    """Bodies of a consumer's sample messages, as sent at `now`."""
    return tuple(record["body"] for record in at_time(sample(job), now)["Records"])
