"""Catalogue, FS-08: depth, age, lag and errors of the consumers' queues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.operations import _dlq_mover
from shared import clock
from shared.advised_commands import advised
from shared.aws.names import WORK
from shared.job import (
    Done,
    Grant,
    Job,
    Outcome,
    RunContext,
    every,
    manifest,
    permissions,
    read_rows,
    retry_policies,
    tables,
    upsert,
    write_objects,
    write_rows,
)
from shared.messages import queue_depth
from shared.messages.queue_depth import QueueMeasurement as Health
from shared.observability import alerts
from shared.store import keys

# Dead letters of one queue that one run moves; the next run moves more.
MAX_MOVED = 200
# Remaining seconds below which no further queue is measured, and no further dead letters are received.
RESERVE = 10
# Milliseconds without a handled message, while messages wait, after which operators are alerted.
STUCK = 15 * 60_000


class QueueHealth(Job):
    """Measure consumers' queues, alert if stuck, and move dead letters.

    A metric is written only for a queue with messages, dead letters or errors: an idle deployment pays for none.
    """

    schedule = every(minutes=5, offset=2)
    timeout = 60
    retry = retry_policies.MAINTENANCE
    retention = "high-volume"
    idempotency = upsert("a queue's row is its last measurement; a dead letter is sent before its message is deleted")
    permissions = (
        Grant(("sqs:GetQueueAttributes",), "queue/*"),
        Grant(("sqs:ReceiveMessage", "sqs:DeleteMessage"), "queue/*-dlq"),
        read_rows(tables.STATE.name, keys.queue_healths(), keys.claims("*")),
        write_rows(tables.STATE.name, keys.queue_healths()),
        write_objects("dead/*/large/*"),
        *permissions.alerting(),
    )
    needs_manifest = True

    def work(self, run: RunContext) -> Outcome:
        entries, before = manifest.load(), queue_depth.read(run.cloud)
        jobs = queue_depth.queues(entries)
        rest = _in_turn(run, list(jobs))
        measured = moved = 0
        for done, queue in enumerate(rest):
            if done and run.remaining() < RESERVE:
                counts = {"queues": measured, "carried": moved}
                return Done(counts, checkpoint={"next": queue, "left": len(rest) - done})
            job, last = jobs[queue], before.get(queue)
            health = queue_depth.measure(run.cloud, job, entries[job]["key"], queue, last)
            if health is None:
                continue
            measured += 1
            _log(run, health)
            _alert_if_stuck(run, health, last)
            # The row of an idle queue would not change.
            if last is None or _counts(last) != _counts(health) or health.waiting or health.done != last.done:
                queue_depth.write(run.cloud, health, last)
            dead = queue_depth.dead_letter_queue(queue)
            if dead and health.dead:
                moved += _dlq_mover.move(run.cloud, job, dead, MAX_MOVED, lambda: run.remaining() >= RESERVE)
        return Done({"queues": measured + _measure_worker_queues(run, before), "carried": moved})

    def plan(self, run: RunContext) -> list[str]:
        lines = []
        for queue, job in queue_depth.queues(manifest.load()).items():
            dead = queue_depth.dead_letter_queue(queue)
            depth = queue_depth.depth(run.cloud, dead) if dead else None
            if depth and depth.waiting:
                lines.append(f"move {depth.waiting} dead letters of {job} from {dead}")
        return lines


def _in_turn(run: RunContext, names: list[str]) -> list[str]:
    """Return the queues of this run in their order.

    The first is the one before which an earlier run stopped.

    A continuation serves those that its tick has not served; a new tick serves all.
    """
    checkpoint: dict[str, Any] = run.checkpoint or {}
    if checkpoint.get("next") not in names:
        return names
    first = names.index(checkpoint["next"])
    turned = [*names[first:], *names[:first]]
    return turned[: checkpoint["left"]] if run.firing.part else turned


def _measure_worker_queues(run: RunContext, before: Mapping[str, Health]) -> int:
    """Measure the queues of workers outside of Lambda; return their number."""
    measured = 0
    for health in queue_depth.worker_queues(run.cloud, before):
        measured += 1
        _alert_if_stuck(run, health, before.get(health.queue))
        if health.waiting or before.get(health.queue):
            queue_depth.write(run.cloud, health, before.get(health.queue))
    return measured


def _counts(health: Health) -> tuple[int, ...]:
    return health.waiting, health.working, health.delayed, health.dead, health.failed


def _log(run: RunContext, health: Health) -> None:
    if not (health.waiting or health.dead or health.errors):
        return
    age = health.age(clock.milliseconds(run.cloud.clock.now()))
    run.log.warning("queue_health", queue=health.queue, depth=health.waiting, age=age, errors=health.errors)
    run.log.metric(
        health.job,
        {"QueueDepth": health.waiting, "QueueAge": age, "QueueDead": health.dead, "QueueErrors": health.errors},
    )


def _alert_if_stuck(run: RunContext, health: Health, last: Health | None) -> None:
    """Alert once per stuck period: at the first measurement after STUCK."""
    now = clock.milliseconds(run.cloud.clock.now())
    if not health.since or health.age(now) < STUCK:
        return
    if last and last.since == health.since and last.age(clock.milliseconds(clock.parse(last.at))) >= STUCK:
        return
    fields = {"job": health.job, "queue": health.queue, "waiting": health.waiting, "since": health.since}
    stage = run.cloud.names.stage
    # A queue of workers belongs to no job. Celery's workers are started by Celery.
    act = [] if health.job == queue_depth.WORKERS else [advised(stage, "why", health.job)]
    if health.queue == WORK:
        act = [advised(stage, "worker")]
    commands = [advised(stage, "queues"), *act]
    alerts.send(run.cloud, "QUEUE_STUCK", health.queue, fields, commands, f"stuck-{health.queue}-{health.since}")
