"""Payloads: declarations, versions and rejections."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, Field, SecretStr, ValidationError

from shared.job.validation import DeclarationError
from shared.messages.payload import Data, Id, InvalidOrganization, InvalidPayload, Part, Payload, Timestamp, upcast


class Event(Part):
    feature: str
    amount: int
    at: Timestamp
    kind: Literal["call", "seat"] = "call"


class Usage(Payload, version=3, type="usage-ingestion"):
    batch_id: str
    events: tuple[Event, ...]

    @upcast(from_=1)
    @staticmethod
    def batches_had_no_id(data: Data) -> Data:
        return {**data, "batchId": f"first-{len(data['events'])}"}

    @upcast(from_=2)
    @staticmethod
    def amounts_were_called_counts(data: Data) -> Data:
        return {**data, "events": [{"amount": each.pop("count"), **each} for each in data["events"]]}


class Audit(Payload, type="audit-event", organization_in="event"):
    class Entry(Part):
        organization_id: str
        action: str

    event: Entry


EVENT = {"feature": "export", "amount": 2, "at": "2026-03-02T12:00:00.000Z"}
NEW = {"organizationId": "org_1", "batchId": "b", "events": [EVENT], "schemaVersion": 3}
OLD = {"orgId": "org_1", "events": [{"feature": "export", "count": 2, "at": "2026-03-02T12:00:00Z"}]}


def test_a_payload_comes_out_as_it_went_in() -> None:
    made = Usage(organization_id="org_1", user_id="u", batch_id="b", events=(Event.model_validate_json(TEXT),))
    data = made.to_wire()
    assert data["schemaVersion"] == 3
    assert data["events"] == [{**EVENT, "kind": "call"}]
    assert Usage.from_wire(data) == made


TEXT = '{"feature": "export", "amount": 2, "at": "2026-03-02T12:00:00Z"}'


def test_json_is_read_as_what_it_means() -> None:
    [event] = Usage.from_wire(NEW).events
    assert event.at == datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_the_other_name_of_the_organization_is_accepted() -> None:
    assert Usage.from_wire({**NEW, "orgId": "org_1"}).organization_id == "org_1"
    assert Usage.from_wire({**{n: v for n, v in NEW.items() if n != "organizationId"}, "orgId": "org_2"}).to_wire()[
        "organizationId"
    ] == "org_2"  # fmt: skip


def test_two_organizations_are_one_too_many() -> None:
    with pytest.raises(InvalidPayload, match="two organizations"):
        Usage.from_wire({**NEW, "orgId": "org_2"})
    with pytest.raises(InvalidPayload, match="two organizations"):
        Audit.from_wire({"orgId": "org_2", "event": {"organizationId": "org_1", "action": "a"}})


def test_the_organization_may_stand_in_a_part_of_it() -> None:
    read = Audit.from_wire({"event": {"organizationId": "org_1", "action": "deleted"}})
    assert (read.organization_id, read.event.action) == ("org_1", "deleted")


@pytest.mark.parametrize("organization", ["", "a/b", "a#b", "../x", 7, None, ["org_1"], "x" * 129, "org 1", "org_1\n"])
def test_what_is_no_id_is_an_invalid_organization(organization: Any) -> None:
    with pytest.raises(InvalidOrganization, match="Invalid organization"):
        Usage.from_wire({**NEW, "organizationId": organization})


@pytest.mark.parametrize("absent", [{}, {"correlationId": None}])
def test_a_correlation_id_is_created_by_default(absent: Data) -> None:
    one, other = Usage.from_wire({**NEW, **absent}), Usage.from_wire({**NEW, **absent})
    assert one.correlation_id
    assert one.correlation_id != other.correlation_id
    assert Usage.from_wire({**NEW, "correlationId": "c"}).correlation_id == "c"


def test_an_older_version_is_brought_up_step_by_step() -> None:
    read = Usage.from_wire(OLD)
    assert read.batch_id == "first-1"
    assert read.events[0].amount == 2
    assert Usage.from_wire({**OLD, "schemaVersion": 2, "batchId": "b"}).batch_id == "b"


class Gap(Payload, version=3):
    text: str

    @upcast(from_=1)
    @staticmethod
    def nothing_changed(data: Data) -> Data:
        return data

    @upcast(from_=2)
    @staticmethod
    def it_was_a_list(data: Data) -> Data:
        return {"text": data["texts"][0]}


class Sized(Payload):
    max_size: int


class Missing(Payload, version=3):
    text: str

    @upcast(from_=1)
    @staticmethod
    def nothing_changed(data: Data) -> Data:
        return data


@pytest.mark.parametrize(
    ("read", "given", "said"),
    [
        (
            Missing.from_wire,
            {"organizationId": "o", "text": "x"},
            r"nothing turns version 2 into 3; declare @upcast\(from_=2",
        ),
        (
            Gap.from_wire,
            {"organizationId": "o", "text": "x", "schemaVersion": 2},
            "KeyError in the upcast to version 3",
        ),
        (
            Usage.from_wire,
            {**NEW, "schemaVersion": 4},
            "version 4 is newer than this consumer, which reads up to 3; deploy",
        ),
        (Usage.from_wire, {**NEW, "schemaVersion": 0}, "whole number from 1"),
        (Usage.from_wire, {**NEW, "schemaVersion": "3"}, "whole number from 1"),
        (Usage.from_wire, {**NEW, "schemaVersion": True}, "whole number from 1"),
        (Usage.from_wire, {**NEW, "schemaVersion": None}, "whole number from 1"),
        (Usage.from_wire, {"batchId": "b", "schemaVersion": 3}, "organizationId: Field required"),
        (
            Usage.from_wire,
            {**NEW, "events": [{**EVENT, "amount": "2"}]},
            "events.0.amount: Input should be a valid integer",
        ),
        (
            Usage.from_wire,
            {**NEW, "events": [{**EVENT, "amount": True}]},
            "events.0.amount: Input should be a valid integer",
        ),
        (
            Usage.from_wire,
            {**NEW, "events": [{**EVENT, "at": "noon"}]},
            "events.0.at: is not a timestamp",
        ),
        (Missing.from_wire, {"organizationId": "o", "schemaVersion": 3, "Text": "x"}, "text: Field required"),
        (Sized.from_wire, {"organizationId": "o", "max_size": 1}, "maxSize: Field required"),
        (Usage.from_wire, {**NEW, "more": 1}, "more: Extra inputs are not permitted"),
        (Usage.from_wire, {**NEW, "batchId": None}, "batchId: Input should be a valid string"),
        (Usage.from_wire, {**NEW, "events": [1, 2, 3, 4, 5]}, "and 2 more"),
        (Usage.from_wire, {**NEW, "userId": "a/b"}, "userId: String should match"),
        (Usage.from_wire, {**NEW, "correlationId": "c" * 129}, "correlationId: String should have at most"),
        (Usage.from_wire, [NEW], "the payload is no object"),
        (Usage.from_wire, None, "the payload is no object"),
        (Usage.from_wire, "text", "the payload is no object"),
    ],
)
def test_an_undeclared_field_or_type_is_refused_by_name(read: Callable[[Any], Any], given: Any, said: str) -> None:
    with pytest.raises(InvalidPayload, match=said):
        read(given)


def test_a_rejection_never_contains_the_payload() -> None:
    with pytest.raises(InvalidPayload) as refused:
        Usage.from_wire({**NEW, "batchId": {"diary": "a very private sentence"}})
    assert "private" not in str(refused.value)


def test_a_failed_upcast_never_contains_the_payload() -> None:
    with pytest.raises(InvalidPayload) as refused:
        Usage.from_wire({**OLD, "events": "a very private sentence"})
    assert "private" not in str(refused.value)


def test_a_payload_is_never_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Usage.from_wire(NEW).batch_id = "c"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_json_is_read_or_refused(given: Any) -> None:
    for what in (given, {**NEW, "events": given}, {**NEW, "schemaVersion": given}, {**NEW, "organizationId": given}):
        try:
            Usage.from_wire(what)
        except (InvalidPayload, InvalidOrganization):
            continue


def declared(**fields: Any) -> type[Payload]:
    """Declare a payload: type, or type and default, by name."""
    kinds = {name: each[0] if isinstance(each, tuple) else each for name, each in fields.items()}
    defaults = {name: each[1] for name, each in fields.items() if isinstance(each, tuple)}
    return type("Declared", (Payload,), {"__annotations__": kinds, "__module__": __name__, **defaults})


class Tree(Part):
    name: str
    branches: tuple[Tree, ...] = ()


class Subject(Part):
    id: Id
    version_key: str
    note: str = ""


class Span(Part):
    begin: Timestamp
    end: datetime


class Profile(Part):
    name: str
    password: str


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "carries no fields of its own"),
        ({"order_id": str}, r"carries ids alone \(order_id\)"),
        ({"order_id": str, "ids": tuple[str, ...], "thing": UUID}, "carries ids alone"),
        ({"assessment": Id}, r"carries ids alone \(assessment\)"),
        ({"assessment": Id | None}, "carries ids alone"),
        ({"assessments": tuple[Id, ...]}, "carries ids alone"),
        ({"assessment_key": str, "row_ref": int}, "carries ids alone"),
        ({"assessment_id": str, "note": (str, "")}, "carries ids alone"),
        ({"assessment_id": str, "note": (str | None, None)}, "carries ids alone"),
        ({"assessment_id": str, "kind": Literal["assessment"]}, "carries ids alone"),
        ({"subject": Subject}, "carries ids alone"),
        ({"text": str, "at": datetime}, "at is a date .* declare it as Timestamp"),
        ({"text": str, "at": AwareDatetime | None}, "at is a date"),
        ({"text": str, "days": tuple[date, ...]}, "days is a date"),
        ({"text": str, "span": Span}, "span.end is a date"),
        ({"text": str, "api_token": str}, "api_token is secret"),
        ({"text": str, "password": str | None}, "password is secret"),
        ({"text": str, "phone": str}, "phone is secret or personal"),
        ({"text": str, "door": SecretStr}, "door is secret"),
        ({"text": str, "profile": Profile}, "profile.password is secret"),
        ({"text": str, "profiles": tuple[Profile, ...]}, "profiles.password is secret"),
        ({"text": str, "row": dict[str, str]}, "row is a whole row"),
        ({"text": str, "data": dict[str, Any]}, "data is untyped"),
        ({"text": str, "data": Any}, "data is untyped"),
        ({"text": str, "data": dict}, "data is untyped"),
        ({"text": str, "data": list[object]}, "data is untyped"),
    ],
)
def test_a_declaration_unfit_for_a_queue_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=said) as refused:
        declared(**fields)
    assert "Declared" in str(refused.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"text": str, "order_id": str},
        {"input_tokens": int, "limits": dict[str, int | str]},
        {"kind": Literal["a", "b"]},
        {"text": Annotated[str, Field(max_length=9)]},
        {"tree": Tree},
        {"assessment": Id, "key_words": str},
        {"text": (str, "hello")},
        {"assessment_id": Id, "at": Timestamp, "ended": (Timestamp | None, None)},
        {"subject": Subject, "sizes": tuple[int, ...]},
        {"sizes": tuple[Annotated[int, Field(ge=0)], ...]},
    ],
)
def test_typed_data_may_be_declared(fields: dict[str, Any]) -> None:
    assert declared(**fields).wire.type == "declared"


def test_an_upcaster_to_no_version_is_refused() -> None:
    with pytest.raises(DeclarationError, match="has an upcaster from version 2, and is version 2"):

        class Ahead(Payload, version=2):
            text: str

            @upcast(from_=2)
            @staticmethod
            def too_far(data: Data) -> Data:
                return data


def test_a_version_before_the_first_is_refused() -> None:
    with pytest.raises(DeclarationError, match="version is 0; the first is 1"):

        class Zeroth(Payload, version=0):
            text: str
