"""Drain a queue: receive messages, call the consumer, delete handled messages.

The consumer is called as its queue would call it; whether the request is allowed is decided before.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from shared import clock, tables
from shared.aws import permissions
from shared.aws.names import DEAD, FIRINGS, STATE
from shared.aws.permissions import Grant, update_rows
from shared.job import manifest
from shared.store import keys, table

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

MAX_RECEIVE = 10
# Calls that delete the messages of one part.
DELETE_TRIES = 2
# Seconds between two drains of the same queue, and seconds after which no further batch is begun.
PAUSE_SECONDS, BUDGET_SECONDS = 5, 20
# Seconds. Our queues wait for 20 by default; without waiting at all SQS samples some of its servers only.
WAIT_SECONDS = 1
# Lambda's limit for the payload of a synchronous call in bytes, with room for what surrounds the records.
MAX_PAYLOAD = 6 * 1024 * 1024 - 1024
# Queues of the platform, which no caller may drain.
PLATFORM_QUEUES = (FIRINGS, DEAD)
GRANTS: tuple[Grant, ...] = (update_rows(STATE, keys.queue_drains()),)


class QueueConsumer(NamedTuple):
    """A queue and the job that consumes it."""

    queue: str
    job: str


def grants(queues: Mapping[str, str | None]) -> tuple[Grant, ...]:
    """Grants to drain the queues and to call their consumers.

    queues: by job, the queue that it consumes.
    """
    served = {job: queue for job, queue in queues.items() if queue and queue not in PLATFORM_QUEUES}
    return (*map(permissions.drain, served.values()), *map(permissions.invoke, served))


def consumer_of(text: str) -> QueueConsumer | None:
    """Find a queue by name (`demo:mail`, or `demo-mail` in SQS)."""
    for job, entry in manifest.load().items():
        queue = entry["queue"]
        if queue and queue not in PLATFORM_QUEUES and text in (queue, queue.replace(":", "-")):
            return QueueConsumer(queue, job)
    return None


def admit(cloud: Cloud, queue: str) -> bool:
    """Begin a drain, unless the pause since the last one continues."""
    now = clock.milliseconds(cloud.clock.now())
    return table.update_if(
        cloud,
        tables.STATE,
        keys.queue_drain(queue),
        "SET #until = :until",
        {":now": now, ":until": now + PAUSE_SECONDS * 1000},
        "attribute_not_exists(#until) OR #until <= :now",
        names={"#until": "until"},
    )


def drain(cloud: Cloud, consumer: QueueConsumer, limit: int) -> tuple[int, dict[str, Any]]:
    """Have the consumer handle at most `limit` messages.

    Returns status and body of the answer.
    """
    started = cloud.clock.now()
    queue = consumer.queue
    taken = done = 0
    while taken < limit and (cloud.clock.now() - started).total_seconds() < BUDGET_SECONDS:
        records = _receive(cloud, queue, min(MAX_RECEIVE, limit - taken))
        if not records:
            break
        taken += len(records)
        for part in _parts(records):
            failed = _invoke(cloud, consumer.job, part)
            if failed is None:
                # Its messages become visible again, unless the consumer handled them: then it deduplicates them.
                return 502, {"queue": queue, "outcome": "failed", "taken": taken, "done": done}
            handled = [record for record in part if record["messageId"] not in failed]
            done += _delete(cloud, queue, handled)
    return 200, {"queue": queue, "outcome": "done", "taken": taken, "done": done, "limit": limit}


def _receive(cloud: Cloud, queue: str, count: int) -> list[dict[str, Any]]:
    """Receive messages, as the records that Lambda would deliver."""
    answer = cloud.sqs.receive_message(
        QueueUrl=cloud.names.queue_url(queue),
        MaxNumberOfMessages=count,
        WaitTimeSeconds=WAIT_SECONDS,
        MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"],
    )
    return [
        {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": dict(message.get("Attributes", {})),
            "messageAttributes": {
                name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()
            },
            "eventSource": "aws:sqs",
            "eventSourceARN": cloud.names.arn("sqs", cloud.names.queue(queue)),
            "awsRegion": cloud.names.region,
        }
        for message in answer.get("Messages", [])
    ]


def _attribute(value: Mapping[str, Any]) -> dict[str, str]:
    if "StringValue" in value:
        return {"dataType": value["DataType"], "stringValue": value["StringValue"]}
    return {"dataType": value["DataType"], "binaryValue": base64.b64encode(value["BinaryValue"]).decode()}


def _parts(records: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Split records into payloads of one call.

    Ten messages of 1 MiB are more than one call takes.
    """
    part, size = list[dict[str, Any]](), 0
    for record in records:
        length = len(_json(record).encode()) + 2
        if part and size + length > MAX_PAYLOAD:
            yield part
            part, size = [], 0
        part.append(record)
        size += length
    if part:
        yield part


def _json(data: Any) -> str:
    # As UTF-8: escapes make three bytes of two.
    return json.dumps(data, ensure_ascii=False)


def _invoke(cloud: Cloud, job: str, records: list[dict[str, Any]]) -> set[str] | None:
    """Call the consumer.

    Returns the ids of the messages that failed, None where the call itself failed.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = cloud.functions_once.invoke(
            FunctionName=cloud.names.function(job),
            InvocationType="RequestResponse",
            Payload=_json({"Records": records}).encode(),
        )
        if answer.get("FunctionError"):
            return None
        response = json.loads(answer["Payload"].read())
        return {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
    except (BotoCoreError, ClientError, ValueError, KeyError, TypeError):
        return None


def _delete(cloud: Cloud, queue: str, records: list[dict[str, Any]]) -> int:
    """Delete handled messages and return their number.

    SQS may refuse some: those are tried once more, and then delivered again, which their consumer deduplicates.
    """
    left = {str(number): record["receiptHandle"] for number, record in enumerate(records)}
    for _ in range(DELETE_TRIES):
        if not left:
            break
        answer = cloud.sqs.delete_message_batch(
            QueueUrl=cloud.names.queue_url(queue),
            Entries=[{"Id": number, "ReceiptHandle": handle} for number, handle in left.items()],
        )
        left = {entry["Id"]: left[entry["Id"]] for entry in answer.get("Failed", [])}
    return len(records) - len(left)
