"""Find runs whose process died, record them as lost, and count their attempts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.aws import attributes
from shared.aws.names import NO_TARGET, STATE
from shared.job import manifest
from shared.job.outcome import Done
from shared.run import send
from shared.run.claim import CLAIM_ATTRIBUTES, position_and_attempt
from shared.run.firing import Firing
from shared.run.history import History, tick_of

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.manifest import Entry
    from shared.observability.log import Log


def claim_item(cloud: Cloud, entry: Entry, target: str) -> dict[str, Any]:
    """The claim item a firing for `target` works under, as it stands now; empty where there is none."""
    held = target if entry["lease_per_target"] else NO_TARGET
    answer = cloud.dynamodb.get_item(
        TableName=cloud.names.table(STATE),
        Key=attributes.row({"pk": f"{entry['key']}:last", "sk": held}),
        ConsistentRead=True,
    )
    return attributes.plain(answer.get("Item"))


def claim_items(cloud: Cloud, entry: Entry) -> list[dict[str, Any]]:
    """A job's claim items; the status items of its hosts are left out."""
    pages = cloud.dynamodb.get_paginator("query").paginate(
        TableName=cloud.names.table(STATE),
        KeyConditionExpression="pk = :pk",
        FilterExpression="attribute_exists(fence)",
        ExpressionAttributeValues=attributes.row({":pk": f"{entry['key']}:last"}),
    )
    return [attributes.plain(item) for page in pages for item in page["Items"]]


def lease_expired(item: Mapping[str, Any], now: datetime) -> bool:
    """Whether the holder let its lease run out."""
    return "holder" in item and int(item["lease_until"]) < clock.milliseconds(now)


def mark_lost(
    cloud: Cloud, job: str, entry: Entry, found: Mapping[str, Any], note: str, firing: Firing | None = None
) -> bool:
    """Take the dead run's lease off and write its row. False where the item has moved on since it was read.

    firing: what it ran for; where that isn't known, the item tells the tick that it was last taken for.
    """
    before = found.get("status") or {}
    state = {
        "outcome": "lost",
        "ok": False,
        "at": found["started"],
        "ms": 0,
        "note": redaction.excerpt(note, redaction.SHORT),
        "streak": before.get("streak", 0) + 1,
        "firstError": before.get("firstError") or redaction.excerpt(note, redaction.SHORT),
        "lastGood": before.get("lastGood", ""),
    }
    history = History(cloud, job, entry["retention"])
    # The row first: a crash in between leaves a lease that is found again, not a death that nobody knows of.
    tick, attempt = (tick_of(firing), firing.attempt) if firing else position_and_attempt(found.get("tried", ""))
    history.record_lost(found["holder"], found["sk"], note, tick, attempt)
    try:
        cloud.dynamodb.update_item(
            TableName=cloud.names.table(STATE),
            Key=attributes.row({"pk": found["pk"], "sk": found["sk"]}),
            UpdateExpression=f"SET #status = :status, #state = :failed REMOVE {', '.join(CLAIM_ATTRIBUTES)}",
            ConditionExpression="holder = :holder AND lease_until = :until",
            ExpressionAttributeNames={"#status": "status", "#state": "state"},
            ExpressionAttributeValues=attributes.row(
                {
                    ":status": state,
                    ":failed": "FAILED",
                    ":holder": found["holder"],
                    ":until": found["lease_until"],
                }
            ),
        )
    except cloud.ConditionalCheckFailed:
        return False
    return True


def record_death(
    cloud: Cloud, log: Log, name: str, entry: Entry, firing: Firing, request: str, note: str
) -> str | None:
    """Write down that what served `request` died. The run's id, empty where none is known; None where it had not died:
    it had written how it ended, and left its process only then."""
    found = claim_item(cloud, entry, firing.target)
    run: str = found.get("run", "")
    if found.get("invocation") != request:
        return run
    if "holder" in found:
        mark_lost(cloud, name, entry, found, note, firing)
        log.error(f"{name}_lost", lost=found["holder"], error=note, status="lost")
        log.metric(name, {"Lost": 1})
    elif (found.get("status") or {}).get("outcome") != "lost":
        # Its row is what may be missing.
        History(cloud, name, entry["retention"]).record_recovered(firing, run, found["status"])
        if firing.letter and found["status"]["outcome"] == Done.word:
            from shared.run import redriven

            redriven.resolve(cloud, name, firing.letter, run, Done.word)
        return None
    return run


def next_attempt(
    cloud: Cloud, log: Log, name: str, entry: Entry, firing: Firing, request: str, note: str
) -> Firing | None:
    """The attempt after the one that died; safe to ask again.

    None where nothing follows: it had not died, nobody retries it, or its attempts are used up, which is a dead letter.
    """
    run = record_death(cloud, log, name, entry, firing, request, note)
    if run is None or not firing.retried:
        return None
    if manifest.policy(entry).delay(firing.attempt) is None:
        send.send_dead(cloud, firing, run, f"all {firing.attempt} attempts used up", note)
        return None
    return firing.retry(redaction.excerpt(note, redaction.LONG), cloud.clock.now())
