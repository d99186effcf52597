"""Records convert to rows and back without loss, and are in an index only while they age or wait."""

from __future__ import annotations

import base64
import json
import types
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any, Union, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from shared import clock, tables
from shared.aws import attributes
from shared.product.records.accounts import (
    Alias,
    AuditEntry,
    Destination,
    Domain,
    DomainState,
    MagicLink,
    Session,
    User,
)
from shared.product.records.by_table import KINDS
from shared.product.records.mail import Cycle, FailedEmail, ForwardState, Hold, MessageMetadata, Quarantined
from shared.product.records.outgoing import Delivery, Notification, SendState, Webhook
from shared.store.record import SKEW, InvalidRecord, Record

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LETTERS = st.characters(exclude_categories=["Cs"])
LOCAL_PART, DOMAINS = (
    r"[A-Za-z0-9!$%&'*+=?^_{|}~яЖ日-]{1,20}(\.[a-z]{1,5})?",
    ("in.example", "bücher.example", "a-b.test"),
)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-8))])
every = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def value(annotation: Any, info: FieldInfo | None = None) -> st.SearchStrategy[Any]:
    """Any valid value of a model's field."""
    origin, args = get_origin(annotation), get_args(annotation)
    bounds = {name: bound for each in (info.metadata if info else ()) for name, bound in _bounds(each)}
    if annotation is datetime:
        return st.datetimes(datetime(1980, 1, 2), datetime(2100, 1, 1), timezones=ZONES)  # noqa: DTZ001
    if annotation is str and "@" in bounds.get("pattern", ""):
        # A pattern alone does not make a valid address.
        return st.builds("{}@{}".format, st.from_regex(LOCAL_PART, fullmatch=True), st.sampled_from(DOMAINS))
    if annotation is str and "pattern" in bounds:
        drawn = st.from_regex(bounds["pattern"], fullmatch=True, alphabet=LETTERS)
        return drawn.filter(lambda text: len(text) <= bounds.get("max_length", 1000))
    if annotation is str:
        return st.text(LETTERS, min_size=bounds.get("min_length", 0), max_size=20)
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        return st.integers(bounds.get("ge", bounds.get("gt", -1) + 1), bounds.get("le", bounds.get("lt", 2**63) - 1))
    if annotation is float:
        return st.floats(bounds["ge"], bounds["le"])
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return st.sampled_from(annotation)
    if origin in (Union, types.UnionType):
        return st.one_of(*(st.none() if arg is type(None) else value(arg, info) for arg in args))
    if origin is tuple:
        least, most = bounds.get("min_length", 0), bounds.get("max_length", 3)
        return st.lists(value(args[0]), min_size=least, max_size=most).map(tuple)
    if origin is dict:
        return st.dictionaries(st.text(LETTERS, min_size=1, max_size=8), value(args[1]), max_size=3)
    return value(args[0], FieldInfo.from_annotation(annotation))


def _bounds(constraint: Any) -> list[tuple[str, Any]]:
    names = getattr(constraint, "__slots__", ())
    own = getattr(constraint, "__dict__", {}) or {name: getattr(constraint, name) for name in names}
    return [(name, bound) for name, bound in own.items() if bound is not None]


# Fields whose validator accepts only part of what their type says.
ADDRESS = st.from_regex(r"[a-z0-9]{1,20}([.+_-][a-z0-9ü]{1,10})?@[a-z]{1,20}\.example", fullmatch=True)
VALID: dict[type[Record], dict[str, st.SearchStrategy[Any]]] = {
    User: {"email": ADDRESS},
    Destination: {"address": ADDRESS},
    Alias: {"id": ADDRESS},
    **{kind: {"alias": ADDRESS} for kind in (FailedEmail, Hold, Quarantined)},
    Domain: {"id": st.from_regex(r"[a-z]{1,20}(-[0-9]{1,5})?\.example", fullmatch=True)},
    Webhook: {
        "secrets": st.lists(
            st.binary(min_size=24, max_size=64).map(lambda key: f"whsec_{base64.b64encode(key).decode()}"),
            min_size=1,
            max_size=2,
        ).map(tuple),
        "url": st.from_regex(r"https://[a-z]{1,20}\.example(:8[0-9]{3})?/[a-z0-9/?=&]{0,30}", fullmatch=True),
    },
}


@st.composite
def made(draw: st.DrawFn, kind: type[Record]) -> Record:
    valid = VALID.get(kind, {})
    fields = {
        name: draw(valid[name] if name in valid else value(info.annotation, info))
        for name, info in kind.model_fields.items()
    }
    try:
        return kind(**fields)
    except ValidationError:
        # Fields that contradict each other: an end before the start, pending without a due time, the id of another day.
        late, early = datetime(2090, 1, 1, tzinfo=UTC), datetime(1990, 1, 1, tzinfo=UTC)
        fixed = {"next_attempt_at": late, "next_check_at": late, "due_on": late, "expires_at": late, "ends_at": late}
        begun = {"created_at": early, "starts_at": early}
        named = {"id": f"{early:%Y-%m-%d}"} if kind is Cycle else {}
        return kind(**fields | {name: at for name, at in (fixed | begun).items() if name in fields} | named)


@every
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_record_becomes_a_row_and_the_same_record_again(kind: type[Record], data: st.DataObject) -> None:
    record = data.draw(made(kind))
    item = record.item()
    assert kind.from_row(attributes.plain(attributes.row(item))) == record
    assert kind.from_row(json.loads(json.dumps(item))) == record
    assert all(clock.iso(clock.parse(item[name])) == item[name] for name in ("since", "due_at") if name in item)
    places = {key for index in kind.table.indexes for key in (index.pk, index.sk)}
    assert set(record.index_attributes()) <= places
    assert ("aged" in item, "due" in item) == (record.aging() is not None, record.waiting() is not None)


@every
def test_there_is_a_kind_for_each_table_and_its_indexes_are_those_it_uses(kind: type[Record]) -> None:
    assert set(KINDS) == {table.name for table in tables.MAIL}
    used = {name for name, hook in (("aged", "aging"), ("due", "waiting")) if getattr(kind, hook) is not _none(hook)}
    assert {index.name for index in kind.table.indexes} & {"aged", "due"} == used


def _none(hook: str) -> Any:
    return getattr(Record, hook)


MESSAGE = {"user": "u1", "id": "m1", "received_at": "2026-03-02T11:59:00Z", "recorded_at": "2026-03-02T12:00:00Z"}
MESSAGE |= {"bytes_used": 5}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("2026-03-02T11:59:00", "has no time zone; end it with Z, or with an offset such as +01:00"),
        ("2026-02-30T11:59:00Z", "day is out of range for month"),
        ("2026-03-02T24:00:00Z", "hour must be in 0..23"),
        ("2026-03-02T11:59:60Z", "second must be in 0..59"),
        ("2026-03-02", "is not a timestamp; write it as 2026-11-21T22:05:00.123Z"),
        ("1772452740", "is not a timestamp"),
        (1772452740, "is not a timestamp"),
        (None, "is not a timestamp"),
        ("soon", "is not a timestamp"),
        ("0001-01-01T00:00:00Z", "lies outside the years 1980 to 9999"),
        ("1970-01-01T00:00:00Z", "lies outside the years 1980 to 9999"),
        ("9999-12-31T23:59:59-14:00", "lies outside the years 1980 to 9999"),
        ("2026-03-02T12:05:00.001Z", "lies in the future, but is the time of a past event"),
    ],
)
def test_an_invalid_timestamp_is_refused_with_its_reason(written: Any, reason: str) -> None:
    with pytest.raises(InvalidRecord) as refused:
        MessageMetadata.read({**MESSAGE, "received_at": written}, NOW)
    assert str(refused.value).startswith("received_at: ")
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2026-03-02T12:59:00+01:00", "2026-03-02T11:59:00.000Z"),
        ("2026-03-02 11:59:00Z", "2026-03-02T11:59:00.000Z"),
        ("2026-03-02T11:59:00.123999Z", "2026-03-02T11:59:00.123Z"),
        # The tolerated skew of clocks.
        ("2026-03-02T12:05:00Z", "2026-03-02T12:05:00.000Z"),
    ],
)
def test_a_timestamp_of_any_time_zone_is_stored_in_utc(written: str, kept: str) -> None:
    assert MessageMetadata.read({**MESSAGE, "received_at": written}, NOW).item()["received_at"] == kept


def test_only_future_events_may_have_a_future_timestamp() -> None:
    alias = {"user": "u1", "id": "a@example.com", "destination": "d1", "created_at": clock.iso(NOW)}
    later = Alias.read({**alias, "expires_at": "2036-01-01T00:00:00Z"}, NOW)
    assert later.waiting() == datetime(2036, 1, 1, tzinfo=UTC)
    with pytest.raises(InvalidRecord, match="created_at: lies in the future"):
        Alias.read({**alias, "created_at": clock.iso(NOW + SKEW + SECOND)}, NOW)


def test_a_row_with_a_future_timestamp_is_accepted_when_no_time_is_passed() -> None:
    assert (
        MessageMetadata.from_row(MessageMetadata.read({**MESSAGE, "received_at": "2036-01-01T00:00:00Z"}).item()).user
        == "u1"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"user": ""}, "user: String should have at least 1 character"),
        ({"user": "u#1"}, "user: is not text of 1 to 256 characters, without spaces, `/` and `#`"),
        ({"id": "a\x7fb"}, "id: is not text of 1 to 256 characters"),
        ({"id": None}, "id: Input should be a valid string"),
        ({"bytes_used": -1}, "bytes_used: Input should be greater than or equal to 0"),
        ({"bytes_used": 2**63}, "bytes_used: Input should be less than"),
        ({"bytes_used": 1.5}, "bytes_used: "),
        ({"bytes_used": "5"}, "bytes_used: Input should be a valid integer"),
        ({"bytes_used": True}, "bytes_used: Input should be a valid integer"),
        ({"direction": "sideways"}, "direction: Input should be 'forwarded', 'sent' or 'rejected'"),
        ({"colour": "blue"}, "colour: Extra inputs are not permitted"),
        ({"alias": "\ud800"}, "has half of a character"),
        ({"v": 2}, "v: version 2 is unknown, the newest is 1"),
        ({"v": "1"}, "v: version '1' is unknown"),
        ({"v": True}, "v: version True is unknown"),
    ],
)
def test_faults_of_a_record_are_named_by_field(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRecord) as refused:
        MessageMetadata.read({**MESSAGE, **change}, NOW)
    assert reason in str(refused.value)


def test_three_of_many_faults_are_named_and_no_value_is_shown() -> None:
    with pytest.raises(InvalidRecord) as refused:
        User.read({"user": "u1", "email": "secret-address", "a": 1, "b": 2, "c": 3, "d": 4})
    message = str(refused.value)
    assert message.endswith("; and 3 more")
    assert "secret-address" not in message


@pytest.mark.parametrize(
    "address",
    [
        *("", "anna", "anna@", "@example.com", "a@b@c.de", "a b@c.de", "a@b.de\r\nBcc: x@y.z"),
        *("a:b@home.example", "foo(bar)@home.example", "x(y)z@home.example", "a@[192.0.2.1]", "a..b@home.example"),
    ],
)
def test_an_invalid_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidRecord, match="email: "):
        User.read({"user": "u1", "email": address, "created_at": clock.iso(NOW)})


@pytest.mark.parametrize("address", ["анна@xn--e1afmkfd.xn--p1ai", "o'brien+tag@sub.example.com", "a@localhost"])
def test_addresses_and_names_of_any_script_are_accepted(address: str) -> None:
    assert (
        User.read({"user": "u1", "email": address, "name": "安娜 مريم", "created_at": clock.iso(NOW)}).email == address
    )


@pytest.mark.parametrize("alias", ["", "nobody", "a b@c.de", "a@b@c.de", "a/b@c.de", "a#b@c.de", f"{'a' * 260}@c.de"])
def test_an_alias_is_an_address_that_is_valid_as_an_id(alias: str) -> None:
    given = {"user": "u1", "destination": "d", "created_at": clock.iso(NOW)}
    assert Alias.read({**given, "id": "магазин@xn--e1afmkfd.xn--p1ai"}, NOW).id == "магазин@xn--e1afmkfd.xn--p1ai"
    with pytest.raises(InvalidRecord, match="id: "):
        Alias.read({**given, "id": alias}, NOW)
    with pytest.raises(InvalidRecord, match="alias: "):
        Hold.read({"user": "u1", "id": "h", "alias": alias, "raw": "mail/h", "held_at": clock.iso(NOW)}, NOW)


@pytest.mark.parametrize("raw", ["audit/2026/x", "/mail/x", "mail/", "mail/a b", "../mail/x"])
def test_a_row_refers_to_no_object_except_messages(raw: str) -> None:
    with pytest.raises(InvalidRecord, match="raw: is not an object's key in `mail/`"):
        Hold.read({"user": "u1", "id": "h", "alias": "a@b.c", "raw": raw, "held_at": clock.iso(NOW)})


def test_a_pending_row_is_in_the_due_index_and_a_closed_one_in_the_age_index() -> None:
    pending = FailedEmail(
        user="u1", id="f", alias="a@b.c", destination="d", raw="mail/u1/f", failed_at=NOW, next_attempt_at=NOW + SECOND
    )
    assert set(pending.index_attributes()) == {"due", "due_at"}
    closed = pending.model_copy(update={"state": ForwardState.CLOSED, "closed_at": NOW})
    assert set(closed.index_attributes()) == {"aged", "since"}
    assert closed.index_attributes()["since"] == clock.iso(NOW)


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        (
            FailedEmail,
            {"alias": "a@b.c", "destination": "d", "raw": "mail/x", "failed_at": 0},
            "next_attempt_at: is mi",
        ),
        (Notification, {"template": "t", "created_at": 0}, "next_attempt_at: is missing"),
        (Delivery, {"webhook": "w", "event": "e", "body": "{}", "created_at": 0}, "next_attempt_at: is missing"),
        (Domain, {"id": "x.example", "challenge": "12345678", "created_at": 0}, "next_check_at: is missing"),
        (Cycle, {"starts_at": 0, "ends_at": 0, "quota": 1}, "ends_at: is not after starts_at"),
        (Cycle, {"starts_at": 0, "ends_at": 60, "quota": 1}, "id: is not the day of starts_at"),
        (MagicLink, {"created_at": 0, "expires_at": -1}, "expires_at: is before created_at"),
    ],
)
def test_a_record_that_no_job_would_ever_process_is_invalid(
    kind: type[Record], fields: dict[str, Any], reason: str
) -> None:
    written = {
        name: clock.iso(NOW + found * SECOND) if name.endswith("_at") else found for name, found in fields.items()
    }
    with pytest.raises(InvalidRecord, match=reason):
        kind.read({"user": "u1", "id": "x", **written}, NOW)


def test_each_kind_ages_from_its_own_timestamp() -> None:
    for idle, ends in ((5, 5), (99, 9)):
        until = NOW + idle * SECOND
        session = Session(user="u", id="s", created_at=NOW, ends_at=NOW + 9 * SECOND, idle_until=until)
        assert session.aging() == ("", NOW + ends * SECOND)
    entry = AuditEntry(user="u", id="e", at=NOW, action="a", actor="b", critical=True)
    assert entry.item()["aged"].startswith("critical#")
    there = Destination(user="u", id="d", address="a@b.c", created_at=NOW)
    assert there.aging() == ("", NOW)
    assert there.model_copy(update={"verified_at": NOW}).index_attributes() == {}
    sent = Notification(user="u", id="n", template="t", created_at=NOW, state=SendState.SENT)
    assert set(sent.index_attributes()) == {"aged", "since"}
    asked = Domain(user="u", id="d.example", challenge="12345678", created_at=NOW, state=DomainState.VERIFIED)
    assert asked.index_attributes() == {}


def test_a_score_is_rounded_to_what_any_store_can_hold() -> None:
    fields = {"user": "u", "id": "q", "alias": "a@b.c", "raw": "mail/q", "quarantined_at": clock.iso(NOW)}
    assert Quarantined.read({**fields, "score": 1e-320}).score == 0
    assert Quarantined.read({**fields, "score": 5}).score == 5
    with pytest.raises(InvalidRecord, match="score: "):
        Quarantined.read({**fields, "score": 1e300})


def test_attributes_that_jobs_add_to_a_row_are_not_fields() -> None:
    record = MessageMetadata.read(MESSAGE)
    assert MessageMetadata.from_row({**record.item(), "fault": "no such user", "going": True}) == record


DOMAIN = {"user": "u1", "challenge": "verify-4711", "created_at": "2026-03-02T11:00:00Z", "state": "verified"}


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("shop.example", "shop.example"),
        ("Shop.EXAMPLE", "shop.example"),
        ("shop.example.", "shop.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("xn--BCHER-kva.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("faß.Example", "xn--fa-hia.example"),
        ("βόλος.example", "xn--nxasmm1c.example"),
        ("\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example", "xn--mgba3gch31f060k.example"),
    ],
)
def test_a_domain_has_one_form(written: str, stored: str) -> None:
    assert Domain.read({**DOMAIN, "id": written}).item()["sk"] == stored


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("a..b", "id: is not a domain name"),
        ("*.example.com", "id: is a wildcard; add each domain by its name"),
        ("http:", "id: has a port or a scheme"),
        ("http://shop.example", "id: is a URL"),
        ("shop.example/", "id: is a URL"),
        ("shop.example:443", "id: has a port or a scheme"),
        ("ada@shop.example", "id: is an e-mail address"),
        ("localhost", "id: is not the domain of e-mail addresses"),
        ("192.0.2.1", "id: is not the domain of e-mail addresses"),
        ("_dmarc.shop.example", "id: is not the domain of e-mail addresses"),
        ("shop .example", "id: is not a domain name"),
        ("-.example", "id: is not a domain name"),
        (f"{'a' * 64}.example", "id: is not a domain name"),
        ("", "id: "),
    ],
)
def test_what_is_no_domain_is_refused_with_the_reason(written: str, why: str) -> None:
    with pytest.raises(InvalidRecord) as refused:
        Domain.read({**DOMAIN, "id": written})
    assert str(refused.value).startswith(why)


@pytest.mark.parametrize(
    "secret", ["v1,whsec_YSBzZWNyZXQgb2YgdHdlbnR5LWZvdXIgYg==", "a secret of twenty-four b", "whsec_", "whsec_-_-_", ""]
)
def test_a_secret_that_cannot_sign_is_refused_and_not_quoted(secret: str) -> None:
    hook = {"user": "u1", "id": "w", "url": "https://a.example/", "created_at": "2026-03-02T11:00:00Z"}
    with pytest.raises(InvalidRecord, match=r"secrets\.0: ") as refused:
        Webhook.read({**hook, "secrets": [secret]})
    assert not secret or secret == "whsec_" or secret not in str(refused.value)


@pytest.mark.parametrize(
    ("written", "address", "alias"),
    [
        ("shop.one@in.example", "shop.one@in.example", "shop.one@in.example"),
        ("Shop.One@In.Example", "Shop.One@in.example", "shop.one@in.example"),
        ("ada@BÜCHER.example.", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
        ("ada@straße.example", "ada@xn--strae-oqa.example", "ada@xn--strae-oqa.example"),
        ("Größe@in.example", "Größe@in.example", "größe@in.example"),
        ("gro\u0308ße@in.example", "gro\u0308ße@in.example", "größe@in.example"),
        ("Ada+Tag@XN--bcher-KVA.example", "Ada+Tag@xn--bcher-kva.example", "ada+tag@xn--bcher-kva.example"),
    ],
)
def test_an_address_has_one_form_and_an_alias_no_capitals(written: str, address: str, alias: str) -> None:
    """An alias is found by its address, whatever the message or the file wrote."""
    user = {"user": "u1", "email": written, "created_at": "2026-03-02T11:00:00Z"}
    assert User.read(user).email == address
    row = {"user": "u1", "id": written, "destination": "d", "created_at": "2026-03-02T11:00:00Z"}
    assert Alias.read(row).item()["sk"] == alias
    hold = {"user": "u1", "id": "h", "alias": written, "raw": "mail/u1/h", "held_at": "2026-03-02T11:00:00Z"}
    assert Hold.read(hold).alias == alias
