"""SQS forgets after 14 days at most; here dead letters are kept for 30, where they can be searched."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from functions.operations._dead_letter_source import identify
from shared import clock, redaction
from shared.advised_commands import advised
from shared.archetypes.consumer import Consumer, Message
from shared.aws import attributes, permissions
from shared.aws.names import DEAD as QUEUE
from shared.aws.names import STATE
from shared.aws.permissions import delete_objects, read_objects, write_objects, write_rows
from shared.dead_letters import store
from shared.dead_letters.letter import DEAD, RETENTION, fingerprint
from shared.job.idempotency import upsert
from shared.job.retry import NO_RETRY
from shared.observability import alerts
from shared.run import oversized
from shared.run.context import RunContext
from shared.tables import TTL


class DeadLetters(Consumer):
    """Store each dead letter, a row to find it and its payload in full, and alert.

    One that was sent again and died again stays one letter: its row counts it, and names the newest payload.
    """

    queue = QUEUE
    dead_letter_queue = "last-resort"
    collector = True
    timeout = 60
    retry = NO_RETRY
    idempotency = upsert("row and object are named by the letter's own content, and are written once")
    permissions = (
        write_rows(STATE, "dead", "dead#*"),
        read_objects("dead/*"),
        write_objects("dead/*"),
        delete_objects("dead/*"),
        *permissions.alerting(),
    )
    needs_manifest = True

    def __init__(self) -> None:
        # Jobs that were noted, each with the day: one write a day and process, not one a letter.
        self.noted: set[tuple[str, str]] = set()

    def handle(self, run: RunContext, message: Message) -> None:
        letter = identify(run.cloud.names, message)
        at = clock.parse(letter["at"])
        # The instant tells two equal messages apart; a second delivery has the same.
        mark = hashlib.sha256(f"{letter['at']}\n{message.text}".encode()).hexdigest()[:16]
        payload = f"dead/{letter['job']}/{at:%Y/%m/%d}/{mark}.json"
        run.cloud.s3.put_object(
            Bucket=run.cloud.names.bucket,
            Key=payload,
            Body=oversized.decode(run.cloud, message.body, message.text).encode(),
            ContentType="application/json",
            ServerSideEncryption="AES256",
        )
        self._note(run, letter["job"])
        row = self._row(letter, mark, payload, run)
        earlier = {**row, "sk": letter["letter"], "id": letter["letter"].partition("#")[2]}
        owed = self._again(run, earlier, row) if letter["letter"] else None
        if owed is not None:
            row = earlier
        else:
            owed = self._store(run, row)
        if owed:
            self._alert(run, row)

    def _note(self, run: RunContext, job: str) -> None:
        day = (job, f"{run.cloud.clock.now():%Y-%m-%d}")
        if day not in self.noted:
            store.record_job(run.cloud, job)
            self.noted.add(day)

    def _row(self, letter: Mapping[str, Any], mark: str, payload: str, run: RunContext) -> dict[str, Any]:
        firing = letter.get("firing") or {}
        error = redaction.excerpt(str(letter.get("error", "")), redaction.LONG)
        return {
            "pk": f"dead#{letter['job']}",
            "sk": f"{letter['at']}#{mark}",
            "id": mark,
            "job": letter["job"],
            "jobId": _short(letter.get("run") or "-"),
            "entityId": _short(firing.get("target", "-")),
            "reason": _short(letter["reason"]),
            "error": error,
            "fingerprint": fingerprint(letter["job"], error),
            "attempts": letter.get("attempts", 1),
            "firstFailedAt": _short(letter.get("first_failed_at") or letter["at"]),
            "correlationId": _short(firing.get("correlation_id", "-")),
            "payload": payload,
            TTL: int((run.cloud.clock.now() + RETENTION).timestamp()),
        }

    def _again(self, run: RunContext, earlier: Mapping[str, Any], row: Mapping[str, Any]) -> bool | None:
        """Write the death on the row of the letter that was sent again. Whether the alert is owed; None: it is gone."""
        told = ("jobId", "reason", "error", "fingerprint", "attempts", "correlationId", "payload", TTL)
        given = {**{name: row[name] for name in told}, "state": DEAD, "diedAt": row["sk"].partition("#")[0]}
        sets = ", ".join(f"#{name} = :{name}" for name in given)
        counted = {":none": [], ":zero": 0, ":one": 1, ":mark": row["id"], ":marks": [row["id"]]}
        try:
            answer = run.cloud.dynamodb.update_item(
                TableName=run.cloud.names.table(STATE),
                Key=attributes.row({"pk": earlier["pk"], "sk": earlier["sk"]}),
                UpdateExpression=(
                    f"SET {sets}, again = if_not_exists(again, :zero) + :one, "
                    "marks = list_append(if_not_exists(marks, :none), :marks) REMOVE alerted, note"
                ),
                # A second delivery of the same death is not another death.
                ConditionExpression="attribute_exists(pk) AND NOT contains(marks, :mark)",
                ExpressionAttributeNames={f"#{name}": name for name in given},
                ExpressionAttributeValues=attributes.row(
                    {**counted, **{f":{name}": value for name, value in given.items()}}
                ),
                ReturnValues="ALL_OLD",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except run.cloud.ConditionalCheckFailed as error:
            found = error.response.get("Item")
            return "alerted" not in found if found else None
        # After the row names another one: nobody would find it any more.
        before = attributes.plain(answer.get("Attributes"))
        run.cloud.s3.delete_object(Bucket=run.cloud.names.bucket, Key=before["payload"])
        return True

    def _store(self, run: RunContext, row: Mapping[str, Any]) -> bool:
        """Whether the alert is still owed: a row that is stored but not yet alerted belongs to a crash in between."""
        try:
            run.cloud.dynamodb.put_item(
                TableName=run.cloud.names.table(STATE),
                Item=attributes.row(row),
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except run.cloud.ConditionalCheckFailed as error:
            return "alerted" not in error.response.get("Item", {})
        return True

    def _alert(self, run: RunContext, row: Mapping[str, Any]) -> None:
        told = {name: row[name] for name in ("job", "jobId", "entityId", "reason", "error", "attempts", "payload")}
        told["failedReason"] = row["reason"]
        run.log.error("JOB_PERMANENTLY_FAILED", status="dead", **told)
        run.log.metric(row["job"], {"DeadLetters": 1})
        stage = run.cloud.names.stage
        commands = [advised(stage, "dead", "show", row["id"]), advised(stage, "runs", row["job"])]
        alerts.send(run.cloud, "JOB_PERMANENTLY_FAILED", row["job"], told, commands, row["payload"])
        run.cloud.dynamodb.update_item(
            TableName=run.cloud.names.table(STATE),
            Key=attributes.row({"pk": row["pk"], "sk": row["sk"]}),
            UpdateExpression="SET alerted = :now",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues=attributes.row({":now": clock.iso(run.cloud.clock.now())}),
        )


def _short(said: Any) -> str:
    """Of the letter itself, which anybody may have written."""
    return redaction.excerpt(str(said), redaction.SHORT)
