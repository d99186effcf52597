"""Store dead letters for 30 days, searchable; SQS keeps 14 days."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from functions.operations._dead_letter_source import identify
from shared import clock, redaction
from shared.advised_commands import advised
from shared.archetypes.consumer import Consumer, Message
from shared.aws.names import DEAD as QUEUE
from shared.dead_letters import store
from shared.dead_letters.letter import DEAD, RETENTION, UNKNOWN_JOB, fingerprint
from shared.job import (
    NO_RETRY,
    RunContext,
    delete_objects,
    permissions,
    read_objects,
    tables,
    upsert,
    write_objects,
    write_rows,
)
from shared.observability import alerts
from shared.run import oversized
from shared.store import failure_index, keys, table
from shared.store.table import ConditionFailed

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# In place of a run, an entity or a correlation id that is not known.
UNKNOWN = "-"
# Attributes of the row that its alert and its log line have, and those that a failure after a redrive replaces.
CHANGING = ("jobId", "messageId", "entityId", "correlationId", "version", "reason", "error", "attempts", "payload")
ALERTED = ("job", *CHANGING)
REPLACED = (*CHANGING, "tenant", "fingerprint", tables.TTL, *tables.FAILURE_KEYS)


class DeadLetters(Consumer):
    """Store each dead letter as a row and a payload, and alert.

    A dead letter that was redriven and failed again keeps its row, which counts the failure and names the newest
    payload.
    """

    queue = QUEUE
    dead_letter_queue = "last-resort"
    collector = True
    timeout = 60
    retry = NO_RETRY
    idempotency = upsert("row and object are named by a hash of the message, and are written once")
    permissions = (
        write_rows(tables.STATE.name, keys.jobs_with_dead_letters(), keys.dead_letters("*")),
        read_objects("dead/*"),
        write_objects("dead/*"),
        delete_objects("dead/*"),
        *permissions.alerting(),
    )
    needs_manifest = True

    def __init__(self) -> None:
        # Jobs recorded by this process, each with its day: one write per day and process, not per dead letter.
        self.recorded: set[tuple[str, str]] = set()

    def handle(self, run: RunContext, message: Message) -> None:
        letter = identify(run.cloud.names, message)
        row = letter_row(letter, message.text, run.cloud.clock.now())
        put_payload(run.cloud, row, oversized.decode(run.cloud, message.body, message.text))
        self._record_job(run, letter["job"])
        redriven = {**row, "sk": letter["letter"], "id": letter["letter"].partition("#")[2]}
        alert_owed = _store_failed_redrive(run, redriven, row) if letter["letter"] else None
        if alert_owed is not None:
            row = redriven
        else:
            alert_owed = _store(run, row)
        if alert_owed:
            _alert(run, row)

    def _record_job(self, run: RunContext, job: str) -> None:
        day = (job, f"{run.cloud.clock.now():%Y-%m-%d}")
        if day not in self.recorded:
            store.record_job(run.cloud, job)
            self.recorded.add(day)


def letter_row(letter: Mapping[str, Any], text: str, now: datetime) -> dict[str, Any]:
    """Return the row of a dead letter, which names its payload.

    letter: as `identify` returns it. text: of its message.
    """
    # With the timestamp: two equal messages are two dead letters, and a second delivery has the same timestamp.
    letter_id = hashlib.sha256(f"{letter['at']}\n{text}".encode()).hexdigest()[:16]
    at = clock.parse(letter["at"])
    error = redaction.excerpt(str(letter.get("error", "")), redaction.LONG)
    attempts, tenant = letter.get("attempts"), _short(letter.get("tenant"))
    return {
        **keys.dead_letter(letter["job"], f"{letter['at']}#{letter_id}").attributes,
        "id": letter_id,
        "job": letter["job"],
        "jobId": _short(letter.get("run")) or UNKNOWN,
        "entityId": _short(letter.get("entity")) or UNKNOWN,
        "tenant": tenant or None,
        "messageId": _short(letter.get("message_id")) or None,
        "version": _short(letter.get("version")) or None,
        "reason": _short(letter["reason"]),
        "error": error,
        "fingerprint": fingerprint(letter["job"], error),
        "attempts": attempts if type(attempts) is int and attempts > 0 else 1,
        "firstFailedAt": _short(letter.get("first_failed_at")) or letter["at"],
        "correlationId": _short(letter.get("correlation_id")) or UNKNOWN,
        "payload": f"dead/{letter['job']}/{at:%Y/%m/%d}/{letter_id}.json",
        tables.TTL: int((now + RETENTION).timestamp()),
        **failure_index.keys_of_dead_letter(letter["job"], at, tenant),
    }


def put_payload(cloud: Cloud, row: Mapping[str, Any], text: str) -> None:
    """Store the payload that the row names."""
    cloud.s3.put_object(
        Bucket=cloud.names.bucket,
        Key=row["payload"],
        Body=text.encode(),
        ContentType="application/json",
    )


def _store_failed_redrive(run: RunContext, redriven: Mapping[str, Any], row: Mapping[str, Any]) -> bool | None:
    """Record the failure on the row of the redriven dead letter.

    Returns whether the alert is owed; None if the row does not exist any longer.
    """
    copied = {name: row[name] for name in REPLACED if row.get(name) is not None}
    new = {**copied, "state": DEAD, "diedAt": row["sk"].partition("#")[0]}
    counted = {":none": [], ":zero": 0, ":one": 1, ":mark": row["id"], ":marks": [row["id"]]}
    try:
        before = table.update(
            run.cloud,
            tables.STATE,
            keys.dead_letter(redriven["job"], redriven["sk"]),
            f"SET {', '.join(f'#{name} = :{name}' for name in new)}, again = if_not_exists(again, :zero) + :one, "
            "marks = list_append(if_not_exists(marks, :none), :marks) REMOVE alerted, note",
            {**counted, **{f":{name}": value for name, value in new.items()}},
            # A second delivery of the same failure is not another failure.
            condition="attribute_exists(pk) AND NOT contains(marks, :mark)",
            names={f"#{name}": name for name in new},
        )
    except ConditionFailed as error:
        return "alerted" not in error.item if error.item else None
    # After the row names the new payload: after a crash between the two the lifecycle rule deletes the old one.
    run.cloud.s3.delete_object(Bucket=run.cloud.names.bucket, Key=before["payload"])
    return True


def _store(run: RunContext, row: Mapping[str, Any]) -> bool:
    """Create the row; whether its alert is owed.

    It is owed for a new row, and for one whose earlier delivery crashed before the alert.
    """
    try:
        table.put_if(run.cloud, tables.STATE, row, "attribute_not_exists(pk)")
    except ConditionFailed as error:
        return "alerted" not in error.item
    return True


def _alert(run: RunContext, row: Mapping[str, Any]) -> None:
    fields = {name: row[name] for name in ALERTED if row[name] is not None} | {"failedReason": row["reason"]}
    if row["tenant"]:
        fields["organizationId"] = row["tenant"]
    run.log.error("JOB_PERMANENTLY_FAILED", status="dead", **fields)
    run.log.metric(row["job"], {"DeadLetters": 1})
    stage = run.cloud.names.stage
    # `unknown` is no job, and has no runs.
    more = advised(stage, "dead", "list") if row["job"] == UNKNOWN_JOB else advised(stage, "runs", row["job"])
    commands = [advised(stage, "dead", "show", row["id"]), more]
    alerts.send(run.cloud, "JOB_PERMANENTLY_FAILED", row["job"], fields, commands, row["payload"])
    table.update_if(
        run.cloud,
        tables.STATE,
        keys.dead_letter(row["job"], row["sk"]),
        "SET alerted = :now",
        {":now": clock.iso(run.cloud.clock.now()), ":payload": row["payload"]},
        # Of a redrive that failed in the meantime, the alert is owed still.
        "payload = :payload",
    )


def _short(text: Any) -> str:
    """Shorten and redact text of the message, which can come from anywhere."""
    return redaction.excerpt(str(text or ""), redaction.SHORT)
