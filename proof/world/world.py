"""A deployment in memory, on a virtual clock."""

from __future__ import annotations

import heapq
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from infra import queues as queue_plan
from proof.world.claim_watch import ClaimWatch
from proof.world.dynamodb import MemoryDynamoDb
from proof.world.fault import CrashPoint
from proof.world.invocation import WorldLog, invoke
from proof.world.memory_cloud import MemoryCloud
from proof.world.memory_lambda import MemoryLambda, PendingInvocation, dropped_record, failure_record
from proof.world.memory_s3 import MemoryS3
from proof.world.memory_secrets import MemorySecrets
from proof.world.memory_sqs import MemoryQueue, MemorySqs, lambda_record
from proof.world.memory_topic import MemoryTopic
from proof.world.process import Process, ProcessEnded
from proof.world.throttling import Throttling
from proof.world.virtual_clock import WorldClock
from shared import tables
from shared.aws.names import FIRINGS, Names
from shared.job.definition import Job

NAMES = Names("proof", "123456789012", "us-east-1", declared_production=False)
# Time before the end of a process in which it may give up a call that fails.
FINISHING = timedelta(seconds=10)
# Invocations of one plan, after which it counts as stuck.
MAX_INVOCATIONS = 400


def _nothing() -> None:
    """Continue."""


def _ignore(_: str) -> None:
    """Draw on."""


class WorldStuck(Exception):
    """The world does not come to rest."""


@dataclass(slots=True)
class Snapshot:
    """State of the stores, to begin plans from."""

    instant: datetime
    rows: Any
    objects: dict[str, Any]
    messages: dict[str, Any]
    log: int = 0


@dataclass(order=True, slots=True)
class _Due:
    at: datetime
    number: int
    happen: Callable[[], None] = field(compare=False)
    #: What happens, such as the job that fires.
    name: str = field(compare=False)


class World:
    """One deployment.

    Everything happens in the thread that drives it, in the order of time.
    """

    def __init__(self, jobs: Mapping[str, Job], now: datetime, environment: Mapping[str, str]) -> None:
        self.names = NAMES
        self.jobs = jobs
        self.environment = dict(environment)
        self.clock = WorldClock(now)
        self.dynamodb = MemoryDynamoDb(tables.TABLES, self.names.table, self.clock.now)
        self.claims = ClaimWatch(self, self.dynamodb, self.names.table(tables.STATE.name))
        self.s3 = MemoryS3(self.clock.now)
        self.sqs = MemorySqs(self.clock.now)
        self.topic = MemoryTopic()
        self.functions = MemoryLambda(self)
        self.secrets = MemorySecrets()
        self.log = WorldLog(self.clock)
        self.agenda: list[_Due] = []
        #: The process whose code runs now, and those that it has frozen.
        self.processes: list[Process] = []
        #: The fault of the next process of this job, and of the one after it.
        self.faults: list[tuple[str, CrashPoint]] = []
        self.invocations = 0
        self.max_invocations = MAX_INVOCATIONS
        #: Throttling of AWS; None without any.
        self.throttling: Throttling | None = None
        #: Until when a process stands still at least that a fault freezes.
        self.freeze_until = now
        #: The processes that met a fault.
        self.faulted: list[Process] = []
        #: Called before the clock advances: nothing runs, and nothing waits for its turn.
        self.at_rest: Callable[[], None] = _nothing
        #: Called with the name of each process before it starts. Plans seed their random numbers here: ids of a
        #: process do not depend on how many another one drew.
        self.before_process: Callable[[str], None] = _ignore
        self._started: Counter[str] = Counter()
        #: How often something was planned.
        self.planned = 0
        self.mapped = self._create_queues()

    def _create_queues(self) -> dict[str, Job]:
        """Create the queues of the templates. Returns the consumers by queue."""
        plan = queue_plan.plan(self.jobs)
        for name, queue in plan.items():
            physical = self.names.queue(name)
            arn = self.names.arn("sqs", physical)
            dead = self.names.queue(queue.dead_letter_queue) if queue.dead_letter_queue else None
            self.sqs.queues[physical] = MemoryQueue(physical, arn, queue.visibility, dead, queue_plan.MAX_RECEIVES)
        return {self.names.queue(name): queue.consumer for name, queue in plan.items() if queue.consumer}

    def snapshot(self) -> Snapshot:
        messages = {name: dict(queue.messages) for name, queue in self.sqs.queues.items()}
        return Snapshot(self.clock.now(), self.dynamodb.snapshot(), dict(self.s3.objects), deepcopy(messages))

    def restore(self, snapshot: Snapshot) -> None:
        """Begin anew from a snapshot: nothing runs, waits or was logged."""
        self.clock.instant = snapshot.instant
        self.dynamodb.restore(snapshot.rows)
        self.s3.objects = dict(snapshot.objects)
        self.s3.uploads = {}
        for name, messages in deepcopy(snapshot.messages).items():
            self.sqs.queues[name].messages = messages
        self.functions.pending.clear()
        self.invocations = self.planned = 0
        self._started.clear()
        self.topic.published.clear()
        self.claims.clear()
        self.log.lines.clear()
        self.agenda, self.processes, self.faults, self.faulted = [], [], [], []

    def plan(self, at: datetime, happen: Callable[[], None], name: str = "") -> None:
        """Let something happen at a time.

        name: what it is, by which states are compared.
        """
        self.planned += 1
        heapq.heappush(self.agenda, _Due(at, self.planned, happen, name))

    def plan_tick(self, job: str, at: datetime) -> None:
        """Let the schedule of a job fire at a time."""
        self.plan(at, partial(self.fire, job, at), job)

    def fire(self, job: str, tick: datetime) -> None:
        """Deliver a tick, as a rule of EventBridge does."""
        event = {"source": "aws.events", "time": f"{tick:%Y-%m-%dT%H:%M:%SZ}", "id": str(uuid.uuid4())}
        self.functions.enqueue(job, event)

    def run_until(self, end: datetime) -> None:
        """Run everything that is due until `end`. Raises WorldStuck."""
        while True:
            if self.functions.pending:
                self._run_async(self.functions.pending.popleft())
            elif not self._deliver():
                self.at_rest()
                due = self._next_due()
                if due is None or due > end:
                    self.clock.advance_to(end)
                    return
                self.clock.advance_to(due)
                while self.agenda and self.agenda[0].at <= self.clock.now():
                    heapq.heappop(self.agenda).happen()

    def run_until_idle(self, latest: datetime) -> None:
        """Run until nothing is planned and nothing waits, or until `latest`."""
        while (due := self._next_due()) is not None or self.functions.pending:
            if due is not None and due > latest:
                return
            self.run_until(due or self.clock.now())

    def go_on_without(self, frozen: Process, span: timedelta) -> None:
        """Run the others while a process is frozen in its call.

        For a span, and at least until `freeze_until`. Its messages are delivered again.
        """
        job = self.jobs.get(frozen.job)
        if job and job.queue:
            span += timedelta(seconds=self.sqs.queues[self.names.queue(job.queue)].visibility)
        self.run_until(max(self.clock.now() + span, self.freeze_until))
        assert self.processes[-1] is frozen

    def _next_due(self) -> datetime | None:
        visible = [at for name in self.mapped if (at := self.sqs.next_visible(name)) is not None]
        return min([*visible, *([self.agenda[0].at] if self.agenda else [])], default=None)

    def _deliver(self) -> bool:
        """Deliver one batch of one queue. False where nothing is due."""
        for name, job in self.mapped.items():
            received = self.sqs.receive(name, min(job.batch_size, 10))
            if not received:
                continue
            queue = self.sqs.queues[name]
            records = [lambda_record(message, queue) for message in received]
            invocation = PendingInvocation(job.name, {"Records": records}, f"batch-{self.invocations}")
            answer = self._run(invocation)
            if isinstance(answer, Mapping):
                failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
                self.acknowledge(name, [message.id for message in received if message.id not in failed])
            return True
        return False

    def acknowledge(self, queue: str, ids: Iterable[str]) -> None:
        """Delete handled messages, as the event source mapping does."""
        self.sqs.delete(queue, ids)

    def _run_async(self, invocation: PendingInvocation) -> None:
        if invocation.job in self.functions.stopped:
            return self._send_record(dropped_record(self, invocation))
        answer = self._run(invocation)
        if isinstance(answer, Mapping) or answer.silent or self.jobs[invocation.job].queue:
            return None
        return self._send_record(failure_record(self, invocation, answer.error_type, answer.message))

    def _send_record(self, record: Mapping[str, Any]) -> None:
        """Send a record to the on-failure destination."""
        request = {"QueueUrl": self.names.queue_url(FIRINGS), "MessageBody": json.dumps(record)}
        self.sqs.call("SendMessage", request)

    def _run(self, invocation: PendingInvocation) -> Mapping[str, Any] | InvocationFailure:
        """Run one invocation in a process of its own."""
        self.invocations += 1
        if self.invocations > self.max_invocations:
            raise WorldStuck(f"more than {self.max_invocations} invocations; the last one of {invocation.job}")
        job = self.jobs[invocation.job]
        process = self.start_process(job)
        self.processes.append(process)
        answer: Mapping[str, Any] | None
        try:
            answer = self.serve(process, job, invocation)
        except ProcessEnded:
            answer = None
        except Exception as error:  # noqa: BLE001 - the invocation fails, as on Lambda
            if self.clock.now() < process.stopped_at - FINISHING:
                process.raised = f"{type(error).__name__}: {error}"
            return InvocationFailure(type(error).__name__, str(error))
        finally:
            self.processes.pop()
            if (left := process.left_fault()) is not None:
                self.faults.append((job.name, left))
        if answer is None or process.ended:
            ended = f"RequestId: {invocation.request_id} Error: Runtime exited with error: signal: killed"
            return InvocationFailure("Runtime.ExitError", ended, process.silent)
        return answer

    def start_process(self, job: Job) -> Process:
        """The process of the next invocation, with its fault."""
        name = f"{job.name} {self.clock.now():%Y-%m-%dT%H:%M:%S}"
        self._started[name] += 1
        self.before_process(f"{name} {self._started[name]}")
        fault = self._take_fault(job.name)
        process = Process(self, job.name, job.timeout, fault)
        if fault:
            self.faulted.append(process)
        return process

    def serve(self, process: Process, job: Job, invocation: PendingInvocation) -> Mapping[str, Any]:
        """Serve an event after a cold start.

        Instances hold state for the time of their process. Raises what `invoke` raises.
        """
        return invoke(MemoryCloud(self, process), type(job)(), invocation)

    def _take_fault(self, job: str) -> CrashPoint | None:
        for number, (name, point) in enumerate(self.faults):
            if name == job:
                del self.faults[number]
                return point
        return None


@dataclass(frozen=True, slots=True)
class InvocationFailure:
    """An invocation without an answer."""

    error_type: str
    message: str
    #: Whether Lambda's record of it is lost too.
    silent: bool = False
