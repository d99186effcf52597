"""An SQS record becomes a message, whatever its sender wrote into body and attributes."""

from __future__ import annotations

from typing import Any

import pytest

from shared.messages import message

RECORD = {
    "messageId": "m1",
    "receiptHandle": "handle",
    "body": '{"organizationId": "acme"}',
    "attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "1772452790000"},
    "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:nightshift-test-inbox",
}


def read(**attributes: str) -> message.Message:
    texts = {name.replace("_", "-"): {"stringValue": text} for name, text in attributes.items()}
    return message.read({**RECORD, "messageAttributes": texts})


def test_a_record_is_read_with_its_queue_and_its_receives() -> None:
    read = message.read(RECORD)
    assert (read.id, read.handle, read.queue) == ("m1", "handle", "nightshift-test-inbox")
    assert (read.receives, read.sent, read.attempt) == (3, 1772452790000, 1)
    assert read.body == {"organizationId": "acme"}


@pytest.mark.parametrize("body", ["plain text", "", '{"open":', "[" * 100_000], ids=["text", "empty", "cut", "deep"])
def test_a_body_that_is_no_json_is_its_text(body: str) -> None:
    read = message.read({**RECORD, "body": body})
    assert read.body == read.text == body


@pytest.mark.parametrize(
    ("text", "attempt"), [("2", 2), ("0", 1), ("-1", 1), ("two", 1), ("", 1), ("99999999", 9999), ("\u00b2", 1)]
)
def test_an_invalid_number_of_the_attempt_counts_as_the_first(text: str, attempt: int) -> None:
    assert read(attempt=text).attempt == attempt


def test_a_timestamp_is_normalized_and_an_invalid_one_ignored() -> None:
    valid = read(not_before="2026-03-02T13:00:00+01:00", put_off_since="yesterday")
    assert (valid.not_before, valid.deferred_since) == ("2026-03-02T12:00:00.000Z", "")


@pytest.mark.parametrize(
    ("body", "tenant"),
    [
        ('{"organizationId": "acme"}', "acme"),
        ('{"orgId": 7}', "7"),
        ('{"payload": {"organizationId": "acme"}}', "acme"),
        ('{"organizationId": "", "payload": {"orgId": "acme"}}', "acme"),
        ('{"payload": "acme"}', ""),
        ('["acme"]', ""),
        ("acme", ""),
    ],
)
def test_the_tenant_is_found_in_the_body_or_in_its_payload(body: str, tenant: Any) -> None:
    assert message.read({**RECORD, "body": body}).tenant == tenant
