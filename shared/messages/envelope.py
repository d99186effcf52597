"""Encode, decode and send payloads in their envelope.

`{"type": ..., "payload": ...}`

Where the payload is stored in S3, `organizationId` and `claim` stand in its place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from shared.job.outcome import Rejected
from shared.messages import claim_check
from shared.messages.payload import ALIAS, ID, ORGANIZATION, InvalidOrganization, InvalidPayload, Payload
from shared.text.untrusted_json import InvalidJson, parse_json

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

P = TypeVar("P", bound=Payload)

# Bytes; the limit of SQS for body and attributes of one message, and for all messages of a batch together.
MESSAGE_LIMIT = 1024 * 1024
# Bytes reserved for the attributes of a message that is redriven, retried or deferred.
ATTRIBUTE_RESERVE = 1024
# Messages of one SendMessageBatch.
BATCH_SIZE = 10
# Seconds; the limit of SQS.
MAX_DELAY = 900


class MessagesNotSent(Exception):
    """SQS accepted some messages of a batch and not others."""

    #: The payloads that were not accepted.
    failed: list[Payload]

    def __init__(self, queue: str, failed: list[Payload], reason: str) -> None:
        super().__init__(f"{queue}: {len(failed)} messages were not accepted: {reason}")
        self.failed = failed


def send(cloud: Cloud, queue: str, payload: Payload, delay: int = 0) -> str:
    """Send a payload and return the message's id.

    queue: its logical name.

    delay: seconds, 900 at most. Raises claim_check.PayloadTooLarge.
    """
    answer = cloud.sqs.send_message(
        QueueUrl=cloud.names.queue_url(queue),
        MessageBody=encode(cloud, queue, payload),
        DelaySeconds=min(delay, MAX_DELAY),
        # SQS fair queues: the backlog of one organization does not delay the others.
        MessageGroupId=payload.organization_id,
    )
    return answer["MessageId"]


def send_all(cloud: Cloud, queue: str, payloads: Iterable[Payload]) -> int:
    """Send payloads in order and return their number.

    In as few calls as SQS allows.

    Raises MessagesNotSent with those of the call that were not accepted.
    """
    sent = 0
    for batch in _batches((payload, encode(cloud, queue, payload)) for payload in payloads):
        answer = cloud.sqs.send_message_batch(
            QueueUrl=cloud.names.queue_url(queue),
            Entries=[
                {"Id": str(number), "MessageBody": body, "MessageGroupId": payload.organization_id}
                for number, (payload, body) in enumerate(batch)
            ],
        )
        if answer.get("Failed"):
            failed = sorted(int(entry["Id"]) for entry in answer["Failed"])
            reason = answer["Failed"][0].get("Message", "")
            raise MessagesNotSent(queue, [batch[number][0] for number in failed], reason)
        sent += len(batch)
    return sent


def encode(cloud: Cloud, queue: str, payload: Payload) -> str:
    """Return the message body.

    A payload that is too large or encrypted is stored in S3 first.
    """
    body = _to_json({"type": payload.wire.type, "payload": payload.to_wire()})
    if not payload.wire.encrypted and len(body.encode()) <= MESSAGE_LIMIT - ATTRIBUTE_RESERVE:
        return body
    organization = payload.organization_id
    stored = _to_json(payload.to_wire()).encode()
    check = claim_check.check_in(cloud, organization, queue, stored, encrypted=payload.wire.encrypted)
    return _to_json({"type": payload.wire.type, ORGANIZATION: organization, "claim": check})


def decode(cloud: Cloud, queue: str, kind: type[P], body: Any) -> P:
    """Return the payload of a message's body, which is JSON data.

    Raises Rejected for an invalid one.
    """
    expected = kind.wire.type
    if not isinstance(body, Mapping) or not body.keys() >= {"type"} or not ("payload" in body) ^ ("claim" in body):
        raise InvalidPayload(f'{expected}: the body is no JSON of the form {{"type": ..., "payload": ...}}')
    if body["type"] != expected:
        raise InvalidPayload(f"{queue} takes {expected!r}, and this is {body['type']!r:.60}")
    if "payload" in body:
        if kind.wire.encrypted:
            raise InvalidPayload(f"{expected} is encrypted and must not be in the message itself; send it by `send`")
        return kind.from_wire(body["payload"])
    organization = body.get(ORGANIZATION, body.get(ALIAS))
    if not isinstance(organization, str) or not ID.fullmatch(organization):
        raise InvalidOrganization(str(organization))
    payload = kind.from_wire(_from_json(claim_check.collect(cloud, organization, queue, body["claim"])))
    if payload.organization_id != organization:
        raise InvalidOrganization(payload.organization_id)
    return payload


def _batches(messages: Iterable[tuple[Payload, str]]) -> Iterator[list[tuple[Payload, str]]]:
    batch: list[tuple[Payload, str]] = []
    size = 0
    for payload, body in messages:
        length = len(body.encode())
        if batch and (len(batch) == BATCH_SIZE or size + length > MESSAGE_LIMIT):
            yield batch
            batch, size = [], 0
        batch.append((payload, body))
        size += length
    if batch:
        yield batch


def _from_json(body: bytes) -> Any:
    try:
        return parse_json(body, max_bytes=claim_check.MAX_BYTES)
    except InvalidJson as error:
        raise Rejected(f"the stored payload {error}") from None


def _to_json(data: Any) -> str:
    """Return compact JSON. Two characters of Unicode that SQS rejects are escaped."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
