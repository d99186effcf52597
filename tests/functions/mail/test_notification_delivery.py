"""A notification is delivered once, over one connection for many, and its values cannot write headers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from email import message_from_string, policy
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from functions.mail._templates import FOLDER, TemplateError, render, sender
from functions.mail.notification_delivery import NotificationDelivery
from shared.admin import effects
from shared.aws.cloud import Cloud
from shared.job.duration import days
from shared.job.effect import Confirmed, NotDone
from shared.product import notifications
from shared.product.records.accounts import User
from shared.product.records.outgoing import Notification
from shared.store import put_if_absent
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.certificate import Certificate
from tests.support.mailbox import Box, Post
from tests.support.moto_backends import mails
from tests.support.receiver import Death, Mortal, Receiver
from tests.support.sweeping import go, item, put

SECOND = timedelta(seconds=1)
USER = User(user="u", email="ada@home.example", created_at=NOON - days(99))
# A kind of which a user gets each notification by itself.
NO_DIGEST: dict[str, Any] = {"template": "domain_verified", "data": {"domain": "x.example"}}
HELD: dict[str, Any] = {"alias": "shop@in.example", "held_on": "2026-02-01"}


@pytest.fixture
def box(cloud: Cloud, certificate: Certificate) -> Iterator[Box]:
    box = Box()
    post = Post(box, certificate)
    way = post.serve("smtp+plain")
    cloud.environment = {"MAIL_RELAY": f"smtp+plain://127.0.0.1:{way.port}", "MAIL_FROM": "post@in.example"}
    put(cloud, USER)
    yield box
    post.stop()


def tell(cloud: Cloud, name: str, about: str = "") -> None:
    put_if_absent.put_if_absent(
        cloud, notifications.notification(cloud, "u", name, "hold_purged_tomorrow", "postmaster", HELD, about)
    )


def queue(name: str = "n", made: int = 0, **rest: Any) -> Notification:
    times = {"created_at": NOON, "next_attempt_at": NOON}
    said = {"template": "hold_purged_tomorrow", "persona": "postmaster", "data": HELD}
    return Notification.model_validate({"user": "u", "id": name, "attempts": made, **times, **said, **rest})


def test_what_was_written_for_a_user_arrives(cloud: Cloud, log: Lines, box: Box) -> None:
    tell(cloud, "hold-h", "holds/h")
    assert go(NotificationDelivery(), cloud, log).counts == {"settled": 1}
    [mail] = box.mails
    assert (mail["From"], mail["To"]) == ("Postmaster <post@in.example>", "ada@home.example")
    assert mail["Subject"] == "A held message to shop@in.example will be deleted tomorrow"
    text, markup = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert markup is not None
    assert "came to shop@in.example on 2026-02-01 is held" in text.get_content()
    assert markup.get_content().startswith("<p>A message that came to shop@in.example")
    assert not any("ada@" in str(line) for line in log.lines)


def test_the_same_again_tells_nobody(cloud: Cloud, clock: VirtualClock, log: Lines, box: Box) -> None:
    put(cloud, queue())
    go(NotificationDelivery(), cloud, log)
    clock.move(minutes=1)
    tell(cloud, "n")
    assert go(NotificationDelivery(), cloud, log).counts == {"due": 0}
    assert len(box.mails) == 1
    assert item(cloud, queue())["state"] == "sent"


@pytest.mark.parametrize(("said", "rate"), [({}, 10), ({"NOTIFICATION_DELIVERY_RATE": "20"}, 20)])
def test_many_share_a_connection_and_keep_to_the_rate(
    said: dict[str, str],
    rate: int,
    cloud: Cloud,
    clock: VirtualClock,
    log: Lines,
    box: Box,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A slow item makes room for another, and items are slow on a busy machine.
    monkeypatch.setattr("shared.archetypes.sweep.runner.SLOW_AFTER", 60)
    cloud.environment = {**cloud.environment, **said}
    put(cloud, *(queue(f"n{number:02d}", **NO_DIGEST) for number in range(rate + 1)))
    assert go(NotificationDelivery(), cloud, log).counts == {"settled": rate + 1}
    assert clock.now() == NOON + SECOND
    assert len({id(session) for session in box.sessions}) <= NotificationDelivery.width


@pytest.mark.parametrize("tick", [-1, 0, 1])
@pytest.mark.parametrize(("made", "delay"), [(0, 5), (1, 10)])
def test_a_mail_that_is_put_off_is_sent_again_after_its_delay(
    made: int, delay: int, tick: int, cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    box.says["ada@home.example"] = "450 busy"
    put(cloud, queue(made=made))
    assert go(NotificationDelivery(), cloud, log).counts == {"again": 1}
    box.says.clear()
    clock.instant = NOON + timedelta(seconds=delay + tick)
    # A manual run, since no two ticks are as close.
    go(NotificationDelivery(), cloud, log, clock.instant, manual=True, retried=False)
    assert len(box.mails) == (0 if tick < 0 else 1)


def test_three_attempts_in_all_at_the_same_mail(cloud: Cloud, clock: VirtualClock, log: Lines, box: Box) -> None:
    box.says["DATA"] = "450 busy"
    put(cloud, queue())
    for _ in range(5):
        go(NotificationDelivery(), cloud, log)
        clock.move(minutes=1)
    now = item(cloud, queue())
    assert (now["state"], now["attempts"], now["last_error"]) == ("failed", 3, "127.0.0.1: 450 busy")
    assert (len(box.mails), len({mail["Message-ID"] for mail in box.mails})) == (3, 1)
    assert (now["failed_at"], now["since"]) == ("2026-03-02T12:02:00.000Z", now["created_at"])


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ({"template": "no_such_letter"}, "there is no template 'no_such_letter'"),
        ({"template": "../letters/forward_failed"}, "there is no template '../letters/forward_failed'"),
        ({"data": {}}, "the template hold_purged_tomorrow needs $alias, which its notification lacks"),
        ({"persona": "Porter\r\nBcc: all@far.example"}, "'Porter\\r\\nBcc: "),
        ({"user": "nobody"}, "its user is gone"),
        ({"user": "leaving"}, "its user is gone"),
    ],
)
def test_what_can_never_be_sent_is_closed_with_its_reason_and_the_rest_goes_on(
    odd: dict[str, Any], why: str, cloud: Cloud, log: Lines, box: Box
) -> None:
    bad = queue("bad", **odd)
    put(cloud, bad, queue("good"), USER.model_copy(update={"user": "leaving", "deleted_at": NOON}))
    assert go(NotificationDelivery(), cloud, log).counts == {"given_up": 1, "settled": 1}
    assert item(cloud, bad)["last_error"].startswith(why)
    assert len(box.mails) == 1


def test_an_address_that_no_relay_takes_is_closed_at_once(cloud: Cloud, log: Lines, box: Box) -> None:
    box.says["ada@home.example"] = "550 no such mailbox"
    put(cloud, queue())
    assert go(NotificationDelivery(), cloud, log).counts == {"given_up": 1}


def test_a_relay_that_is_not_there_costs_no_attempt(cloud: Cloud, clock: VirtualClock, log: Lines, box: Box) -> None:
    there = cloud.environment
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        cloud.environment = {**there, "MAIL_RELAY": f"smtp+plain://127.0.0.1:{taken.getsockname()[1]}"}
        put(cloud, queue())
        for _ in range(5):
            assert go(NotificationDelivery(), cloud, log).counts == {"put_off": 1}
            clock.move(minutes=1)
    cloud.environment = there
    assert go(NotificationDelivery(), cloud, log).counts == {"settled": 1}
    assert item(cloud, queue())["attempts"] == 1


def test_without_a_sender_nothing_is_tried_and_nothing_closed(cloud: Cloud, log: Lines, box: Box) -> None:
    cloud.environment = {**cloud.environment, "MAIL_FROM": ""}
    put(cloud, queue())
    assert go(NotificationDelivery(), cloud, log).outcome == "failed"
    assert item(cloud, queue()) == queue().item()


def test_ses_is_a_relay_like_any_other(cloud: Cloud, log: Lines, box: Box) -> None:
    cloud.environment = {**cloud.environment, "MAIL_RELAY": "ses"}
    cloud.mail.create_email_identity(EmailIdentity="post@in.example")
    put(cloud, queue())
    assert go(NotificationDelivery(), cloud, log).counts == {"settled": 1}
    [sent] = mails(cloud).sent_messages
    mail = message_from_string(sent.raw_data, policy=policy.default)
    assert (sent.source, {*sent.destinations}) == ("Postmaster <post@in.example>", {"ada@home.example"})
    assert mail["Subject"] == "A held message to shop@in.example will be deleted tomorrow"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


UNVERIFIED = "Email address is not verified. The following identities failed the check in region US-EAST-1: {}"


@pytest.mark.parametrize(
    ("code", "message", "counts"),
    [
        ("MessageRejected", "Transaction failed: it is a virus", {"given_up": 1}),
        ("BadRequestException", "Illegal address", {"given_up": 1}),
        ("MessageRejected", UNVERIFIED.format("post@in.example"), {"put_off": 1}),
        ("MessageRejected", UNVERIFIED.format("ada@home.example"), {"put_off": 1}),
        ("TooManyRequestsException", "Maximum sending rate exceeded.", {"put_off": 1}),
        ("LimitExceededException", "Daily message quota exceeded.", {"put_off": 1}),
        ("SendingPausedException", "", {"put_off": 1}),
        ("", "unreachable", {"put_off": 1}),
    ],
)
def test_what_ses_says_of_a_mail_closes_it_and_what_it_says_of_the_account_does_not(
    code: str,
    message: str,
    counts: dict[str, int],
    cloud: Cloud,
    log: Lines,
    box: Box,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def send_email(**_: Any) -> None:
        if not code:
            raise EndpointConnectionError(endpoint_url="https://ses")
        about: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
        raise ClientError(about, "SendEmail")

    cloud.environment = {**cloud.environment, "MAIL_RELAY": "ses"}
    monkeypatch.setattr(cloud.mail, "send_email", send_email)
    put(cloud, queue())
    assert go(NotificationDelivery(), cloud, log).counts == counts
    assert item(cloud, queue())["state"] == ("failed" if "given_up" in counts else "queued")


@pytest.mark.parametrize(("said", "mails"), [(Confirmed(), 1), (NotDone(), 2)])
def test_a_mail_of_which_nobody_knows_waits_for_a_person_and_is_sent_no_second_time_unasked(
    said: Confirmed | NotDone, mails: int, cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    cloud.environment = {**cloud.environment, "MAIL_UNANSWERED": "hold"}
    box.drops = True
    put(cloud, queue())
    for expected in ({"failed": 1}, {"uncertain": 1}, {"uncertain": 1}):
        report = go(NotificationDelivery(), cloud, log)
        assert (report.ok, report.counts) == (False, expected)
        clock.move(minutes=10)
    box.drops = False
    [uncertain] = effects.uncertain_effects(cloud, "notification-delivery")
    assert "Message-ID in the relay's log" in uncertain["note"]
    assert (item(cloud, queue())["state"], len(box.mails)) == ("queued", 1)
    effects.resolve_manually(cloud, NotificationDelivery(), uncertain["key"], said, "ada", "the relay's log says so")
    assert go(NotificationDelivery(), cloud, log).counts == {"settled": 1}
    assert (item(cloud, queue())["state"], len(box.mails)) == ("sent", mails)
    assert len({mail["Message-ID"] for mail in box.mails}) == 1


@pytest.mark.parametrize("second", [-1, 0, 1])
def test_what_has_waited_for_its_relay_for_three_days_is_closed_a_second_later(
    second: int, cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    clock.instant = NOON + timedelta(days=3) + second * SECOND
    put(cloud, queue())
    assert go(NotificationDelivery(), cloud, log, clock.instant).counts == (
        {"given_up": 1} if second > 0 else {"settled": 1}
    )
    assert len(box.mails) == (second <= 0)


def test_a_run_that_dies_at_any_write_sends_each_mail_once(
    cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    mortal, last, died, waiting = Mortal(cloud, Receiver(), reads=False), 0, True, list[str]()
    while died:
        last += 1
        minute = clock.now().replace(second=0, microsecond=0)
        one = queue(f"n{last:02d}", **NO_DIGEST, next_attempt_at=minute, created_at=minute)
        mortal.until(0)
        put(cloud, one)
        mortal.until(last)
        with suppress(Death):
            go(NotificationDelivery(), cloud, log)
        died = mortal.dead
        mortal.until(0)
        clock.move(minutes=10)
        go(NotificationDelivery(), cloud, log)
        waiting = [each["key"] for each in effects.uncertain_effects(cloud, "notification-delivery")]
        # An operator must resolve an e-mail that may have been sent; no other waits, and none was sent twice.
        assert item(cloud, one)["state"] == ("queued" if any(one.id in key for key in waiting) else "sent")
        clock.move(minutes=10)
    mails = [mail["Message-ID"] for mail in box.mails]
    assert len(mails) == len({*mails}) >= last - len(waiting)
    assert last > 4


@pytest.mark.parametrize(
    "evil", ["x\r\nBcc: all@far.example", "x\nBcc: a@b", "x\rBcc: a@b", "x\u2028Bcc: a@b", "x\0y", "\u202egnp.exe"]
)
def test_no_value_writes_a_header_or_hides_itself(evil: str, cloud: Cloud, log: Lines, box: Box) -> None:
    put(cloud, queue(data={**HELD, "alias": evil}))
    assert go(NotificationDelivery(), cloud, log).counts == {"settled": 1}
    [mail] = box.mails
    assert mail["Bcc"] is None
    assert len(box.envelopes[0].rcpt_tos) == 1
    assert not any(sign in str(mail["Subject"]) for sign in "\r\n\u2028\u202e\0")


def test_a_value_is_text_in_html_and_no_template_of_its_own() -> None:
    made = render("forward_failed", {"alias": "<img src=x>&", "failed": "$attempts", "attempts": 5})
    assert "&lt;img src=x&gt;&amp;" in made.html
    assert "<img" not in made.html
    assert "<img src=x>&" in made.text
    assert "on $attempts could" in made.text


def test_every_letter_has_a_subject_and_a_body() -> None:
    names = sorted(path.stem for path in FOLDER.glob("*.txt"))
    assert len(names) >= 6
    for name in names:
        first, blank, *rest = (FOLDER / f"{name}.txt").read_text().split("\n")
        assert first.startswith("Subject: ")
        assert blank == ""
        assert rest


def test_a_name_in_another_script_is_written_as_it_is() -> None:
    assert "Größe 日本" in render("domain_verified", {"domain": "Größe 日本"}).subject
    with pytest.raises(TemplateError):
        sender("Porter <x@y>", "a@b")
