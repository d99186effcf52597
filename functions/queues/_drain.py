"""What is asked of the queue endpoint, and how it is done: who may ask is known by then.

Messages are taken, given to the consumer's own function as its queue would, and deleted where that has dealt with them.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws import attributes
from shared.aws.names import DEAD, FIRINGS, STATE
from shared.aws.permissions import Grant, update_rows
from shared.job import manifest
from shared.job.outcome import Reason

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

PATH = re.compile(r"/queues/([a-z0-9]+(?:[:-][a-z0-9]+)*)/process")
MOST, AT_ONCE = 50, 10
# Seconds between two calls for the same queue, and those after which no further batch is begun.
PAUSE, BUDGET = 5, 20
# Seconds. Our queues wait for 20 where nothing else is said; without waiting at all SQS asks some of its servers alone.
WAIT = 1
# Of Lambda, in bytes: what a call that is waited for may say, with some room for what is around the records.
LARGEST = 6 * 1024 * 1024 - 1024
# The platform's own, which no app may drain.
OURS = (FIRINGS, DEAD)
DOOR = "door#queues"
GRANTS: tuple[Grant, ...] = (
    Grant(("sqs:ReceiveMessage", "sqs:DeleteMessage"), "queue/*"),
    update_rows(STATE, DOOR),
)


class Refused(Exception):
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


def process(cloud: Cloud, event: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer. The caller is known by then. Raises Refused."""
    path = PATH.fullmatch(event.get("rawPath", ""))
    owners = {entry["queue"]: name for name, entry in manifest.load().items() if entry["queue"] not in (None, *OURS)}
    named = [queue for queue in owners if path and queue and path[1] in (queue, queue.replace(":", "-"))]
    if not named:
        raise Refused(404, "unknown queue")
    if event["requestContext"]["http"]["method"] != "POST":
        raise Refused(405, "use POST")
    _same_origin(cloud, event, headers)
    [queue] = named
    limit = _limit(event)
    if not _turn(cloud, str(queue)):
        return 429, {"queue": queue, "outcome": Reason.RATE_LIMITED.value}
    return _drain(cloud, str(queue), owners[queue], limit)


def _same_origin(cloud: Cloud, event: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """A browser says where a request comes from; what is no browser sends neither header, and has the token."""
    own = event["requestContext"].get("domainName") or headers.get("host", "")
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if (origin is not None and origin not in (f"https://{own}", f"http://{own}")) or site not in (
        None,
        "same-origin",
        "none",
    ):
        raise Refused(403, "forbidden: not from the same origin")
    if cloud.names.production and headers.get("x-internal-exec") != "1":
        raise Refused(403, "forbidden: say x-internal-exec: 1")


def _limit(event: Mapping[str, Any]) -> int:
    """1 to 50, whatever is asked for; 10 where nothing is."""
    query: Mapping[str, Any] = event.get("queryStringParameters") or {}
    text = query.get("limit", str(AT_ONCE))
    if not isinstance(text, str) or not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise Refused(400, "limit is a whole number, 1 to 50")
    return min(max(int(text), 1), MOST)


def _turn(cloud: Cloud, queue: str) -> bool:
    now = clock.milliseconds(cloud.clock.now())
    try:
        cloud.dynamodb.update_item(
            TableName=cloud.names.table(STATE),
            Key=attributes.row({"pk": DOOR, "sk": queue}),
            UpdateExpression="SET #until = :until",
            ConditionExpression="attribute_not_exists(#until) OR #until <= :now",
            ExpressionAttributeNames={"#until": "until"},
            ExpressionAttributeValues=attributes.row({":now": now, ":until": now + PAUSE * 1000}),
        )
    except cloud.ConditionalCheckFailed:
        return False
    return True


def _drain(cloud: Cloud, queue: str, job: str, limit: int) -> tuple[int, dict[str, Any]]:
    started = cloud.clock.now()
    taken = done = 0
    while taken < limit and (cloud.clock.now() - started).total_seconds() < BUDGET:
        records = _take(cloud, queue, min(AT_ONCE, limit - taken))
        if not records:
            break
        taken += len(records)
        for part in _parts(records):
            failed = _call(cloud, job, part)
            if failed is None:
                # What became of them its queue learns in time: they come back, or are dealt with.
                return 502, {"queue": queue, "outcome": "failed", "taken": taken, "done": done}
            dealt = [record for record in part if record["messageId"] not in failed]
            _delete(cloud, queue, dealt)
            done += len(dealt)
    return 200, {"queue": queue, "outcome": "done", "taken": taken, "done": done, "limit": limit}


def _take(cloud: Cloud, queue: str, most: int) -> list[dict[str, Any]]:
    """As Lambda would deliver them."""
    answer = cloud.sqs.receive_message(
        QueueUrl=cloud.names.queue_url(queue),
        MaxNumberOfMessages=most,
        WaitTimeSeconds=WAIT,
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
                name: _attribute(given) for name, given in message.get("MessageAttributes", {}).items()
            },
            "eventSource": "aws:sqs",
            "eventSourceARN": cloud.names.arn("sqs", cloud.names.queue(queue)),
            "awsRegion": cloud.names.region,
        }
        for message in answer.get("Messages", [])
    ]


def _attribute(given: Mapping[str, Any]) -> dict[str, str]:
    if "StringValue" in given:
        return {"dataType": given["DataType"], "stringValue": given["StringValue"]}
    return {"dataType": given["DataType"], "binaryValue": base64.b64encode(given["BinaryValue"]).decode()}


def _parts(records: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """As many as one call takes: ten of a MiB each are more."""
    part, size = list[dict[str, Any]](), 0
    for record in records:
        length = len(_text(record).encode()) + 2
        if part and size + length > LARGEST:
            yield part
            part, size = [], 0
        part.append(record)
        size += length
    if part:
        yield part


def _text(data: Any) -> str:
    # In bytes, and not in escapes: those make three of two.
    return json.dumps(data, ensure_ascii=False)


def _call(cloud: Cloud, job: str, records: list[dict[str, Any]]) -> set[str] | None:
    """Ids of the messages that must come back; None where the consumer did not say."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = cloud.called.invoke(
            FunctionName=cloud.names.function(job),
            InvocationType="RequestResponse",
            Payload=_text({"Records": records}).encode(),
        )
        if answer.get("FunctionError"):
            return None
        told = json.loads(answer["Payload"].read())
        return {each["itemIdentifier"] for each in told["batchItemFailures"]}
    except (BotoCoreError, ClientError, ValueError, KeyError, TypeError):
        return None


def _delete(cloud: Cloud, queue: str, records: list[dict[str, Any]]) -> None:
    if records:
        cloud.sqs.delete_message_batch(
            QueueUrl=cloud.names.queue_url(queue),
            Entries=[
                {"Id": str(number), "ReceiptHandle": record["receiptHandle"]} for number, record in enumerate(records)
            ],
        )
