"""Payloads through the engine's queue, bucket and key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.aws.names import Names
from shared.clock import Clock
from shared.messages import envelope
from shared.messages.envelope import ATTRIBUTE_RESERVE, MESSAGE_LIMIT
from shared.messages.payload import Payload
from tests.local.conftest import REGION, Account

QUEUE = "demo:notes"


class Note(Payload):
    text: str


class Transcript(Payload, encrypted=True):
    text: str


@pytest.fixture
def cloud(account: Account) -> Cloud:
    """A cloud with a bucket, a queue, and a key with an alias."""
    made = Cloud(Names("test", account.id, REGION), Clock(), environment={})
    for service in ("s3", "sqs"):
        made.__dict__[service] = account.client(service)
    made.s3.create_bucket(Bucket=made.names.bucket)
    account.queue(made.names.queue(QUEUE))
    kms = account.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=made.names.key("payloads"), TargetKeyId=key)
    return made


def received(cloud: Cloud, account: Account) -> Any:
    return json.loads(account.receive(account.arn("sqs", cloud.names.queue(QUEUE)))["Body"])


@pytest.mark.parametrize("size", [1, MESSAGE_LIMIT - ATTRIBUTE_RESERVE - 200, MESSAGE_LIMIT, 3 * MESSAGE_LIMIT])
def test_a_payload_of_any_size_arrives(size: int, cloud: Cloud, account: Account) -> None:
    sent = Note(organization_id="org_1", text="é" * (size // 2) + "x" * (size % 2))
    envelope.send(cloud, QUEUE, sent)
    assert envelope.decode(cloud, QUEUE, Note, received(cloud, account)) == sent


def test_the_largest_message_has_room_for_a_dead_letters_attributes(cloud: Cloud, account: Account) -> None:
    empty = len(envelope.encode(cloud, QUEUE, Note(organization_id="org_1", correlation_id="c", text="")))
    body = envelope.encode(
        cloud,
        QUEUE,
        Note(organization_id="org_1", correlation_id="c", text="x" * (MESSAGE_LIMIT - ATTRIBUTE_RESERVE - empty)),
    )
    assert len(body) == MESSAGE_LIMIT - ATTRIBUTE_RESERVE
    again = {"dead-letter": {"DataType": "String", "StringValue": "2026-03-02T12:00:00.000Z#0123456789abcdef"}}
    told = sum(len(name) + len(value["DataType"]) + len(value["StringValue"]) for name, value in again.items())
    assert told <= ATTRIBUTE_RESERVE
    url = cloud.names.queue_url(QUEUE)
    cloud.sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=again)  # type: ignore[arg-type]
    message = account.receive(account.arn("sqs", cloud.names.queue(QUEUE)))
    assert message["Body"] == body
    assert message["MessageAttributes"]["dead-letter"]["StringValue"] == again["dead-letter"]["StringValue"]


def test_an_encrypted_payload_uses_the_key_and_is_decrypted(cloud: Cloud, account: Account) -> None:
    sent = Transcript(organization_id="org_1", text="a transcript")
    envelope.send(cloud, QUEUE, sent)
    body = received(cloud, account)
    assert "transcript" not in json.dumps({**body, "type": ""})
    held = cloud.s3.head_object(Bucket=cloud.names.bucket, Key=body["claim"]["key"])
    assert held["ServerSideEncryption"] == "aws:kms"
    assert envelope.decode(cloud, QUEUE, Transcript, body) == sent
