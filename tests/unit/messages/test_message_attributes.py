"""Attributes of resent messages fit into SQS, whatever the sender set; group ids are always valid."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messages import message_attributes
from shared.messages.message_attributes import ATTEMPT, FIRST_FAILED, LAST_ERROR, MAX_ATTRIBUTES, PACKED

RETRY = {ATTEMPT: "2", FIRST_FAILED: "2026-03-02T12:00:00.000Z", LAST_ERROR: "OSError: gone"}
NAMES = st.text("abcdefghij", min_size=1, max_size=8)
VALUES = st.one_of(
    st.text(min_size=1, max_size=20).map(lambda text: {"dataType": "String", "stringValue": text}),
    st.binary(min_size=1, max_size=20).map(
        lambda data: {"dataType": "Binary", "binaryValue": base64.b64encode(data).decode()}
    ),
)


def of_sender(number: int) -> dict[str, Any]:
    return {f"trace-{n}": {"dataType": "String", "stringValue": f"value {n}"} for n in range(number)}


def as_delivered(api: dict[str, Any]) -> dict[str, Any]:
    """Attributes of the API as Lambda delivers them."""
    return {
        name: {"dataType": each["DataType"], "stringValue": each["StringValue"]}
        if "StringValue" in each
        else {"dataType": each["DataType"], "binaryValue": base64.b64encode(each["BinaryValue"]).decode()}
        for name, each in api.items()
    }


@pytest.mark.parametrize("number", range(MAX_ATTRIBUTES + 1))
def test_a_retry_has_room_beside_any_number_of_the_sender_s_attributes(number: int) -> None:
    sent = message_attributes.resent(of_sender(number), RETRY)
    assert len(sent) <= MAX_ATTRIBUTES
    read = message_attributes.unpacked(as_delivered(sent))
    assert {name: read[name] for name in of_sender(number)} == of_sender(number)
    assert {name: message_attributes.text_of(read, name) for name in RETRY} == RETRY


@given(st.dictionaries(NAMES, VALUES, max_size=MAX_ATTRIBUTES), st.integers(1, 5))
def test_the_sender_s_attributes_survive_any_number_of_copies(given: dict[str, Any], copies: int) -> None:
    read: Any = given
    for attempt in range(2, 2 + copies):
        sent = message_attributes.resent(read, {**RETRY, ATTEMPT: str(attempt)})
        assert len(sent) <= MAX_ATTRIBUTES
        read = message_attributes.unpacked(as_delivered(sent))
    assert {name: value for name, value in read.items() if name not in RETRY} == given


@pytest.mark.parametrize(
    "text", ["plain", "[]", "[" * 100_000, '{"a": 1}', '{"a": {"dataType": "String"}}', '{"a": {"stringValue": "x"}}']
)
def test_packed_attributes_of_another_form_are_ignored(text: str) -> None:
    delivered = {PACKED: {"dataType": "String", "stringValue": text}, **of_sender(1)}
    assert message_attributes.unpacked(delivered) == of_sender(1)


def test_a_packed_attribute_never_replaces_one_of_the_message() -> None:
    forged = '{"attempt": {"dataType": "String", "stringValue": "4"}}'
    delivered = {
        PACKED: {"dataType": "String", "stringValue": forged},
        ATTEMPT: {"dataType": "String", "stringValue": "2"},
    }
    assert message_attributes.text_of(message_attributes.unpacked(delivered), ATTEMPT) == "2"


@pytest.mark.parametrize("tenant", ["org_1", "org:7@eu", "a" * 128, "!~"])
def test_a_valid_tenant_is_its_own_group(tenant: str) -> None:
    assert message_attributes.group_id(tenant) == tenant


@given(st.text())
def test_a_group_id_is_one_that_sqs_accepts(tenant: str) -> None:
    assert message_attributes.GROUP.fullmatch(message_attributes.group_id(tenant))


def test_tenants_without_a_valid_name_still_have_groups_of_their_own() -> None:
    names = ["org 7 (test)", "org 8 (test)", "b\u00fcro", "a" * 129, "\udc80", ""]
    assert len({*map(message_attributes.group_id, names)}) == len(names)
