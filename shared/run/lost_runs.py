"""Find interrupted runs, record them as lost, count their attempts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.aws.names import NO_TARGET
from shared.job import manifest
from shared.job.outcome import Done, Lost
from shared.run import send, status
from shared.run.attempts import NextStep, next_step, used_up
from shared.run.claim import CLAIM_ATTRIBUTES, ENDED, Held
from shared.run.firing import Firing
from shared.run.history import History, started_by, tick_label
from shared.store import keys, table
from shared.store.keys import RowKey
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.manifest import Entry
    from shared.observability.log import Log


def claim_item(cloud: Cloud, entry: Entry, target: str) -> dict[str, Any]:
    """Read the claim item of a firing for `target`.

    Empty if it does not exist.
    """
    return table.get(cloud, STATE, keys.claim(entry["key"], target if entry["lease_per_target"] else NO_TARGET))


def claim_items(cloud: Cloud, entry: Entry) -> list[dict[str, Any]]:
    """Read all claim items of a job, without those of hosts."""
    values = {":pk": keys.claims(entry["key"])}
    return [*table.query(cloud, STATE, "pk = :pk", values, FilterExpression="attribute_exists(fence)")]


def mark_lost(
    cloud: Cloud, log: Log, job: str, entry: Entry, item: Mapping[str, Any], note: str, firing: Firing | None = None
) -> bool:
    """Record and report an interrupted run, and release its lease.

    False where the item has changed since it was read.

    firing: what it ran for (default: what the item was claimed for).
    """
    held = held_by(firing) if firing else Held.of(item)
    # The status of the run before is about to be replaced, and its row may be missing.
    record_last_finished(cloud, job, entry["retention"], item)
    # The row first: a crash between the two writes leaves a lease that is found again, not a run without a trace.
    record_row(cloud, job, entry["retention"], item["holder"], item["sk"], note, held)
    marked = table.update_if(
        cloud,
        STATE,
        RowKey(item["pk"], item["sk"]),
        f"SET #status = :status, #state = :failed REMOVE {', '.join((*CLAIM_ATTRIBUTES, *ENDED))} ADD fence :one",
        {
            ":status": lost_status(cloud, item["holder"], item.get("status") or {}, note, held),
            ":failed": "FAILED",
            # It fences the run, should it continue.
            ":one": 1,
            ":holder": item["holder"],
            ":until": item["lease_until"],
        },
        "holder = :holder AND lease_until = :until",
        names={"#status": "status", "#state": "state"},
    )
    if marked:
        report_lost(cloud, log, job, entry, item["holder"], item["sk"], note)
    return marked


def report_lost(cloud: Cloud, log: Log, job: str, entry: Entry, run: str, target: str, note: str) -> None:
    """Log a lost run, count it, and ping its heartbeat."""
    log.error(f"{job}_lost", lost=run, target=target, error=note, status="lost")
    log.metric(job, {"Lost": 1})
    # Imported lazily: few runs are lost.
    from shared.run import tick_heartbeat

    tick_heartbeat.ping_lost(cloud, log, job, entry)


def held_by(firing: Firing) -> Held:
    """Return the work of a run for this firing."""
    return Held(tick_label(firing), firing.attempt, firing.sequence > 1, firing.part > 0)


def record_row(cloud: Cloud, job: str, retention: str, run: str, target: str, note: str, held: Held) -> None:
    """Write the history row of a lost run."""
    History(cloud, job, retention).record_lost(run, target, note, held.tick, held.attempt)


def lost_status(cloud: Cloud, run: str, before: Mapping[str, Any], note: str, held: Held) -> dict[str, Any]:
    """Return the status map of a lost run.

    It ends when it is found. Streak and first error continue the last status.
    """
    started = started_by(run)
    ms = max(0, clock.milliseconds(cloud.clock.now()) - clock.milliseconds(started))
    # An earlier part of the tick has counted it where that part was bad.
    counted = held.repeated or (held.continued and before.get("ok") is False)
    return status.from_outcome(Lost(note), started, ms, before, counted=counted)


def record_finished(
    cloud: Cloud,
    job: str,
    retention: str,
    item: Mapping[str, Any],
    held: Held | None = None,
    firing: Firing | None = None,
) -> bool:
    """Write the missing history row of a finished run.

    False where it was not missing.

    held: what it worked for (default: what the item was claimed for).
    """
    status = item.get("status") or {}
    if not {"outcome", "ok", "at", "ms"} <= status.keys() or status["outcome"] == Lost.word:
        return False
    if held is None:
        held = held_by(firing) if firing else Held.of(item)
    target, correlation = (firing.target, firing.correlation_id) if firing else (item["sk"], "")
    history = History(cloud, job, retention)
    return history.record_finished(item["run"], target, status, held.tick, held.attempt, correlation)


def record_last_finished(cloud: Cloud, job: str, retention: str, item: Mapping[str, Any]) -> None:
    """Write the missing history row of the run that last finished.

    The item has its status.
    """
    if item.get("ended"):
        finished = {**item, "run": item["ended"]}
        record_finished(cloud, job, retention, finished, Held.of_finished(item))


def record_interrupted(
    cloud: Cloud, log: Log, name: str, entry: Entry, firing: Firing, request: str, note: str
) -> str | None:
    """Record an interrupted process, and return the id of its run.

    request: the invocation that the process served.

    Empty where no run is known. None where nothing is left to do: the run had finished, or a later tick has.
    """
    item = claim_item(cloud, entry, firing.target)
    run: str = item.get("run", "")
    if item.get("invocation") != request:
        # Claimed by a later run, which has recorded what became of this one. Its tick may be done all the same.
        return None if not firing.manual and item.get("last", "") >= firing.position else ""
    if "holder" in item:
        mark_lost(cloud, log, name, entry, item, note, firing)
    elif (item.get("status") or {}).get("outcome") != "lost":
        # Its history row may be missing.
        record_finished(cloud, name, entry["retention"], item, firing=firing)
        if firing.letter and item["status"]["outcome"] == Done.word:
            from shared.run import redriven

            redriven.resolve(cloud, name, firing.letter, run, Done.word)
        return None
    return run


def next_attempt(
    cloud: Cloud, log: Log, name: str, entry: Entry, firing: Firing, request: str, note: str
) -> Firing | None:
    """Return the attempt that follows an interrupted one. Safe to repeat.

    None where none follows: the run had finished, its firing is not retried, the next tick does its work, or its
    attempts are used up and it became a dead letter.
    """
    run = record_interrupted(cloud, log, name, entry, firing, request, note)
    if run is None:
        return None
    match next_step(firing, manifest.policy(entry)):
        case NextStep.RETRY:
            return firing.retry(redaction.excerpt(note, redaction.LONG), cloud.clock.now())
        case NextStep.DEAD_LETTER:
            send.send_dead_letter(cloud, firing, run, used_up(firing), note)
    return None
