"""A message's next attempt: a copy of it in its own queue, after the policy's delay, with the count of its attempts.

Receives are no count: throttled ones count too, and a queue cannot wait for one message longer than for another.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared import clock, status
from shared.message import ATTEMPT, FIRST_FAILED, LAST_ERROR

if TYPE_CHECKING:
    from shared.cloud import Cloud
    from shared.message import Message

LONGEST_DELAY = 900


def send(cloud: Cloud, message: Message, error: str, delay: int) -> None:
    """To be sent before the original is acknowledged: a crash in between leaves both, and no work is lost."""
    told = {
        ATTEMPT: str(message.attempt + 1),
        FIRST_FAILED: message.first_failed_at or clock.iso(cloud.clock.now()),
        LAST_ERROR: status.cut(error, status.LONG) or "-",
    }
    kept = {name: _attribute(given) for name, given in message.attributes.items()}
    added: Any = {name: {"DataType": "String", "StringValue": text} for name, text in told.items()}
    cloud.sqs.send_message(
        QueueUrl=cloud.names.queue_url(message.queue.removeprefix(cloud.names.of(""))),
        MessageBody=message.text,
        DelaySeconds=min(delay, LONGEST_DELAY),
        MessageAttributes={**kept, **added},
        MessageGroupId=message.tenant or "-",
    )


def _attribute(given: Mapping[str, Any]) -> Any:
    """From the form of a Lambda event to that of the API."""
    if "stringValue" in given:
        return {"DataType": given["dataType"], "StringValue": given["stringValue"]}
    return {"DataType": given["dataType"], "BinaryValue": base64.b64decode(given["binaryValue"])}
