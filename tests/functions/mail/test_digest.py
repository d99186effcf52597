"""A user gets one e-mail of a kind a day, which lists what happened, in numbers for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from functions.mail._message_facts import LONGEST, facts
from functions.mail._templates import render
from functions.mail.forwarding_retry import ForwardingRetry
from functions.mail.notification_delivery import NotificationDelivery
from functions.mail.overflow_hold_expiry import OverflowHoldExpiry
from shared.aws.cloud import Cloud
from shared.job.duration import days
from shared.product.records.accounts import Alias, Destination, User
from shared.product.records.mail import FailedEmail, Hold
from shared.product.records.outgoing import Notification
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.certificate import Certificate
from tests.support.mailbox import Box, Post
from tests.support.sweeping import all_of, go, put

RAW = b"From: =?utf-8?q?J=C3=B6rg?= <joerg@far.example>\r\nSubject: Your order\r\n\r\nHello\r\n"
BEGUN = NOON - days(99)


@pytest.fixture
def box(cloud: Cloud, certificate: Certificate) -> Iterator[Box]:
    box = Box()
    post = Post(box, certificate)
    way = post.serve("smtp+plain")
    cloud.environment = {"MAIL_RELAY": f"smtp+plain://127.0.0.1:{way.port}", "MAIL_FROM": "post@in.example"}
    for user in ("u", "v"):
        put(cloud, User(user=user, email=f"{user}@home.example", created_at=BEGUN))
        put(cloud, Alias(user=user, id="shop@in.example", destination="d", created_at=BEGUN))
        put(
            cloud,
            Destination(user=user, id="d", address=f"to-{user}@x.example", created_at=BEGUN, verified_at=BEGUN),
        )
    yield box
    post.stop()


def held(cloud: Cloud, count: int, user: str = "u") -> None:
    for number in range(count):
        raw = f"mail/{user}/h{number}"
        cloud.s3.put_object(Bucket=cloud.names.bucket, Key=raw, Body=RAW)
        put(cloud, Hold(user=user, id=f"h{number}", alias="shop@in.example", raw=raw, held_at=NOON - days(29)))


def subjects(box: Box) -> list[tuple[str, str]]:
    return sorted((str(mail["To"]), str(mail["Subject"])) for mail in box.mails)


def test_the_holds_of_a_user_are_one_mail(cloud: Cloud, clock: VirtualClock, log: Lines, box: Box) -> None:
    held(cloud, 5)
    held(cloud, 1, "v")
    go(OverflowHoldExpiry(), cloud, log)
    clock.move(minutes=1)
    report = go(NotificationDelivery(), cloud, log)
    assert report.ok
    assert subjects(box) == [
        ("u@home.example", "5 held messages will be deleted tomorrow"),
        ("v@home.example", "A held message to shop@in.example will be deleted tomorrow"),
    ]
    assert {row["state"] for row in all_of(cloud, "notifications")} == {"sent"}
    [mail] = [mail for mail in box.mails if mail["To"] == "u@home.example"]
    part = mail.get_body(("plain",))
    assert part is not None
    text = part.get_content().replace("\r\n", "\n")
    assert text.count("- to shop@in.example on 2026-02-01, from Jörg <joerg@far.example>: Your order\n") == 5
    clock.move(days=1, minutes=1)
    assert go(OverflowHoldExpiry(), cloud, log).counts["purged"] == 6


def test_a_second_digest_comes_the_next_day(cloud: Cloud, clock: VirtualClock, log: Lines, box: Box) -> None:
    def notice(name: str) -> None:
        now, data = cloud.clock.now(), {"alias": "a@in.example", "failed": "today", "attempts": 5}
        times = {"created_at": now, "next_attempt_at": now}
        row = {"user": "u", "id": name, "template": "forward_failed", "data": data, **times}
        put(cloud, Notification.model_validate(row))

    notice("n1")
    assert go(NotificationDelivery(), cloud, log).counts == {"settled": 1}
    clock.move(minutes=5)
    notice("n2")
    notice("n3")
    report = go(NotificationDelivery(), cloud, log)
    assert (report.ok, report.counts) == (True, {"deferred": 2})
    clock.move(hours=11)
    assert go(NotificationDelivery(), cloud, log).counts == {"due": 0}
    clock.move(hours=1)
    go(NotificationDelivery(), cloud, log)
    assert [subject for _, subject in subjects(box)] == [
        "2 messages could not be forwarded",
        "A message to a@in.example could not be forwarded",
    ]


def test_failed_forwards_of_a_tick_are_one_mail(cloud: Cloud, clock: VirtualClock, log: Lines, box: Box) -> None:
    cloud.s3.put_object(Bucket=cloud.names.bucket, Key="mail/u/m", Body=RAW)
    box.says["to-u@x.example"] = "550 5.1.1 no such user"
    for number in range(4):
        values: dict[str, Any] = {"alias": "shop@in.example", "destination": "d", "raw": "mail/u/m"}
        times = {"failed_at": NOON - days(1), "next_attempt_at": NOON}
        put(cloud, FailedEmail.model_validate({"user": "u", "id": f"m{number}", **values, **times}))
    assert go(ForwardingRetry(), cloud, log).counts == {"given_up": 4}
    clock.move(minutes=1)
    go(NotificationDelivery(), cloud, log)
    assert subjects(box) == [("u@home.example", "4 messages could not be forwarded")]


def test_numbers_have_units_and_plurals() -> None:
    usage: dict[str, str | int] = {
        "percent": 80,
        "used": 4_123_456_789,
        "quota": 5_000_000_000,
        "ends": "2026-04-01",
        "cycle": "x",
    }
    assert "You have used 4.12 GB of 5 GB in" in render("usage_threshold", usage).text
    domain: dict[str, str | int] = {"domain": "x.example", "missing": "MX"}
    assert "x.example 1 time, and" in render("domain_failed", {**domain, "checks": 1}).text
    assert "x.example 14 times, and" in render("domain_failed", {**domain, "checks": 14}).text
    export: dict[str, str | int] = {"requested": "today", "expires": "x", "link": "l"}
    assert "It has 1.23 MB." in render("export_ready", {**export, "bytes": 1_234_567}).text


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (RAW, ("Jörg <joerg@far.example>", "Your order")),
        (b"", ("unknown", "(none)")),
        (b"no headers at all", ("unknown", "(none)")),
        (b"Subject: a\x1b[31m\r\n b\r\n\r\n", ("unknown", "a\\x1b[31m b")),
        (b"From: " + b"(" * 5000 + b"\r\nSubject: " + b"x" * 3000 + b"\r\n\r\n", ("unknown", "x" * LONGEST)),
        ("Subject: Grüße\r\n\r\n".encode(), ("unknown", "Grüße")),
    ],
)
def test_a_notice_names_sender_and_subject(head: bytes, expected: tuple[str, str]) -> None:
    found = facts(head)
    assert (found["sender"], found["subject"]) == expected
