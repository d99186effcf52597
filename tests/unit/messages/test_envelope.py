"""Envelopes of messages: size limit, storage in S3, and organization."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.job.outcome import Rejected
from shared.messages import claim_check, envelope
from shared.messages.claim_check import InvalidClaim, PayloadTooLarge
from shared.messages.envelope import ATTRIBUTE_RESERVE, MESSAGE_LIMIT, MessagesNotSent
from shared.messages.payload import InvalidOrganization, InvalidPayload, Payload
from tests.conftest import letters

QUEUE = "demo:notes"


class Note(Payload):
    text: str


class Secretive(Payload, encrypted=True):
    text: str


@pytest.fixture(autouse=True)
def queue(cloud: Cloud) -> None:
    cloud.sqs.create_queue(QueueName=cloud.names.queue(QUEUE))


def note(text: str = "hello", organization: str = "org_1") -> Note:
    return Note(organization_id=organization, correlation_id="c", text=text)


def sized(excess: int) -> Note:
    """A note whose message is `excess` bytes over the limit."""
    empty = len(envelope._to_json({"type": "note", "payload": note("").to_wire()}))
    return note("x" * (MESSAGE_LIMIT - ATTRIBUTE_RESERVE - empty + excess))


def opened(cloud: Cloud, body: Any, kind: type[Payload] = Note) -> Payload:
    return envelope.decode(cloud, QUEUE, kind, body)


def kept(cloud: Cloud) -> list[str]:
    found = cloud.s3.list_objects_v2(Bucket=cloud.names.bucket).get("Contents", [])
    return [each["Key"] for each in found]


def test_a_payload_travels_in_its_envelope(cloud: Cloud) -> None:
    assert envelope.send(cloud, QUEUE, note())
    [body] = letters(cloud, QUEUE)
    wire = {"organizationId": "org_1", "correlationId": "c", "schemaVersion": 1, "text": "hello"}
    assert body == {"type": "note", "payload": wire}
    assert opened(cloud, body) == note()
    assert kept(cloud) == []


def test_what_just_fits_travels_in_the_queue_and_a_byte_more_does_not(cloud: Cloud) -> None:
    fits, over = envelope.encode(cloud, QUEUE, sized(0)), envelope.encode(cloud, QUEUE, sized(1))
    assert len(fits.encode()) == MESSAGE_LIMIT - ATTRIBUTE_RESERVE
    assert "claim" not in json.loads(fits)
    assert json.loads(over).keys() == {"type", "organizationId", "claim"}
    assert opened(cloud, json.loads(over)) == sized(1)


def test_bytes_are_counted_and_not_characters(cloud: Cloud) -> None:
    assert "claim" in json.loads(envelope.encode(cloud, QUEUE, note("価" * (MESSAGE_LIMIT // 3))))
    assert "claim" not in json.loads(
        envelope.encode(cloud, QUEUE, note("価" * ((MESSAGE_LIMIT - ATTRIBUTE_RESERVE) // 3 - 100)))
    )


def test_what_sqs_does_not_take_is_escaped(cloud: Cloud) -> None:
    odd = "\x00\x0b\ufffe\uffff\u2028\U0001f600"
    body = envelope.encode(cloud, QUEUE, note(odd))
    # Source: the SQS API reference, SendMessage: the characters that a body may have.
    assert all(c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff" for c in body)
    assert opened(cloud, json.loads(body)) == note(odd)


def test_it_is_kept_under_its_organization_named_by_its_checksum_and_encrypted_as_the_bucket_is(cloud: Cloud) -> None:
    envelope.send(cloud, QUEUE, sized(1))
    [key] = kept(cloud)
    assert key.startswith("payloads/org_1/demo-notes/2026/03/02/")
    held = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=key)
    assert "ServerSideEncryption" not in dict(held), "the bucket decides: its key may be the account's"
    assert json.loads(held["Body"].read())["organizationId"] == "org_1"


def test_the_same_payload_sent_twice_is_kept_once(cloud: Cloud) -> None:
    envelope.send(cloud, QUEUE, sized(1))
    envelope.send(cloud, QUEUE, sized(1))
    assert len(kept(cloud)) == 1


def test_what_is_declared_encrypted_never_travels_in_the_queue(cloud: Cloud) -> None:
    made = Secretive(organization_id="org_1", text="a transcript")
    envelope.send(cloud, QUEUE, made)
    [body] = letters(cloud, QUEUE)
    assert "transcript" not in json.dumps(body)
    held = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=kept(cloud)[0])
    assert held["ServerSideEncryption"] == "aws:kms"
    assert held["SSEKMSKeyId"] == "arn:aws:kms:us-east-1:123456789012:alias/nightshift-test-payloads"
    assert opened(cloud, body, Secretive) == made
    with pytest.raises(InvalidPayload, match="must not be in the message itself"):
        opened(cloud, {"type": "secretive", "payload": made.to_wire()}, Secretive)


def claimed(cloud: Cloud, **changed: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(envelope.encode(cloud, QUEUE, sized(1)))
    claim = {**body["claim"], **{name: value for name, value in changed.items() if name in ("key", "bytes")}}
    return {**body, "claim": claim, **{name: value for name, value in changed.items() if name not in claim}}


def test_a_payload_that_was_changed_is_refused(cloud: Cloud) -> None:
    body = claimed(cloud)
    held = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=body["claim"]["key"])["Body"].read()
    cloud.s3.put_object(Bucket=cloud.names.bucket, Key=body["claim"]["key"], Body=held.replace(b"xx", b"xy", 1))
    with pytest.raises(InvalidClaim, match="does not have the checksum"):
        opened(cloud, body)
    cloud.s3.put_object(Bucket=cloud.names.bucket, Key=body["claim"]["key"], Body=held + b" ")
    with pytest.raises(InvalidClaim, match="were checked in"):
        opened(cloud, body)


def test_a_payload_that_is_gone_is_refused(cloud: Cloud) -> None:
    body = claimed(cloud)
    cloud.s3.delete_object(Bucket=cloud.names.bucket, Key=body["claim"]["key"])
    with pytest.raises(InvalidClaim, match="retained for 60 days"):
        opened(cloud, body)


@pytest.mark.parametrize(
    "changed",
    [
        {"key": "dead/demo/2026/03/02/x.json"},
        {"key": "payloads/org_2/demo-notes/2026/03/02/" + 64 * "0" + ".json"},
        {"key": "payloads/org_1/demo-other/2026/03/02/" + 64 * "0" + ".json"},
        {"key": "payloads/org_1/demo-notes/../../org_2/demo-notes/2026/03/02/" + 64 * "0" + ".json"},
        {"key": "payloads/org_1/demo-notes/2026/03/02/" + 64 * "0" + ".json\n"},
        {"key": 7},
        {"bytes": "7"},
        {"bytes": True},
        {"bytes": -1},
        {"bytes": claim_check.MAX_BYTES + 1},
        {"claim": None},
        {"claim": []},
    ],
)
def test_a_message_may_claim_only_what_is_its_organizations_and_its_queues(
    changed: dict[str, Any], cloud: Cloud
) -> None:
    with pytest.raises(InvalidClaim):
        opened(cloud, claimed(cloud, **changed))


def test_a_claim_over_the_limit_is_not_fetched(cloud: Cloud) -> None:
    body = claimed(cloud, bytes=claim_check.MAX_BYTES + 1)
    with pytest.raises(InvalidClaim, match="are more than the"):
        opened(cloud, body)


def test_a_payload_of_another_organization_is_refused(cloud: Cloud) -> None:
    wire = json.dumps(note(organization="org_2").to_wire()).encode()
    check = claim_check.check_in(cloud, "org_1", QUEUE, wire, encrypted=False)
    with pytest.raises(InvalidOrganization, match="Invalid organization org_2"):
        opened(cloud, {"type": "note", "organizationId": "org_1", "claim": check})


@pytest.mark.parametrize("organization", [None, 7, "../org_2", ""])
def test_a_claim_without_a_valid_organization_is_refused(organization: Any, cloud: Cloud) -> None:
    with pytest.raises(InvalidOrganization):
        opened(cloud, claimed(cloud, organizationId=organization))


def test_what_was_checked_in_must_be_json(cloud: Cloud) -> None:
    check = claim_check.check_in(cloud, "org_1", QUEUE, b"[" * 100_000, encrypted=False)
    with pytest.raises(Rejected, match="the stored payload is nested more than 64 levels deep"):
        opened(cloud, {"type": "note", "organizationId": "org_1", "claim": check})


def test_a_payload_over_the_limit_is_not_sent(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_check, "MAX_BYTES", MESSAGE_LIMIT)
    with pytest.raises(PayloadTooLarge, match="send it in parts"):
        envelope.send(cloud, QUEUE, sized(2 * ATTRIBUTE_RESERVE))
    assert kept(cloud) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("plain text", "no JSON of the form"),
        (None, "no JSON of the form"),
        ([], "no JSON of the form"),
        ({"type": "note"}, "no JSON of the form"),
        ({"type": "note", "payload": {}, "claim": {}}, "no JSON of the form"),
        ({"payload": {}}, "no JSON of the form"),
        ({"type": "other", "payload": {}}, "takes 'note', and this is 'other'"),
        ({"type": ["note"], "payload": {}}, "takes 'note', and this is"),
        ({"type": "note", "payload": {}}, "organizationId: Field required"),
    ],
)
def test_a_malformed_envelope_is_refused(body: Any, said: str, cloud: Cloud) -> None:
    with pytest.raises(InvalidPayload, match=said):
        opened(cloud, body)


def test_many_payloads_are_sent_in_as_few_calls_as_possible(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = cloud.sqs.send_message_batch

    def counted(**asked: Any) -> Any:
        calls.append(len(asked["Entries"]))
        assert sum(len(each["MessageBody"].encode()) for each in asked["Entries"]) <= MESSAGE_LIMIT
        return real(**asked)

    monkeypatch.setattr(cloud.sqs, "send_message_batch", counted)
    assert envelope.send_all(cloud, QUEUE, (note(str(number)) for number in range(25))) == 25
    assert calls == [10, 10, 5]
    calls.clear()
    assert envelope.send_all(cloud, QUEUE, [note("x" * 500_000)] * 3) == 3
    assert calls == [2, 1]
    assert envelope.send_all(cloud, QUEUE, []) == 0
    assert len(letters(cloud, QUEUE)) == 28


def test_what_sqs_did_not_take_is_given_back(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"Failed": [{"Id": "1", "Code": "Busy", "Message": "try again", "SenderFault": False}]}
    monkeypatch.setattr(cloud.sqs, "send_message_batch", lambda **_: answer)
    with pytest.raises(MessagesNotSent, match="1 messages were not accepted: try again") as refused:
        envelope.send_all(cloud, QUEUE, [note("a"), note("b")])
    assert refused.value.failed == [note("b")]


def test_a_delay_is_no_longer_than_sqs_allows(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def send(DelaySeconds: int, **_: Any) -> Any:  # noqa: N803 - boto's name
        asked.append(DelaySeconds)
        return {"MessageId": "m"}

    monkeypatch.setattr(cloud.sqs, "send_message", send)
    assert envelope.send(cloud, QUEUE, note(), delay=5000) == "m"
    assert envelope.send(cloud, QUEUE, note(), delay=5) == "m"
    assert asked == [900, 5]
