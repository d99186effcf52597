"""A deployment in memory whose processes take turns, and are disturbed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from greenlet import greenlet

from proof.simulation.disturbance import ACKNOWLEDGED, EVENT, TICK, Disturbance
from proof.simulation.fate import PLAIN, CallEnd, CallFate
from proof.simulation.instances import Instance, Instances
from proof.simulation.operator_actions import OperatorActions
from proof.simulation.simulated_process import SimulatedProcess
from proof.world.invocation import invoke
from proof.world.memory_cloud import MemoryCloud
from proof.world.memory_lambda import PendingInvocation, dropped_record, failure_record
from proof.world.memory_sqs import lambda_record
from proof.world.process import ProcessEnded
from proof.world.world import InvocationFailure, World
from shared.aws.names import CODE_VERSION
from shared.job import manifest, registry
from shared.job.definition import Job
from shared.job.manifest import Entry

if TYPE_CHECKING:
    from proof.simulation.trace import SimulationTrace

# Lambda keeps an event for so long, as the templates have it.
EVENT_AGE = timedelta(hours=1)
Answer = Mapping[str, Any] | InvocationFailure


class ProcessWatcher(Protocol):
    """Observes the begin and end of each process."""

    def began(self, process: SimulatedProcess, invocation: PendingInvocation) -> None: ...

    def ended(self, process: SimulatedProcess, invocation: PendingInvocation, answer: Answer) -> None: ...


class SimulatedWorld(World):
    """A world in which processes run at the same time.

    Only one runs until it waits; so every order of events follows from the seed.
    """

    def __init__(
        self, jobs: Mapping[str, Job], now: datetime, environment: Mapping[str, str], seed: str, trace: SimulationTrace
    ) -> None:
        super().__init__(jobs, now, environment)
        self.trace = trace
        self.instances = Instances(self, f"{seed}/instances")
        self.operator = OperatorActions(self)
        #: Outages in progress.
        self.outages = 0
        #: Disturbances in progress, each with its source of random numbers.
        self.active: list[tuple[Disturbance, Random]] = []
        self.watchers: list[ProcessWatcher] = []
        #: Names of the jobs whose ticks are expected.
        self.ticking: tuple[str, ...] = ()
        #: Processes that have not ended, in the order of their begin.
        self.alive: list[SimulatedProcess] = []
        #: When each event that waits was accepted, by its identity.
        self._accepted: dict[int, datetime] = {}
        #: Number of the deployment, from 1.
        self.deployed = 1
        self._entries: tuple[int, tuple[str, ...], dict[str, Entry]] = 0, (), {}

    @property
    def current(self) -> SimulatedProcess:
        """The process whose code runs now."""
        process = self.processes[-1]
        assert isinstance(process, SimulatedProcess)
        return process

    def entries(self) -> dict[str, Entry]:
        """The manifest: consumers, and the jobs whose ticks are expected."""
        if self._entries[:2] != (self.deployed, self.ticking):
            jobs = [job for job in self.jobs.values() if job.queue or job.name in self.ticking]
            self._entries = self.deployed, self.ticking, manifest.of(jobs, self.environment)
        return self._entries[2]

    def begin(self, disturbance: Disturbance, random: Random) -> None:
        """Begin the window of a disturbance."""
        self.trace.note(self.clock.now(), f"begins {disturbance}")
        self.active.append((disturbance, random))
        disturbance.start(self, random)

    def finish(self, disturbance: Disturbance, random: Random) -> None:
        """End the window of a disturbance."""
        self.trace.note(self.clock.now(), f"ends {disturbance}")
        self.active = [(each, source) for each, source in self.active if each is not disturbance]
        disturbance.stop(self, random)

    def deploy(self, changes: Mapping[str, str]) -> None:
        """Deploy with other settings; an empty value removes one."""
        self.deployed += 1
        environment = {**self.environment, **changes, CODE_VERSION: f"sim-{self.deployed}"}
        self.environment = {name: value for name, value in environment.items() if value}
        self.jobs = registry.discover(self.environment).jobs
        self.mapped = {name: self.jobs[job.name] for name, job in self.mapped.items()}
        self.instances.replace_all()

    def fate(self, job: str, name: str) -> CallFate:
        """Return the fate of a try of a call."""
        if self.outages:
            return CallFate(CallEnd.UNREACHED, after=0.5)
        for disturbance, random in self.active:
            if fate := disturbance.call(random, job, name):
                return fate
        return PLAIN

    def arrivals(self, kind: str, job: str) -> list[float]:
        """Return the seconds after which something arrives, each time."""
        for disturbance, random in self.active:
            if (found := disturbance.arrivals(random, kind, job)) is not None:
                return found
        return [0.0]

    def deliver_tick(self, job: str, tick: datetime) -> int:
        """Deliver a tick as often as the disturbances have it."""
        arrivals = self.arrivals(TICK, job)
        for seconds in arrivals:
            self.plan(self.clock.now() + timedelta(seconds=seconds), partial(self.fire, job, tick))
        return len(arrivals)

    def run_until(self, end: datetime) -> None:
        """Run everything that is due until `end`."""
        while True:
            self._start_waiting()
            due = self._next_due()
            if due is None or due > end:
                self.clock.advance_to(end)
                return
            self.clock.advance_to(due)
            while self.agenda and self.agenda[0].at <= self.clock.now():
                self._happen()

    def others_until(self, process: SimulatedProcess, until: datetime) -> None:
        """Suspend a process until a time. Called by its own code."""
        assert process.turn is not None
        self.plan(until, partial(self._continue, process))
        assert process.turn.parent is not None
        process.turn.parent.switch()

    def _happen(self) -> None:
        import heapq

        heapq.heappop(self.agenda).happen()

    def _next_due(self) -> datetime | None:
        if self.outages:
            return self.agenda[0].at if self.agenda else None
        return super()._next_due()

    def _start_waiting(self) -> None:
        while not self.outages:
            if self.functions.pending:
                self._accept(self.functions.pending.popleft())
            elif not self._deliver():
                return

    def _accept(self, invocation: PendingInvocation) -> None:
        """Begin an asynchronous invocation, or let it wait or come twice."""
        accepted = self._accepted.pop(id(invocation), None)
        if accepted is None:
            now = self.clock.now()
            for seconds in self.arrivals(EVENT, invocation.job):
                again = PendingInvocation(invocation.job, invocation.event, invocation.request_id)
                self._accepted[id(again)] = now
                self.plan(now + timedelta(seconds=seconds), partial(self.functions.pending.append, again))
            return
        if self.clock.now() - accepted > EVENT_AGE:
            self._send_record(dropped_record(self, invocation))
            return
        self._begin(invocation, partial(self._answered, invocation))

    def _deliver(self) -> bool:
        for name, job in self.mapped.items():
            received = self.sqs.receive(name, min(job.batch_size, 10))
            if received:
                queue = self.sqs.queues[name]
                records = [lambda_record(message, queue) for message in received]
                invocation = PendingInvocation(job.name, {"Records": records}, f"batch-{self.invocations}")
                ids = {message.id: message.handle for message in received}
                self._begin(invocation, partial(self._acknowledge_batch, name, job.name, ids))
                return True
        return False

    def _acknowledge_batch(self, queue: str, job: str, handles: Mapping[str, str], answer: Answer) -> None:
        if not isinstance(answer, Mapping):
            return
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        messages = self.sqs.queues[queue].messages
        for each, handle in handles.items():
            # A message that was received again since has another handle, and stays.
            known = each in messages and messages[each].handle == handle
            if each not in failed and known and len(self.arrivals(ACKNOWLEDGED, job)) == 1:
                self.acknowledge(queue, [each])

    def _answered(self, invocation: PendingInvocation, answer: Answer) -> None:
        if not isinstance(answer, Mapping) and not answer.silent:
            self._send_record(failure_record(self, invocation, answer.error_type, answer.message))

    def _begin(self, invocation: PendingInvocation, then: Callable[[Answer], None]) -> None:
        """Begin a process; it runs until it waits or ends."""
        self.invocations += 1
        job = self.jobs[invocation.job]
        instance = self.instances.take(job)
        process = SimulatedProcess(self, job.name, job.timeout, instance.clock)
        process.turn = greenlet(partial(self._live, process, instance, invocation, then))
        self.alive.append(process)
        for watcher in self.watchers:
            watcher.began(process, invocation)
        self._continue(process)

    def _continue(self, process: SimulatedProcess) -> None:
        assert process.turn is not None
        # The last one is the one that runs; the others are known to be alive.
        self.processes = [*(each for each in self.alive if each is not process), process]
        process.turn.switch()

    def _live(
        self,
        process: SimulatedProcess,
        instance: Instance,
        invocation: PendingInvocation,
        then: Callable[[Answer], None],
    ) -> None:
        answer = self._serve(process, instance, invocation)
        self.alive.remove(process)
        then(answer)
        for watcher in self.watchers:
            watcher.ended(process, invocation, answer)

    def _serve(self, process: SimulatedProcess, instance: Instance, invocation: PendingInvocation) -> Answer:
        if instance.cloud is None:
            instance.cloud = MemoryCloud(self, process)
        instance.cloud.process = process
        try:
            answer = invoke(instance.cloud, instance.job, invocation)
        except ProcessEnded:
            return InvocationFailure("Runtime.ExitError", "the process ended", process.silent)
        except Exception as error:  # noqa: BLE001 - the invocation fails, as on Lambda
            process.raised = f"{type(error).__name__}: {error}"
            self.instances.give_back(instance)
            return InvocationFailure(type(error).__name__, str(error))
        if process.ended:
            return InvocationFailure("Runtime.ExitError", "the process ended", process.silent)
        self.instances.give_back(instance)
        return answer
