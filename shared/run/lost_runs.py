"""Find interrupted runs, record them as lost, count their attempts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.aws.names import NO_TARGET
from shared.job import manifest
from shared.job.outcome import Done
from shared.run import send
from shared.run.claim import CLAIM_ATTRIBUTES, position_and_attempt
from shared.run.firing import Firing
from shared.run.history import History, tick_label
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


def lease_expired(item: Mapping[str, Any], now: datetime) -> bool:
    """Return whether the item has a holder whose lease has expired."""
    return "holder" in item and int(item["lease_until"]) < clock.milliseconds(now)


def mark_lost(
    cloud: Cloud, job: str, entry: Entry, item: Mapping[str, Any], note: str, firing: Firing | None = None
) -> bool:
    """Write the row of an interrupted run and release its lease.

    False where the item has changed since it was read.

    firing: what it ran for (default: the tick for which the item was last claimed).
    """
    history = History(cloud, job, entry["retention"])
    # The row first: a crash between the two writes leaves a lease that is found again, not a run without a trace.
    last_attempt = item.get("last_attempt", "")
    tick, attempt = (tick_label(firing), firing.attempt) if firing else position_and_attempt(last_attempt)
    history.record_lost(item["holder"], item["sk"], note, tick, attempt)
    return table.update_if(
        cloud,
        STATE,
        RowKey(item["pk"], item["sk"]),
        f"SET #status = :status, #state = :failed REMOVE {', '.join(CLAIM_ATTRIBUTES)}",
        {
            ":status": _lost_status(item, note),
            ":failed": "FAILED",
            ":holder": item["holder"],
            ":until": item["lease_until"],
        },
        "holder = :holder AND lease_until = :until",
        names={"#status": "status", "#state": "state"},
    )


def record_interrupted(
    cloud: Cloud, log: Log, name: str, entry: Entry, firing: Firing, request: str, note: str
) -> str | None:
    """Record an interrupted process, and return the id of its run.

    request: the invocation that the process served.

    Empty where no run is known. None where the run had finished: it had written its status, and its process ended
    after that.
    """
    item = claim_item(cloud, entry, firing.target)
    run: str = item.get("run", "")
    if item.get("invocation") != request:
        return run
    if "holder" in item:
        mark_lost(cloud, name, entry, item, note, firing)
        log.error(f"{name}_lost", lost=item["holder"], error=note, status="lost")
        log.metric(name, {"Lost": 1})
    elif (item.get("status") or {}).get("outcome") != "lost":
        # Its history row may be missing.
        History(cloud, name, entry["retention"]).record_recovered(firing, run, item["status"])
        if firing.letter and item["status"]["outcome"] == Done.word:
            from shared.run import redriven

            redriven.resolve(cloud, name, firing.letter, run, Done.word)
        return None
    return run


def next_attempt(
    cloud: Cloud, log: Log, name: str, entry: Entry, firing: Firing, request: str, note: str
) -> Firing | None:
    """Return the attempt that follows an interrupted one. Safe to repeat.

    None where none follows: the run had finished, its firing is not retried, or its attempts are used up and it
    became a dead letter.
    """
    run = record_interrupted(cloud, log, name, entry, firing, request, note)
    if run is None or not firing.retried:
        return None
    if manifest.policy(entry).delay(firing.attempt) is None:
        send.send_dead_letter(cloud, firing, run, f"all {firing.attempt} attempts used up", note)
        return None
    return firing.retry(redaction.excerpt(note, redaction.LONG), cloud.clock.now())


def _lost_status(item: Mapping[str, Any], note: str) -> dict[str, Any]:
    """Return the status map of a lost run.

    Streak and first error continue the last one.
    """
    before, text = item.get("status") or {}, redaction.excerpt(note, redaction.SHORT)
    return {
        "outcome": "lost",
        "ok": False,
        "at": item["started"],
        "ms": 0,
        "note": text,
        "streak": before.get("streak", 0) + 1,
        "firstError": before.get("firstError") or text,
        "lastGood": before.get("lastGood", ""),
    }
