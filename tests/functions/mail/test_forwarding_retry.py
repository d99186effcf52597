"""What could not be forwarded is tried again at its instants, and its user is told once that it never will be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from functions.mail._forwarded import forwarded
from functions.mail.forwarding_retry import ForwardingRetry
from shared.cloud import Cloud
from shared.records.accounts import Alias, Destination, User
from shared.records.mail import FailedEmail
from shared.span import days, hours
from tests.certificate import Certificate
from tests.conftest import NOON, Lines, VirtualClock
from tests.mailbox import Box, Post
from tests.sweeping import all_of, go, item, put

SECOND = timedelta(seconds=1)
RAW = b"From: Bob <bob@far.example>\nTo: shop@in.example\nSubject: Hi\nDKIM-Signature: x\n\ty\n\nHello.\n.\nMore.\n"
USER = User(user="u", email="ada@home.example", created_at=NOON - days(99))
ALIAS = Alias(user="u", id="shop@in.example", destination="d", created_at=NOON - days(99))
HOME = Destination(
    user="u", id="d", address="ada@home.example", created_at=NOON - days(99), verified_at=NOON - days(98)
)


@pytest.fixture
def box(cloud: Cloud, certificate: Certificate) -> Iterator[Box]:
    """A relay on loopback, and a user with an alias."""
    box = Box()
    post = Post(box, certificate)
    way = post.serve("smtp+plain")
    cloud.environment = {"MAIL_RELAY": f"smtp+plain://127.0.0.1:{way.port}", "MAIL_FROM": "bounce@in.example"}
    put(cloud, USER, ALIAS, HOME)
    cloud.s3.put_object(Bucket=cloud.names.bucket, Key="mail/u/m", Body=RAW)
    yield box
    post.stop()


def failed(name: str = "m", at: datetime = NOON, **rest: object) -> FailedEmail:
    given = {"failed_at": at, "next_attempt_at": at + hours(1), "alias": ALIAS.id, "destination": "d", **rest}
    return FailedEmail.model_validate({"user": "u", "id": name, "raw": f"mail/u/{name}", **given})


def test_it_arrives_from_its_alias_and_is_answered_to_who_wrote_it(
    cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    put(cloud, failed())
    clock.move(hours=1)
    assert go(ForwardingRetry(), cloud, log).counts == {"settled": 1}
    [mail], [envelope] = box.mails, box.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("bounce@in.example", ["ada@home.example"])
    assert (mail["From"], mail["Reply-To"]) == ('"Bob (bob@far.example)" <shop@in.example>', "Bob <bob@far.example>")
    assert (mail["Subject"], mail["DKIM-Signature"]) == ("Hi", None)
    assert mail.get_content().split() == ["Hello.", ".", "More."]
    now = item(cloud, failed())
    assert (now["state"], now["attempts"], "due" in now, now["since"]) == ("delivered", 2, False, now["failed_at"])
    clock.move(minutes=1)
    assert go(ForwardingRetry(), cloud, log).counts == {"due": 0}
    assert all_of(cloud, "notifications") == []


@pytest.mark.parametrize("tick", [-1, 0, 1])
@pytest.mark.parametrize(("made", "delay"), [(1, 6), (2, 24), (3, 48)])
def test_the_next_attempt_comes_so_long_after_the_one_that_failed(
    made: int, delay: int, tick: int, cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    box.says["MAIL"] = "451 come back later"
    put(cloud, failed(attempts=made, next_attempt_at=NOON, failed_at=NOON - days(1)))
    go(ForwardingRetry(), cloud, log)
    due = NOON + hours(delay)
    clock.instant = due + tick * SECOND
    again = go(ForwardingRetry(), cloud, log, clock.instant)
    assert again.counts == ({"due": 0} if tick < 0 else {"given_up" if made == 3 else "again": 1})


def test_the_first_retry_is_never_a_second_before_its_hour(
    cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    put(cloud, failed())
    clock.instant = NOON + hours(1) - SECOND
    assert go(ForwardingRetry(), cloud, log, clock.instant).counts == {"due": 0}
    clock.instant = NOON + hours(1)
    assert go(ForwardingRetry(), cloud, log, clock.instant).counts == {"settled": 1}


def test_five_attempts_in_all_then_it_is_closed_and_its_user_told_once(
    cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    box.says["ada@home.example"] = "452 mailbox full"
    put(cloud, failed())
    for wait in (1, 6, 24, 48, 48, 1):
        clock.move(hours=wait)
        go(ForwardingRetry(), cloud, log)
    now = item(cloud, failed())
    assert (now["state"], now["attempts"], now["closed_at"]) == ("closed", 5, "2026-03-05T19:00:00.000Z")
    [notice] = all_of(cloud, "notifications")
    assert (notice["template"], notice["persona"], notice["data"]["alias"]) == ("forward_failed", "porter", ALIAS.id)
    assert [line["status"] for line in log.said("forwarding-retry_item")] == ["again"] * 3 + ["given_up"]
    assert not any("ada@home" in str(line) for line in log.lines)


@pytest.mark.parametrize(("old", "counts"), [(0, {"settled": 1}), (1, {"given_up": 1})])
def test_what_is_older_than_seven_days_is_closed_and_not_tried(
    old: int, counts: dict[str, int], cloud: Cloud, log: Lines, box: Box
) -> None:
    put(cloud, failed(failed_at=NOON - days(7) - old * SECOND, next_attempt_at=NOON - days(1)))
    assert go(ForwardingRetry(), cloud, log).counts == counts
    assert len(box.mails) == 1 - old
    assert len(all_of(cloud, "notifications")) == old


def test_what_can_never_arrive_is_closed_at_once(cloud: Cloud, log: Lines, box: Box) -> None:
    box.says["ada@home.example"] = "550 no such mailbox"
    put(cloud, failed(next_attempt_at=NOON))
    assert go(ForwardingRetry(), cloud, log).counts == {"given_up": 1}
    assert item(cloud, failed())["last_error"].startswith("127.0.0.1: 550 no such mailbox")


@pytest.mark.parametrize("gone", ["users", "aliases", "destinations", "message"])
def test_a_message_that_has_lost_what_it_needs_is_closed_and_the_rest_goes_on(
    gone: str, cloud: Cloud, log: Lines, box: Box
) -> None:
    lost = failed("lost", next_attempt_at=NOON).model_copy(update={"user": "v", "raw": "mail/v/lost"})
    mine = {"users": USER, "aliases": ALIAS, "destinations": HOME}
    put(cloud, *(each.model_copy(update={"user": "v"}) for name, each in mine.items() if name != gone))
    if gone != "message":
        cloud.s3.put_object(Bucket=cloud.names.bucket, Key="mail/v/lost", Body=RAW)
    put(cloud, lost, failed(next_attempt_at=NOON))
    assert go(ForwardingRetry(), cloud, log).counts == {"given_up": 1, "settled": 1}
    assert len(box.mails) == 1


def test_a_relay_that_falls_silent_leaves_it_to_a_person_and_sends_nothing_twice(
    cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    box.drops = True
    put(cloud, failed(next_attempt_at=NOON))
    assert go(ForwardingRetry(), cloud, log).counts == {"failed": 1}
    clock.move(minutes=10)
    assert go(ForwardingRetry(), cloud, log).counts == {"uncertain": 1}
    assert len(box.mails) == 1


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"Subject: no sender\r\n\r\nx",
        b"From: \xff\xfe <\x00>\r\n\r\nx",
        b"From: a@b, \r\n c@d\r\n\r\nx",
        b"\r\n\r\n",
    ],
)
def test_whatever_came_goes_on_with_one_sender_that_is_ours(given: bytes) -> None:
    head = forwarded(given, "shop@in.example").partition(b"\r\n\r\n")[0].lower()
    assert head.count(b"from:") == 1
    assert b"shop@in.example" in head


def test_no_sender_brings_a_header_of_its_own() -> None:
    evil = b"From: =?utf-8?q?Bob=0d=0aBcc:_all=40far.example?= <bob@far.example>\r\n\r\nx"
    assert b"\nbcc" not in forwarded(evil, "shop@in.example").lower()
