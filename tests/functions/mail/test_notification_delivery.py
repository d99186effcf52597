"""What users are to be told reaches them once, by one connection for many, and no header is theirs to write."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from functions.mail._letters import FOLDER, BadLetter, letter, sender
from functions.mail.notification_delivery import NotificationDelivery
from shared.cloud import Cloud
from shared.notify import notify
from shared.records.accounts import User
from shared.records.outgoing import Notification
from shared.span import days
from tests.certificate import Certificate
from tests.conftest import NOON, Lines, VirtualClock
from tests.mailbox import Box, Post
from tests.sweeping import go, item, put

SECOND = timedelta(seconds=1)
USER = User(user="u", email="ada@home.example", created_at=NOON - days(99))
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


def queue(name: str = "n", made: int = 0, **rest: Any) -> Notification:
    times = {"created_at": NOON, "next_attempt_at": NOON}
    said = {"template": "hold_purged_tomorrow", "persona": "postmaster", "data": HELD}
    return Notification.model_validate({"user": "u", "id": name, "attempts": made, **times, **said, **rest})


def test_what_was_written_for_a_user_arrives(cloud: Cloud, log: Lines, box: Box) -> None:
    notify(cloud, "u", "hold-h", "hold_purged_tomorrow", "postmaster", HELD, "holds/h")
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
    notify(cloud, "u", "n", "hold_purged_tomorrow", "postmaster", HELD)
    assert go(NotificationDelivery(), cloud, log).counts == {"due": 0}
    assert len(box.mails) == 1
    assert item(cloud, queue())["state"] == "sent"


def test_many_share_a_connection_and_keep_to_the_rate(cloud: Cloud, clock: VirtualClock, log: Lines, box: Box) -> None:
    cloud.environment = {**cloud.environment, "NOTIFICATION_DELIVERY_RATE": "20"}
    put(cloud, *(queue(f"n{number:02d}") for number in range(21)))
    assert go(NotificationDelivery(), cloud, log).counts == {"settled": 21}
    assert clock.now() == NOON + SECOND
    assert len({id(session) for session in box.sessions}) <= 4


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
    # By hand, as no two ticks are so close.
    go(NotificationDelivery(), cloud, log, clock.instant, manual=True, retried=False)
    assert len(box.mails) == (0 if tick < 0 else 1)


def test_three_attempts_in_all(cloud: Cloud, clock: VirtualClock, log: Lines, box: Box) -> None:
    box.says["ada@home.example"] = "450 busy"
    put(cloud, queue())
    for _ in range(5):
        go(NotificationDelivery(), cloud, log)
        clock.move(minutes=1)
    now = item(cloud, queue())
    assert (now["state"], now["attempts"], now["last_error"]) == ("failed", 3, "127.0.0.1: 450 busy")
    assert (now["failed_at"], now["since"]) == ("2026-03-02T12:02:00.000Z", now["created_at"])


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ({"template": "no_such_letter"}, "there is no letter 'no_such_letter'"),
        ({"template": "../letters/forward_failed"}, "there is no letter '../letters/forward_failed'"),
        ({"data": {}}, "the letter hold_purged_tomorrow says $alias, and its notification has none"),
        ({"persona": "Porter\r\nBcc: all@far.example"}, "'Porter\\r\\nBcc: "),
        ({"user": "nobody"}, "its user is gone"),
    ],
)
def test_what_can_never_be_sent_is_closed_with_its_reason_and_the_rest_goes_on(
    odd: dict[str, Any], why: str, cloud: Cloud, log: Lines, box: Box
) -> None:
    bad = queue("bad", **odd)
    put(cloud, bad, queue("good"))
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


@pytest.mark.parametrize(
    ("raised", "counts"),
    [
        (None, {"settled": 1}),
        ("MessageRejected", {"given_up": 1}),
        ("TooManyRequestsException", {"put_off": 1}),
        ("unreachable", {"put_off": 1}),
    ],
)
def test_ses_is_a_relay_like_any_other(
    raised: str | None, counts: dict[str, int], cloud: Cloud, log: Lines, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []

    def send_email(**given: Any) -> dict[str, str]:
        sent.append(given)
        if raised == "unreachable":
            raise EndpointConnectionError(endpoint_url="https://ses")
        if raised:
            about: Any = {"Error": {"Code": raised, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
            raise ClientError(about, "SendEmail")
        return {"MessageId": "ses-1"}

    cloud.environment = {**cloud.environment, "MAIL_RELAY": "ses"}
    monkeypatch.setattr(cloud.mail, "send_email", send_email)
    put(cloud, queue())
    assert go(NotificationDelivery(), cloud, log).counts == counts
    assert sent[0]["Destination"] == {"ToAddresses": ["ada@home.example"]}


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
    made = letter("forward_failed", {"alias": "<img src=x>&", "failed": "$attempts", "attempts": 5})
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
    assert "Größe 日本" in letter("domain_verified", {"domain": "Größe 日本"}).subject
    with pytest.raises(BadLetter):
        sender("Porter <x@y>", "a@b")
