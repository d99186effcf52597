"""SQS forgets after 14 days at most; here dead letters are kept for 30, where they can be searched."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from functions.operations._letter import identify
from shared import alert, backoff, clock, rows, status
from shared.archetypes.consumer import Consumer, Message
from shared.idempotency import upsert
from shared.job import DEAD, STATE
from shared.permissions import publish, read_objects, write_objects, write_rows
from shared.tables import TTL
from shared.tick import Tick

# A weekly cleanup takes what is older than 30 days; the TTL is the backstop behind it.
KEPT = timedelta(days=30 + 7)


class DeadLetters(Consumer):
    """Store each dead letter, a row to find it and its payload in full, and alert."""

    queue = DEAD
    dead_letter_queue = "last-resort"
    collector = True
    timeout = 60
    retry = backoff.NONE
    idempotency = upsert("row and object are named by the letter's own content, and are written once")
    permissions = (
        write_rows(STATE, "dead#*"),
        read_objects("dead/*"),
        write_objects("dead/*"),
        publish(alert.TOPIC),
    )
    needs_manifest = True

    def handle(self, tick: Tick, message: Message) -> None:
        letter = identify(tick.cloud.names, message)
        content = json.dumps(message.body, sort_keys=True, default=str)
        mark = hashlib.sha256(content.encode()).hexdigest()[:16]
        at = clock.parse(letter["at"])
        payload = f"dead/{letter['job']}/{at:%Y/%m/%d}/{mark}.json"
        tick.cloud.s3.put_object(
            Bucket=tick.cloud.names.bucket,
            Key=payload,
            Body=content.encode(),
            ContentType="application/json",
            ServerSideEncryption="AES256",
        )
        row = self._row(letter, mark, payload, tick)
        if self._store(tick, row):
            self._alert(tick, row)

    def _row(self, letter: Mapping[str, Any], mark: str, payload: str, tick: Tick) -> dict[str, Any]:
        firing = letter.get("firing") or {}
        error = status.cut(str(letter.get("error", "")), status.LONG)
        return {
            "pk": f"dead#{letter['job']}",
            "sk": f"{letter['at']}#{mark}",
            "id": mark,
            "job": letter["job"],
            "jobId": letter.get("run") or "-",
            "entityId": firing.get("target", "-"),
            "reason": letter["reason"],
            "error": error,
            "fingerprint": fingerprint(letter["job"], error),
            "attempts": letter.get("attempts", 1),
            "firstFailedAt": letter.get("first_failed_at") or letter["at"],
            "correlationId": firing.get("correlation_id", "-"),
            "payload": payload,
            TTL: int((tick.cloud.clock.now() + KEPT).timestamp()),
        }

    def _store(self, tick: Tick, row: Mapping[str, Any]) -> bool:
        """Whether the alert is still owed: a row that is stored but not yet alerted belongs to a crash in between."""
        try:
            tick.cloud.dynamodb.put_item(
                TableName=tick.cloud.names.table(STATE),
                Item=rows.row(row),
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except tick.cloud.refused as error:
            return "alerted" not in error.response.get("Item", {})
        return True

    def _alert(self, tick: Tick, row: Mapping[str, Any]) -> None:
        told = {name: row[name] for name in ("job", "jobId", "entityId", "reason", "error", "attempts", "payload")}
        told["failedReason"] = row["reason"]
        tick.log.error("JOB_PERMANENTLY_FAILED", status="dead", **told)
        tick.log.metric(row["job"], {"DeadLetters": 1})
        commands = [f"python jobs.py dead show {row['id']} --aws", f"python jobs.py runs {row['job']} --aws"]
        alert.send(tick.cloud, "JOB_PERMANENTLY_FAILED", row["job"], told, commands)
        tick.cloud.dynamodb.update_item(
            TableName=tick.cloud.names.table(STATE),
            Key=rows.row({"pk": row["pk"], "sk": row["sk"]}),
            UpdateExpression="SET alerted = :now",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues=rows.row({":now": clock.iso(tick.cloud.clock.now())}),
        )


def fingerprint(job: str, error: str) -> str:
    """The same for failures that differ in numbers and ids alone."""
    shape = re.sub(r"0x[0-9a-f]+|[0-9a-f-]{8,}|\d+", "#", error.lower())
    return hashlib.sha256(f"{job}\n{shape}".encode()).hexdigest()[:12]
