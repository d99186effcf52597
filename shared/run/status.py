"""How runs ended, written down: the status in the claim item, the history row, the status of each host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws import attributes
from shared.aws.names import STATE
from shared.job.definition import Job
from shared.job.outcome import Done, Outcome
from shared.redaction import SHORT, excerpt

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# DynamoDB's limit for one BatchGetItem.
KEYS_AT_ONCE = 100


def words_of(outcome: Outcome) -> str:
    """The outcome's own explanation: an error or a note."""
    return getattr(outcome, "error", "") or getattr(outcome, "note", "")


def of(outcome: Outcome, started: datetime, ms: int, before: Mapping[str, Any]) -> dict[str, Any]:
    """The status map of a finished run. `before` is the last one: streak and first error grow out of it."""
    status: dict[str, Any] = {"outcome": outcome.word, "ok": outcome.ok, "at": clock.iso(started), "ms": ms}
    note = excerpt(words_of(outcome), SHORT)
    if note:
        status["note"] = note
    if isinstance(outcome, Done) and outcome.status_code is not None:
        status["statusCode"] = outcome.status_code
    if outcome.ok:
        status["lastGood"] = status["at"]
    else:
        status["streak"] = before.get("streak", 0) + 1
        status["firstError"] = before.get("firstError") or note
        status["lastGood"] = before.get("lastGood")
    return {name: value for name, value in status.items() if value is not None}


def verdicts(ok: bool, at: str, note: str) -> tuple[str, dict[str, Any]]:
    """The end of an update that counts bad verdicts in a row, for what has no claim that could; and its values."""
    if ok:
        return "streak = :zero, lastGood = :good REMOVE firstError", {":zero": 0, ":good": at}
    counted = "streak = if_not_exists(streak, :zero) + :one, firstError = if_not_exists(firstError, :note)"
    return counted, {":zero": 0, ":one": 1, ":note": note}


def write_host(cloud: Cloud, job: Job, host: str, tick: str, status: Mapping[str, Any]) -> bool:
    """The status item of one host: never backwards in time. False where a later one stands already.

    `streak` counts bad verdicts in a row, and `firstError` is what the first of them said; the condition on `at` keeps
    a repeated write from counting twice.
    """
    values = {":status": dict(status), ":tick": tick, ":at": status["at"]}
    update, extra = verdicts(status["ok"], status["at"], status.get("note", ""))
    try:
        cloud.dynamodb.update_item(
            TableName=cloud.names.table(STATE),
            Key=attributes.row({"pk": f"{job.key}:last", "sk": host}),
            UpdateExpression=f"SET #status = :status, tick = :tick, #at = :at, {update}",
            ConditionExpression="attribute_not_exists(#at) OR #at < :at",
            ExpressionAttributeNames={"#status": "status", "#at": "at"},
            ExpressionAttributeValues=attributes.row({**values, **extra}),
        )
    except cloud.ConditionalCheckFailed:
        return False
    return True


def read_hosts(cloud: Cloud, job: Job, hosts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Host -> its status item, for those that have one."""
    table = cloud.names.table(STATE)
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(hosts), KEYS_AT_ONCE):
        keys: Any = [
            attributes.row({"pk": f"{job.key}:last", "sk": host}) for host in hosts[start : start + KEYS_AT_ONCE]
        ]
        while keys:
            answer = cloud.dynamodb.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
            for item in map(attributes.plain, answer["Responses"].get(table, [])):
                found[item["sk"]] = item
            keys = answer["UnprocessedKeys"].get(table, {"Keys": []})["Keys"]
    return found
