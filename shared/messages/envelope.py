"""`{"type": ..., "payload": ...}`, the one form in which messages travel, and the way in and out of it.

Where the payload is kept in S3, `organizationId` and `claim` stand in its place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from shared.job.outcome import Rejected
from shared.messages import claim_check
from shared.messages.payload import ALIAS, ID, ORGANIZATION, InvalidOrganization, InvalidPayload, Payload

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

P = TypeVar("P", bound=Payload)

# Of SQS, in bytes: for the body and the attributes of one message, and for all messages of a batch together.
LIMIT = 1024 * 1024
# A dead letter that is sent again has an attribute which says so, and a message that is tried again, or was put off,
# has some more.
ROOM = 1024
AT_ONCE = 10
LONGEST_DELAY = 900


class NotSent(Exception):
    """SQS took some messages of a batch and not others; `failed` are those."""

    def __init__(self, queue: str, failed: list[Payload], reason: str) -> None:
        super().__init__(f"{queue}: {len(failed)} messages were not taken: {reason}")
        self.failed = failed


def send(cloud: Cloud, queue: str, payload: Payload, delay: int = 0) -> str:
    """To the queue of that logical name; the message's id. delay: seconds, 900 at most. Raises claim_check.TooLarge."""
    answer = cloud.sqs.send_message(
        QueueUrl=cloud.names.queue_url(queue),
        MessageBody=encode(cloud, queue, payload),
        DelaySeconds=min(delay, LONGEST_DELAY),
        # So that one organization's backlog keeps no other waiting: SQS's fair queues.
        MessageGroupId=payload.organization_id,
    )
    return answer["MessageId"]


def send_all(cloud: Cloud, queue: str, payloads: Iterable[Payload]) -> int:
    """As few calls as SQS allows, in order; how many were sent. Raises NotSent, with what is left of that call."""
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
            failed = sorted(int(each["Id"]) for each in answer["Failed"])
            raise NotSent(queue, [batch[number][0] for number in failed], answer["Failed"][0].get("Message", ""))
        sent += len(batch)
    return sent


def encode(cloud: Cloud, queue: str, payload: Payload) -> str:
    """The body of the message; what does not fit or must not be seen is in S3 by then."""
    body = _text({"type": payload.wire.type, "payload": payload.to_wire()})
    if not payload.wire.encrypted and len(body.encode()) <= LIMIT - ROOM:
        return body
    organization = payload.organization_id
    kept = _text(payload.to_wire()).encode()
    check = claim_check.check_in(cloud, organization, queue, kept, encrypted=payload.wire.encrypted)
    return _text({"type": payload.wire.type, ORGANIZATION: organization, "claim": check})


def decode(cloud: Cloud, queue: str, kind: type[P], body: Any) -> P:
    """The payload in a message's body, which is JSON data. Raises Rejected for what can never be read."""
    wanted = kind.wire.type
    if not isinstance(body, Mapping) or not body.keys() >= {"type"} or not ("payload" in body) ^ ("claim" in body):
        raise InvalidPayload(f'{wanted}: the body is no JSON of the form {{"type": ..., "payload": ...}}')
    if body["type"] != wanted:
        raise InvalidPayload(f"{queue} takes {wanted!r}, and this is {body['type']!r:.60}")
    if "payload" in body:
        if kind.wire.encrypted:
            raise InvalidPayload(f"{wanted} is encrypted, and may not travel in the queue itself; send it by `send`")
        return kind.from_wire(body["payload"])
    organization = body.get(ORGANIZATION, body.get(ALIAS))
    if not isinstance(organization, str) or not ID.fullmatch(organization):
        raise InvalidOrganization(str(organization))
    payload = kind.from_wire(_json(claim_check.collect(cloud, organization, queue, body["claim"])))
    if payload.organization_id != organization:
        raise InvalidOrganization(payload.organization_id)
    return payload


def _batches(messages: Iterable[tuple[Payload, str]]) -> Iterator[list[tuple[Payload, str]]]:
    batch: list[tuple[Payload, str]] = []
    size = 0
    for payload, body in messages:
        length = len(body.encode())
        if batch and (len(batch) == AT_ONCE or size + length > LIMIT):
            yield batch
            batch, size = [], 0
        batch.append((payload, body))
        size += length
    if batch:
        yield batch


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Rejected("what was checked in is no JSON") from None


def _text(data: Any) -> str:
    """As short as JSON can be. The two characters that SQS does not take, though Unicode has them, are escaped."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
