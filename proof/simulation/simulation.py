"""Run one plan, and check the invariants."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Self

from greenlet import GreenletExit

from cli.environment import replace_environment
from proof.crash.samples import write_samples
from proof.outside.calls import through_processes
from proof.outside.servers import OutsideServers
from proof.simulation.expiry import Expiry
from proof.simulation.invariants import INVARIANTS
from proof.simulation.invariants.invariant import Observed, Violation
from proof.simulation.rules import Rules
from proof.simulation.simulated_world import SimulatedWorld
from proof.simulation.trace import SimulationTrace
from proof.simulation.traffic import Traffic
from proof.world.seeded import seeded
from proof.world.single_thread import in_one_thread
from shared.job import manifest, registry
from shared.run.context import RunContext
from shared.tables import STATE

if TYPE_CHECKING:
    from proof.simulation.plan import SimulationPlan
    from proof.simulation.simulated_process import SimulatedProcess
    from proof.simulation.simulated_world import Answer
    from proof.world.dynamodb.attribute_values import Item
    from proof.world.dynamodb.keys import Key
    from proof.world.memory_lambda import PendingInvocation

# Jobs that watch the others: they fire in each simulation.
WATCHERS = ("job-monitoring", "queue-health", "reconciler", "run-retention")
# Jobs that no simulation draws: their code runs in real processes, which have no virtual clock.
REAL_PROCESSES = "kb-labs-"
SAMPLES = 2
# Hours without disturbances at the end, in which everything heals.
CALM = 4.0
STEP = timedelta(hours=1)
# Python frames of a process and of the world.
DEPTH = 20_000


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """Result of one simulation."""

    plan: SimulationPlan
    violations: tuple[Violation, ...]
    #: Same for two runs of one plan.
    digest: str
    steps: int
    invocations: int


class Simulation:
    """The servers and settings of simulations. `with Simulation() as simulation:`."""

    def __init__(self) -> None:
        self._open = ExitStack()

    def __enter__(self) -> Self:
        sys.setrecursionlimit(max(DEPTH, sys.getrecursionlimit()))
        self.outside = self._open.enter_context(OutsideServers())
        self.environment = self.outside.settings(registry.discover({}).jobs.values())
        self._open.enter_context(replace_environment(self.environment))
        self._open.callback(manifest.load.cache_clear)
        self.jobs = registry.discover(self.environment).jobs
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def candidates(self) -> list[str]:
        """Names of the jobs that a plan may draw."""
        named = (job for job in self.jobs.values() if job.schedules() and job.name not in WATCHERS)
        return sorted(job.name for job in named if not job.name.startswith(REAL_PROCESSES))

    def run(self, plan: SimulationPlan, show: Callable[[str], None] | None = None) -> SimulationResult:
        """Run a plan until its end, or until an invariant is violated."""
        self.outside.received.clear()
        trace = SimulationTrace(show) if show else SimulationTrace()
        world = SimulatedWorld(self.jobs, plan.start, self.environment, str(plan.seed), trace)
        with ExitStack() as open_:
            self.outside.store_secrets(world)
            open_.enter_context(in_one_thread(world))
            open_.enter_context(seeded(plan.seed))
            open_.enter_context(_virtual(world))
            open_.enter_context(through_processes(world, self.outside.web.address))
            open_.callback(_end_all, world)
            return _Course(self, plan, world).run()


class _Course:
    """The course of one simulation."""

    def __init__(self, simulation: Simulation, plan: SimulationPlan, world: SimulatedWorld) -> None:
        self.plan = plan
        self.world = world
        # The samples are written for all jobs.
        world.ticking = tuple(world.jobs)
        self.rules = Rules(world, tuple(sorted({*plan.jobs, *WATCHERS})))
        hours = plan.days * 24
        self.traffic = Traffic(world, f"{plan.seed}/traffic", hours)
        self.expiry = Expiry(world, f"{plan.seed}/expiry")
        calm_from = plan.start + timedelta(hours=hours)
        received = simulation.outside.received.counts
        observed = Observed(world, self.rules, self.traffic, received, calm_from)
        self.invariants = [kind(observed) for kind in INVARIANTS]
        self.end = calm_from + timedelta(hours=CALM)
        self.simulation = simulation

    def run(self) -> SimulationResult:
        world = self.world
        write_samples(world, SAMPLES)
        self.simulation.outside.publish_challenges(world)
        world.ticking = self.rules.jobs
        world.dynamodb.observe(STATE.name, self._changed)
        world.watchers += [world.trace, self]
        for part in (self.rules, self.traffic, self.expiry):
            part.begin()
        self._plan_disturbances()
        while world.clock.now() < self.end and not self._violations():
            world.run_until(min(world.clock.now() + STEP, self.end))
            for invariant in self.invariants:
                invariant.hourly()
        if not self._violations():
            for invariant in self.invariants:
                invariant.final()
        trace = world.trace
        return SimulationResult(self.plan, self._violations(), trace.digest, trace.steps, world.invocations)

    def began(self, process: SimulatedProcess, invocation: PendingInvocation) -> None:
        """Nothing is checked at the begin of a process."""

    def ended(self, process: SimulatedProcess, invocation: PendingInvocation, answer: Answer) -> None:
        lines = self.world.log.lines
        for invariant in self.invariants:
            for line in lines:
                invariant.logged(line)
            invariant.ended(process, invocation, answer)
        lines.clear()

    def _changed(self, _table: str, key: Key, before: Item | None, after: Item | None) -> None:
        for invariant in self.invariants:
            invariant.changed(key, before, after)

    def _violations(self) -> tuple[Violation, ...]:
        return tuple(each for invariant in self.invariants for each in invariant.violations)

    def _plan_disturbances(self) -> None:
        for each in self.plan.disturbances:
            random = Random(f"{self.plan.seed}/{each.number}")
            begins, ends = each.window(self.plan.start)
            ends = min(ends, self.end - timedelta(hours=CALM))
            self.world.plan(max(begins, self.world.clock.now()), partial(self.world.begin, each, random))
            self.world.plan(ends, partial(self.world.finish, each, random))


def _end_all(world: SimulatedWorld) -> None:
    """End the processes that still run, without a further call."""
    world.watchers.clear()
    for process in list(world.alive):
        process.ended = True
        if process.turn:
            with suppress(GreenletExit):
                process.turn.throw(GreenletExit)


@contextmanager
def _virtual(world: SimulatedWorld) -> Iterator[None]:
    """Let the manifest be that of the world, and durations be virtual."""
    replaced: tuple[tuple[Any, str, Any], ...] = (
        (manifest, "load", world.entries),
        (
            RunContext,
            "elapsed_ms",
            lambda run: round((run.cloud.clock.now() - run.started) / timedelta(milliseconds=1)),
        ),
    )
    with ExitStack() as restored:
        for owner, name, value in replaced:
            restored.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        yield
