"""Try every crash point of a job, and judge the result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from cli.environment import replace_environment
from proof.crash import sampling
from proof.crash.end_state import EndState, StateReader
from proof.crash.known_states import KnownStates, StateKnown
from proof.crash.sampling import EVERYTHING, Scope
from proof.crash.scenario import REDELIVERY, ROLLOUT, WATCHERS, Scenario
from proof.crash.verdict import Verdict, compare
from proof.outside.calls import through_processes
from proof.outside.servers import OutsideServers
from proof.world.fault import CrashPoint, FaultKind
from proof.world.seeded import seeded
from proof.world.single_thread import in_one_thread, only_job
from proof.world.tick_memo import remembered_ticks
from proof.world.world import Snapshot, World, WorldStuck
from shared.job import manifest, registry
from shared.job.definition import Job

START = datetime(2026, 3, 2, 0, 30, tzinfo=UTC)
SAMPLES = 2
# Of random numbers and ids: each plan draws the same ones.
SEED = 1
# Sample jobs whose runs fail, which is what they are for.
FAIL_ON_PURPOSE = {"crash"}
# A point that no run reaches: it only marks the process.
NO_FAULT = CrashPoint(10**9, FaultKind.DIES_BEFORE)
# Time before and after the start whose ticks are computed once.
REMEMBERED = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Plan:
    """One crash point of one job, with its verdict."""

    job: str
    point: CrashPoint
    #: The call that the fault meets.
    call: str
    verdict: Verdict


class UndisturbedFailure(Exception):
    """A run fails without a fault: its crash points prove nothing."""

    def __init__(self, job: str, error: str) -> None:
        super().__init__(f"{job} fails without a fault, so its crash points would prove nothing: {error}")


class Prover:
    """A world with sample data for every job. `with Prover() as prover:`."""

    def __init__(self, *, merges: bool = True) -> None:
        self._open = ExitStack()
        #: Whether plans end in states from which another plan was played.
        self.merges = merges
        #: Plans that ended so.
        self.merged = 0

    def __enter__(self) -> Self:
        self.outside = self._open.enter_context(OutsideServers())
        self.received = self.outside.received
        environment = self.outside.settings(registry.discover({}).jobs.values())
        self._open.enter_context(replace_environment(environment))
        # Read in another environment, it may lack jobs.
        manifest.load.cache_clear()
        self._open.callback(manifest.load.cache_clear)
        self.jobs = registry.discover(environment).jobs
        self.world = World(self.jobs, START, environment)
        self.outside.store_secrets(self.world)
        self._open.enter_context(in_one_thread(self.world))
        self._open.enter_context(remembered_ticks(START - REMEMBERED, 2 * REMEMBERED))
        self.world.before_process = self._open.enter_context(seeded(SEED)).seed
        self._open.enter_context(through_processes(self.world, self.outside.web.address))
        self.sampled: Snapshot = self._sample()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _sample(self) -> Snapshot:
        from proof.crash.samples import write_samples

        write_samples(self.world, SAMPLES)
        self.outside.publish_challenges(self.world)
        # Messages of the samples are processed, and ticks are expected, before any plan begins.
        for minutes in (0, 5):
            self.world.plan_tick("reconciler", START + timedelta(minutes=minutes))
        self.world.run_until_idle(START + REDELIVERY)
        return self.world.snapshot()

    def undisturbed(self, job: Job, faults: int = 1, *, may_fail: bool = False) -> tuple[EndState, list[str]]:
        """End state without a fault, and the calls of the run.

        faults: of the plans that are judged by it. may_fail: whether the run may fail. Raises UndisturbedFailure.
        """
        self.world.restore(self.sampled)
        self.scenario = Scenario.of(job, self.world.clock.now() + ROLLOUT, faults)
        with only_job(job, WATCHERS):
            self.scenario.prepare(self.world)
        self.prepared = self.world.snapshot()
        self.states = StateReader(self.world)
        self.states.prepare()
        self.known = KnownStates(self.world, self.received, self.prepared)
        self.world.at_rest = self.known.look
        failed = self.states.read(self.received.counts()).history.outcomes(job.name)["failed"]
        expected = self._play(job, NO_FAULT)
        # The sample messages of a consumer include one that it rejects.
        fails = not job.queue and expected.history.outcomes(job.name)["failed"] > failed
        if fails and not may_fail and job.name not in FAIL_ON_PURPOSE:
            lines = self.world.log.lines
            errors = [str(fields.get("error", message)) for level, message, fields in lines if level == "ERROR"]
            raise UndisturbedFailure(job.name, errors[0] if errors else "no error was logged")
        self.known.end(Verdict())
        self.world.at_rest = _continue
        return expected, self.world.faulted[0].calls if self.world.faulted else []

    def points(self, calls: list[str]) -> Iterator[CrashPoint]:
        """Every fault at every call."""
        return sampling.points(len(calls))

    def prove(self, job: Job, scope: Scope = EVERYTHING) -> Iterator[Plan]:
        """Try the crash points of a job, and pairs of them."""
        for faults, draw in ((1, scope.points), (2, scope.pairs_of)):
            expected, calls = self.undisturbed(job, faults)
            for point in draw(job.name, len(calls)):
                yield Plan(job.name, point, calls[point.call - 1], self.judge(job, point, expected))

    def judge(self, job: Job, point: CrashPoint, expected: EndState) -> Verdict:
        """Try one crash point."""
        self.world.at_rest = self.known.look if self.merges else _continue
        try:
            found = self._play(job, point)
        except StateKnown as known:
            self.merged += 1
            verdict = known.verdict
        except WorldStuck as stuck:
            return Verdict(stuck=[str(stuck)])
        else:
            verdict = self._compare(job, expected, found)
        finally:
            self.world.at_rest = _continue
        self.known.end(verdict)
        return verdict

    def throttled(self, job: Job, expected: EndState) -> Verdict:
        """Play the scenario with the world's throttling, which meets every process."""
        return self._compare(job, expected, self._play(job, NO_FAULT))

    def _compare(self, job: Job, expected: EndState, found: EndState) -> Verdict:
        faulted = self.world.faulted
        outside = any(call.startswith("outside:") for process in faulted for call in process.faulted_calls())
        verdict = compare(expected, found, attempt_failed=outside)
        verdict.silent += silent_ticks(job, expected, found)
        verdict.violated += self.world.claims.violations
        if job.queue:
            verdict.violated += [f"the batch was not answered: {each.raised}" for each in faulted if each.raised]
        return verdict

    def _play(self, job: Job, point: CrashPoint) -> EndState:
        self.received.clear()
        self.known.begin()
        world = self.world
        world.before_process("plan")
        scenario = self.scenario
        world.restore(self.prepared)
        world.faults.append((job.name, point))
        world.freeze_until = scenario.thaws_at
        with only_job(job, WATCHERS):
            scenario.play(world)
        return self.states.read(self.received.counts())


def _continue() -> None:
    """Play the plan to its end."""


def silent_ticks(job: Job, expected: EndState, found: EndState) -> list[str]:
    """Ticks with a row in the undisturbed history alone.

    A manual run is no tick: its caller sees that it has no end.
    """
    if not job.schedules():
        return []
    return [
        f"{job.name}: tick {tick} has no record"
        for tick in sorted(expected.history.ticks(job.name))
        if not found.history.has(job.name, tick)
    ]
