"""See the catalogue, FS-08."""

from __future__ import annotations

from functions.operations import _dlq_mover
from shared import clock
from shared.advised_commands import advised
from shared.aws import permissions
from shared.aws.names import STATE
from shared.aws.permissions import Grant, read_rows, write_objects, write_rows
from shared.job import manifest, retry_policies
from shared.job.definition import Job
from shared.job.idempotency import upsert
from shared.job.outcome import Done, Outcome
from shared.job.schedule import every
from shared.messages import queue_depth
from shared.messages.queue_depth import QueueHealth as Health
from shared.observability import alerts
from shared.run.context import RunContext

# Letters of one queue that one run carries; more are carried by the next.
MOST = 200
RESERVE = 10
# Milliseconds for which nothing of a queue was handled although messages wait, until operators are told.
STUCK = 15 * 60_000


class QueueHealth(Job):
    """Look at every consumer's queue: depth, age, lag and errors; and carry what queues gave up to be collected.

    A metric is written while there is something to tell, so that an idle deployment pays for none.
    """

    schedule = every(minutes=5, offset=2)
    timeout = 60
    retry = retry_policies.MAINTENANCE
    retention = "high-volume"
    idempotency = upsert("a queue's row is what was seen last; a letter is sent before its message is deleted")
    permissions = (
        Grant(("sqs:GetQueueAttributes",), "queue/*"),
        Grant(("sqs:ReceiveMessage", "sqs:DeleteMessage"), "queue/*-dlq"),
        read_rows(STATE, "queues", "*:last"),
        write_rows(STATE, "queues"),
        write_objects("dead/*/large/*"),
        *permissions.alerting(),
    )
    needs_manifest = True

    def work(self, run: RunContext) -> Outcome:
        entries, before = manifest.load(), queue_depth.read(run.cloud)
        looked = carried = 0
        for queue, job in queue_depth.queues(entries).items():
            if run.remaining() < RESERVE:
                break
            seen = before.get(queue)
            health = queue_depth.measure(run.cloud, job, entries[job]["key"], queue, seen)
            if health is None:
                continue
            looked += 1
            dead = queue_depth.dead_letter_queue(queue)
            if dead and health.dead:
                carried += _dlq_mover.carry(run.cloud, job, dead, MOST)
            _tell(run, health)
            _alert(run, health, seen)
            # An idle queue's row says all there is to say.
            if seen is None or _quiet(seen) != _quiet(health) or health.waiting or health.done != seen.done:
                queue_depth.write(run.cloud, health)
        for health in queue_depth.worker_queues(run.cloud, before):
            looked += 1
            _alert(run, health, before.get(health.queue))
            if health.waiting or before.get(health.queue):
                queue_depth.write(run.cloud, health)
        return Done({"queues": looked, "carried": carried})

    def plan(self, run: RunContext) -> list[str]:
        lines = []
        for queue, job in queue_depth.queues(manifest.load()).items():
            dead = queue_depth.dead_letter_queue(queue)
            found = queue_depth.depth(run.cloud, dead) if dead else None
            if found and found.waiting:
                lines.append(f"carry {found.waiting} dead letters of {job} from {dead}")
        return lines


def _quiet(health: Health) -> tuple[int, ...]:
    return health.waiting, health.working, health.delayed, health.dead, health.failed


def _tell(run: RunContext, health: Health) -> None:
    if not (health.waiting or health.dead or health.errors):
        return
    age = health.age(clock.milliseconds(run.cloud.clock.now()))
    run.log.warning("queue_health", queue=health.queue, depth=health.waiting, age=age, errors=health.errors)
    run.log.metric(
        health.job,
        {"QueueDepth": health.waiting, "QueueAge": age, "QueueDead": health.dead, "QueueErrors": health.errors},
    )


def _alert(run: RunContext, health: Health, seen: Health | None) -> None:
    """Once for each time that it is stuck: at the first look by which it has been so for long enough."""
    now = clock.milliseconds(run.cloud.clock.now())
    if not health.since or health.age(now) < STUCK:
        return
    if seen and seen.since == health.since and seen.age(clock.milliseconds(clock.parse(seen.at))) >= STUCK:
        return
    told = {"job": health.job, "queue": health.queue, "waiting": health.waiting, "since": health.since}
    stage = run.cloud.names.stage
    commands = [advised(stage, "queues"), advised(stage, "why", health.job)]
    alerts.send(run.cloud, "QUEUE_STUCK", health.queue, told, commands, f"stuck-{health.queue}-{health.since}")
