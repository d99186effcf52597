"""Failed forwards are retried at their due times, and their user is notified once after the last failure."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, IncompleteReadError

from functions.mail._forwarded_message import forwarded
from functions.mail.forwarding_retry import ForwardingRetry
from shared import clock as clocks
from shared.admin import effects
from shared.aws.cloud import Cloud
from shared.job.duration import days, hours
from shared.job.effect import Confirmed, NotDone
from shared.mail.message import MailRefused
from shared.product.records.accounts import Alias, Destination, User
from shared.product.records.mail import FailedEmail
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.certificate import Certificate
from tests.support.mailbox import Box, Post
from tests.support.raw_smtp import RawSmtp
from tests.support.receiver import Death
from tests.support.sweeping import all_of, go, item, put

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
@pytest.mark.parametrize(("made", "delay"), [(1, 1), (2, 6), (3, 24), (4, 48)])
def test_each_retry_comes_so_long_after_the_attempt_before_and_never_a_second_earlier(
    made: int, delay: int, tick: int, cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    box.says["ada@home.example"] = "451 come back later"
    # The writer of the row sets the first delay, after the attempt at arrival.
    put(cloud, failed(attempts=made, next_attempt_at=NOON + hours(1)) if made == 1 else failed(attempts=made - 1))
    if made > 1:
        # Seconds after the tick: the delay counts from the begin of the attempt.
        clock.move(hours=1, seconds=17)
        assert go(ForwardingRetry(), cloud, log).counts == {"again": 1}
    due = clock.now() + hours(delay)
    assert item(cloud, failed())["due_at"] == clocks.iso(due)
    clock.instant = due + tick * SECOND
    again = go(ForwardingRetry(), cloud, log, clock.instant)
    assert again.counts == ({"due": 0} if tick < 0 else {"given_up" if made == 4 else "again": 1})
    assert item(cloud, failed())["attempts"] == made + (tick >= 0)


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
    assert (notice["template"], notice["persona"], notice["about"]) == ("forward_failed", "porter", "failed-emails/m")
    facts = {"sender": "Bob <bob@far.example>", "subject": "Hi"}
    assert notice["data"] == {"alias": ALIAS.id, "attempts": 5, "failed": "2 March 2026", **facts}
    assert [line["status"] for line in log.said("forwarding-retry_item")] == ["again"] * 3 + ["given_up"]
    assert not any("ada@home" in str(line) for line in log.lines)


def test_a_forward_that_fails_again_under_its_id_is_tried_and_told_of_again(
    cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    box.says["ada@home.example"] = "550 no such mailbox"
    put(cloud, failed(next_attempt_at=NOON))
    assert go(ForwardingRetry(), cloud, log).counts == {"given_up": 1}
    clock.move(hours=3)
    put(cloud, failed(at=clock.now(), next_attempt_at=clock.now()))
    box.says["ada@home.example"] = "550 moved away"
    assert go(ForwardingRetry(), cloud, log).counts == {"given_up": 1}
    assert "550 moved away" in item(cloud, failed())["last_error"]
    assert [notice["about"] for notice in all_of(cloud, "notifications")] == ["failed-emails/m"] * 2


def test_an_alias_is_found_whatever_capitals_the_row_has(cloud: Cloud, log: Lines, box: Box) -> None:
    put(cloud, failed(next_attempt_at=NOON), alias="Shop@In.Example")
    assert go(ForwardingRetry(), cloud, log).counts == {"settled": 1}


@pytest.mark.parametrize(("old", "counts"), [(-1, {"settled": 1}), (0, {"settled": 1}), (1, {"given_up": 1})])
def test_what_is_older_than_seven_days_is_closed_and_not_tried(
    old: int, counts: dict[str, int], cloud: Cloud, log: Lines, box: Box
) -> None:
    put(cloud, failed(failed_at=NOON - days(7) - old * SECOND, next_attempt_at=NOON - days(1)))
    assert go(ForwardingRetry(), cloud, log).counts == counts
    assert len(box.mails) == (old <= 0)
    assert len(all_of(cloud, "notifications")) == (old > 0)


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


@pytest.mark.parametrize(
    ("ended", "why"),
    [
        (USER.model_copy(update={"deleted_at": NOON}), "its user is gone"),
        (ALIAS.model_copy(update={"active": False}), "its alias is not active any more"),
        # The daily job has not deactivated it yet.
        (
            ALIAS.model_copy(update={"expires_at": NOON - timedelta(milliseconds=1)}),
            "its alias expired at 2026-03-02T11:59:59.999Z",
        ),
        (HOME.model_copy(update={"verified_at": None}), "its destination is gone, or was never verified"),
    ],
)
def test_nothing_is_forwarded_for_what_has_been_ended(
    ended: User | Alias | Destination, why: str, cloud: Cloud, log: Lines, box: Box
) -> None:
    put(cloud, ended, failed(next_attempt_at=NOON))
    assert go(ForwardingRetry(), cloud, log).counts == {"given_up": 1}
    assert (item(cloud, failed())["last_error"], box.mails) == (why, [])


def test_a_relay_that_falls_silent_leaves_it_to_a_person_and_sends_nothing_twice(
    cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    cloud.environment = {**cloud.environment, "MAIL_UNANSWERED": "hold"}
    box.drops = True
    put(cloud, failed(next_attempt_at=NOON))
    assert go(ForwardingRetry(), cloud, log).counts == {"failed": 1}
    for _ in range(2):
        clock.move(minutes=10)
        report = go(ForwardingRetry(), cloud, log)
        assert (report.ok, report.counts) == (False, {"uncertain": 1})
    # job-monitoring alerts operators each day until it is resolved.
    [uncertain] = effects.uncertain_effects(cloud, "forwarding-retry")
    assert (uncertain["key"], len(box.mails)) == ("u#m#2026-03-02T12:00:00.000Z#2", 1)
    assert "Message-ID in the relay's log" in uncertain["note"]
    assert (item(cloud, failed())["state"], item(cloud, failed())["attempts"]) == ("pending", 1)


@pytest.mark.parametrize(("said", "state", "mails"), [(Confirmed(), "delivered", 1), (NotDone(), "delivered", 2)])
def test_a_person_says_whether_it_arrived_and_it_is_done_or_sent_again(
    said: Confirmed | NotDone, state: str, mails: int, cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    cloud.environment = {**cloud.environment, "MAIL_UNANSWERED": "hold"}
    box.drops = True
    put(cloud, failed(next_attempt_at=NOON))
    for _ in range(2):
        go(ForwardingRetry(), cloud, log)
        clock.move(minutes=10)
    box.drops = False
    effects.resolve_manually(
        cloud, ForwardingRetry(), "u#m#2026-03-02T12:00:00.000Z#2", said, "ada", "the relay's log says so"
    )
    assert go(ForwardingRetry(), cloud, log).counts == {"settled": 1}
    assert (item(cloud, failed())["state"], item(cloud, failed())["attempts"]) == (state, 2)
    assert len(box.mails) == mails
    assert list(effects.uncertain_effects(cloud, "forwarding-retry")) == []


def test_where_nobody_says_so_its_user_is_told_after_seven_days(
    cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    cloud.environment = {**cloud.environment, "MAIL_UNANSWERED": "hold"}
    box.drops = True
    put(cloud, failed(next_attempt_at=NOON))
    go(ForwardingRetry(), cloud, log)
    clock.instant = NOON + days(7)
    assert go(ForwardingRetry(), cloud, log).counts == {"uncertain": 1}
    clock.move(minutes=10)
    assert go(ForwardingRetry(), cloud, log).counts == {"given_up": 1}
    assert (item(cloud, failed())["state"], len(box.mails)) == ("closed", 1)
    assert len(all_of(cloud, "notifications")) == 1


@pytest.mark.parametrize("code", ["AccessDenied", "SlowDown", "", "in the body"])
def test_a_bucket_that_cannot_be_read_closes_nothing_and_costs_no_attempt(
    code: str, cloud: Cloud, clock: VirtualClock, log: Lines, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise IncompleteReadError(actual_bytes=1, expected_bytes=2)

    def unreadable(**_: Any) -> Any:
        if code == "in the body":
            return {"ContentLength": 2, "Body": Broken()}
        if not code:
            raise EndpointConnectionError(endpoint_url="https://s3")
        about: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(about, "GetObject")

    put(cloud, failed(next_attempt_at=NOON))
    with monkeypatch.context() as patched:
        patched.setattr(cloud.s3, "get_object", unreadable)
        report = go(ForwardingRetry(), cloud, log)
    assert (report.ok, report.counts) == (False, {"put_off": 1})
    [line] = log.said("forwarding-retry_item")
    assert (line["status"], line["note"].startswith("the message cannot be read: ")) == ("put_off", True)
    clock.move(minutes=1)
    assert go(ForwardingRetry(), cloud, log).counts == {"settled": 1}
    assert item(cloud, failed())["attempts"] == 2


def test_large_messages_wait_for_each_other_and_the_small_ones_for_nobody(
    cloud: Cloud, clock: VirtualClock, log: Lines, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LARGE": len(RAW), "LARGE_AT_ONCE": 1, "LARGE_WAIT": 0.05}.items():
        monkeypatch.setattr(f"functions.mail.forwarding_retry.{name}", value)
    box.waits = 0.6
    for name, body in {"small": RAW, "large0": RAW + b"!", "large1": RAW + b"!"}.items():
        cloud.s3.put_object(Bucket=cloud.names.bucket, Key=f"mail/u/{name}", Body=body)
        put(cloud, failed(name, next_attempt_at=NOON))
    assert go(ForwardingRetry(), cloud, log).counts == {"put_off": 1, "settled": 2}
    clock.move(minutes=1)
    # A message that was sent makes room for the next.
    monkeypatch.setattr("functions.mail.forwarding_retry.LARGE_WAIT", 30)
    box.waits = 0
    put(cloud, failed("again", next_attempt_at=NOON, raw="mail/u/large0"))
    assert go(ForwardingRetry(), cloud, log).counts == {"settled": 2}
    assert len(box.mails) == 4


@pytest.mark.parametrize(("more", "counts"), [(0, {"settled": 1}), (1, {"given_up": 1})])
def test_a_message_that_no_relay_takes_is_closed_without_being_read(
    more: int, counts: dict[str, int], cloud: Cloud, log: Lines, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.mail.forwarding_retry.LARGEST", len(RAW) - more)
    put(cloud, failed(next_attempt_at=NOON))
    assert go(ForwardingRetry(), cloud, log).counts == counts


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("nobody", "'nobody' is no address that mail can be sent to"),
        ("a:b@home.example", " is no address that mail can be sent to"),
        ("foo(bar)@home.example", " is no address that mail can be sent to"),
        (None, "its destination has no address"),
        (5, "its destination has no address"),
    ],
)
def test_a_destination_that_is_no_address_is_closed_with_its_reason_and_the_rest_goes_on(
    address: Any, why: str, cloud: Cloud, log: Lines, box: Box
) -> None:
    put(cloud, HOME.model_copy(update={"id": "odd"}), address=address)
    bad = failed("bad", next_attempt_at=NOON, destination="odd", raw="mail/u/m")
    put(cloud, bad, failed(next_attempt_at=NOON))
    assert go(ForwardingRetry(), cloud, log).counts == {"given_up": 1, "settled": 1}
    assert item(cloud, bad)["last_error"].endswith(why)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"alias": ""}, "alias: "),
        ({"alias": "nobody"}, "alias: "),
        ({"alias": "a b@in.example"}, "alias: "),
        ({"alias": f"{'я' * 250}@in.example"}, "alias: "),
        ({"failed_at": None}, "failed_at: Field required"),
        ({"failed_at": "2026-03-09T12:00:00.000Z"}, "failed_at: lies in the future"),
        ({"failed_at": "2026-03-01T12:00:00"}, "failed_at: has no time zone"),
        ({"v": 2}, "v: version 2 is unknown"),
        ({"raw": "audit/x"}, "raw: "),
    ],
)
def test_a_bad_row_is_set_aside_with_its_reason_and_kept_and_the_rest_goes_on(
    fault: dict[str, Any], reason: str, cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    bad = failed("bad", next_attempt_at=NOON)
    put(cloud, bad, **fault)
    put(cloud, failed(next_attempt_at=NOON))
    assert go(ForwardingRetry(), cloud, log).counts == {"faulty": 1, "settled": 1}
    assert item(cloud, bad)["fault"].startswith(reason)
    clock.move(minutes=1)
    assert go(ForwardingRetry(), cloud, log).counts == {"due": 0}


def test_a_long_id_is_closed_and_told_of_like_any_other(cloud: Cloud, log: Lines, box: Box) -> None:
    box.says["ada@home.example"] = "550 no such mailbox"
    put(cloud, failed("x" * 256, next_attempt_at=NOON, raw="mail/u/m"))
    put(cloud, failed("x" * 255 + "y", next_attempt_at=NOON, raw="mail/u/m"))
    assert go(ForwardingRetry(), cloud, log).counts == {"given_up": 2}
    assert len(all_of(cloud, "notifications")) == 2


def test_the_same_tick_again_and_a_death_after_the_relay_has_it_send_nothing_twice(
    cloud: Cloud, clock: VirtualClock, log: Lines, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise Death

    put(cloud, failed(next_attempt_at=NOON))
    with monkeypatch.context() as patched:
        patched.setattr("shared.archetypes.sweep.runner.update_if_unchanged", die)
        with pytest.raises(Death):
            go(ForwardingRetry(), cloud, log)
    # The lease of the interrupted run has expired by then.
    clock.move(minutes=10)
    assert go(ForwardingRetry(), cloud, log).counts == {"settled": 1}
    assert go(ForwardingRetry(), cloud, log).outcome == "deduplicated"
    assert len(box.mails) == 1


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"Subject: no sender\r\n\r\nx",
        b"From: \xff\xfe <\x00>\r\n\r\nx",
        b"From: a@b, \r\n c@d\r\n\r\nx",
        b"From: " + b"(" * 3000 + b"a@b\r\n\r\nx",
        b"From: a@b\r\nFrom: c@d\r\nReply-To: g:;\r\n\r\nx",
        b"\r\n\r\n",
    ],
)
def test_whatever_came_goes_on_with_one_sender_that_is_ours(given: bytes) -> None:
    head = forwarded(given, "shop@in.example").partition(b"\r\n\r\n")[0].lower()
    assert head.count(b"from:") == 1
    assert b"shop@in.example" in head


def test_a_sender_that_is_longer_than_any_is_not_read() -> None:
    for many, start in ((900, b'From: "(a@b)" <shop@in.example>\r\n'), (1000, b"From: shop@in.example\r\n")):
        assert forwarded(b"From: " + b"a@b," * many + b"\r\n\r\nx", "shop@in.example").startswith(start)


def test_no_sender_brings_a_header_of_its_own() -> None:
    evil = b"From: =?utf-8?q?Bob=0d=0aBcc:_all=40far.example?= <bob@far.example>\r\n\r\nx"
    assert b"\nbcc" not in forwarded(evil, "shop@in.example").lower()


@pytest.mark.parametrize(
    ("sender", "shown", "answered"),
    [
        ("Боб <bob@far.example>", "Боб (bob@far.example)", "Боб <bob@far.example>"),
        ("=?utf-8?b?0JHQvtCx?= <bob@far.example>", "Боб (bob@far.example)", "Боб <bob@far.example>"),
        ("Bob <bob@почта.рф>", "Bob (bob@почта.рф)", "Bob <bob@xn--80a1acny.xn--p1ai>"),
        # No relay accepts a local part outside ASCII without SMTPUTF8.
        ("Юля <юля@почта.рф>", "Юля (юля@почта.рф)", None),
    ],
)
def test_whoever_writes_in_another_script_is_named_and_answered(sender: str, shown: str, answered: str | None) -> None:
    made = message_from_bytes(forwarded(f"From: {sender}\r\n\r\nx".encode(), "shop@in.example"), policy=policy.default)
    [who] = made["From"].addresses
    assert (who.display_name, who.addr_spec) == (shown, "shop@in.example")
    assert made["Reply-To"] == answered


def test_an_alias_is_written_as_relays_take_it_or_not_at_all() -> None:
    assert b"<shop@xn--80a1acny.xn--p1ai>" in forwarded(b"From: a@b\r\n\r\nx", "shop@почта.рф")
    with pytest.raises(MailRefused, match="is no address that mail can be sent to"):
        forwarded(b"From: a@b\r\n\r\nx", "магазин@in.example")


def relayed(cloud: Cloud, server: RawSmtp, **rest: str) -> None:
    cloud.environment = {
        "MAIL_RELAY": f"smtp+plain://127.0.0.1:{server.port}",
        "MAIL_FROM": "bounce@in.example",
        "MAIL_RELAY_CONNECTIONS": "1",
        **rest,
    }


AWAY: list[dict[str, Any]] = [
    {"answers": {"MAIL": "530 5.7.0 Authentication required"}},
    {"answers": {"MAIL": "550 5.7.1 sender refused"}},
    {"answers": {"MAIL": "451 4.3.0 later"}},
    {"answers": {"RCPT": "554 5.7.1 <ada@home.example>: Relay access denied"}},
    {"answers": {"RCPT": "421 4.3.2 closing"}},
    {"answers": {"CONNECT": "421 4.7.0 too many connections"}},
    {"answers": {"CONNECT": "554 5.7.1 no service here"}},
    {"answers": {"EHLO": "550 no", "HELO": "550 no"}},
    {"answers": {"END": "550 5.7.60 Client does not have permissions to send as this sender"}},
    {"hangs_up": "CONNECT"},
    {"hangs_up": "MAIL"},
]


@pytest.mark.parametrize("way", AWAY, ids=str)
def test_a_relay_that_is_away_or_refuses_the_sender_closes_nothing_at_the_last_attempt(
    way: dict[str, Any], cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    last = [failed(f"m{number}", attempts=4, next_attempt_at=NOON, raw="mail/u/m") for number in range(3)]
    put(cloud, *last)
    before = cloud.environment
    with RawSmtp(**way) as server:
        relayed(cloud, server)
        for _ in range(3):
            report = go(ForwardingRetry(), cloud, log)
            assert (report.outcome, report.ok) == ("done", False) or report.counts == {"deferred": 3}
            clock.move(minutes=1)
    assert [item(cloud, each)["attempts"] for each in last] == [4, 4, 4]
    assert all_of(cloud, "notifications") == []
    cloud.environment = before
    assert go(ForwardingRetry(), cloud, log).counts == {"settled": 3}


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_relay_without_tls_closes_nothing(
    scheme: str, cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    put(cloud, failed(attempts=4, next_attempt_at=NOON))
    with RawSmtp() as server:
        relayed(cloud, server, MAIL_RELAY=f"{scheme}://127.0.0.1:{server.port}")
        if scheme == "smtps":
            server.answers["CONNECT"] = ["220 this is no TLS"]
        report = go(ForwardingRetry(), cloud, log)
    assert (report.ok, report.counts, item(cloud, failed())["attempts"]) == (False, {"put_off": 1}, 4)


def test_a_relay_that_refuses_the_sender_is_not_asked_for_each_message(
    cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    put(cloud, *(failed(f"m{number:02d}", next_attempt_at=NOON, raw="mail/u/m") for number in range(20)))
    with RawSmtp(answers={"MAIL": "550 5.7.1 sender refused"}) as server:
        relayed(cloud, server)
        assert go(ForwardingRetry(), cloud, log).counts == {"put_off": 20}
    assert sum(command.startswith("MAIL") for command in server.commands) == 2


@pytest.mark.parametrize("limit", ["451 4.7.1 hourly limit reached", "550 you exceeded the max emails per hour (10)"])
def test_an_hourly_limit_defers_the_rest(limit: str, cloud: Cloud, clock: VirtualClock, log: Lines, box: Box) -> None:
    all_30 = [failed(f"m{number:02d}", next_attempt_at=NOON, raw="mail/u/m") for number in range(30)]
    put(cloud, *all_30)
    with RawSmtp(answers={"RCPT": [*["250 OK"] * 10, limit]}) as server:
        relayed(cloud, server)
        assert go(ForwardingRetry(), cloud, log).counts == {"settled": 10, "put_off": 20}
        for _ in range(5):
            clock.move(minutes=1)
            assert go(ForwardingRetry(), cloud, log).counts == {"put_off": 20}
        server.answers.clear()
        clock.move(minutes=1)
        assert go(ForwardingRetry(), cloud, log).counts == {"settled": 20}
    assert {item(cloud, each)["attempts"] for each in all_30} == {2}


def test_greylisting_defers_one_recipient_and_the_run_is_ok(
    cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    box.says["ada@home.example"] = "450 4.2.0 Greylisted, try again in 120 seconds"
    other = HOME.model_copy(update={"id": "e", "address": "eve@home.example"})
    put(cloud, other, failed(attempts=4, next_attempt_at=NOON))
    put(cloud, failed("m2", next_attempt_at=NOON, raw="mail/u/m", destination="e"))
    report = go(ForwardingRetry(), cloud, log)
    assert (report.ok, report.counts) == (True, {"deferred": 1, "settled": 1})
    box.says.clear()
    clock.move(minutes=1)
    assert go(ForwardingRetry(), cloud, log).counts == {"due": 0}
    clock.move(minutes=1)
    assert go(ForwardingRetry(), cloud, log).counts == {"settled": 1}


def test_a_recipient_that_is_refused_with_a_hang_up_is_closed(cloud: Cloud, log: Lines, box: Box) -> None:
    put(cloud, failed(next_attempt_at=NOON))
    with RawSmtp(answers={"RCPT": "550 5.1.1 no such user"}, hangs_up="RCPT") as server:
        relayed(cloud, server)
        report = go(ForwardingRetry(), cloud, log)
    assert (report.ok, report.counts) == (True, {"given_up": 1})


@pytest.mark.parametrize("hangs_up", ["body", "dot"])
def test_a_connection_that_is_lost_with_the_message_is_retried_with_the_same_message_id(
    hangs_up: str, cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    put(cloud, failed(next_attempt_at=NOON))
    with RawSmtp(hangs_up=hangs_up) as server:
        relayed(cloud, server)
        report = go(ForwardingRetry(), cloud, log)
        assert (report.ok, report.counts) == (True, {"again": 1})
        assert list(effects.uncertain_effects(cloud, "forwarding-retry")) == []
        server.hangs_up = ""
        clock.move(hours=6)
        assert go(ForwardingRetry(), cloud, log).counts == {"settled": 1}
    ids = {message_from_bytes(each)["Message-ID"] for each in server.messages}
    assert len(ids) == 1
    assert ids != {None}


def test_a_connection_that_is_lost_within_a_large_message_is_retried_also_where_unanswered_mail_is_held(
    cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    large = RAW + b"0123456789abcdef\n" * 500_000
    cloud.s3.put_object(Bucket=cloud.names.bucket, Key="mail/u/m", Body=large)
    put(cloud, failed(next_attempt_at=NOON))
    with RawSmtp(hangs_up="body") as server:
        relayed(cloud, server, MAIL_UNANSWERED="hold")
        assert go(ForwardingRetry(), cloud, log).counts == {"again": 1}


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_connections_than_declared_reach_the_relay(
    most: int, cloud: Cloud, clock: VirtualClock, log: Lines, box: Box
) -> None:
    put(cloud, *(failed(f"m{number:02d}", next_attempt_at=NOON, raw="mail/u/m") for number in range(12)))
    # Slower than SLOW_AFTER, so that the sweep starts attempts beyond its width.
    with RawSmtp(seconds=0.3) as server:
        relayed(cloud, server, MAIL_RELAY_CONNECTIONS=str(most))
        assert go(ForwardingRetry(), cloud, log).counts == {"settled": 12}
        assert server.peak <= most
        assert server.connections <= most


@pytest.mark.parametrize(
    ("given", "body"),
    [
        (b"Hello there.\nBye.\n", b"Hello there.\nBye.\n"),
        (b"Hello", b"Hello"),
        (b"\nSubject: no header\n", b"Subject: no header\n"),
        (b"\r\n\r\nHello", b"\r\nHello"),
        (b"  indented\n", b"  indented\n"),
        (b"Subject: x\nHello without a blank line\nA: b\n", b"Hello without a blank line\nA: b\n"),
        (b"From bob Mon Mar  2 12:00:00 2026\nSubject: x\n\nHello", b"Hello"),
        (b"Subject: x\r\rHello", b"Hello"),
        (b"http://far.example/ is a link\n", b""),
    ],
)
def test_a_message_without_headers_is_a_body(given: bytes, body: bytes) -> None:
    made = forwarded(given, "shop@in.example")
    assert made.partition(b"\r\n\r\n")[2] == body
    assert b"Hello" not in made.partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize(
    ("sender", "answered"),
    [
        (b'"john doe"@far.example', '"john doe"@far.example'),
        (b'John <"john@doe"@far.example>', 'John <"john@doe"@far.example>'),
        (b"a..b@far.example", None),
        (b"Bob <bob@B\xc3\xbccher.example>", "Bob <bob@xn--bcher-kva.example>"),
        ("юля@почта.рф".encode(), None),
        (b"nobody", None),
        (b"a@b.example, c@d.example", "a@b.example"),
    ],
)
def test_an_answer_reaches_the_author_or_the_reason_is_given(sender: bytes, answered: str | None) -> None:
    made = message_from_bytes(forwarded(b"From: " + sender + b"\r\n\r\nx", "shop@in.example"), policy=policy.default)
    assert (str(made["Reply-To"]) if made["Reply-To"] else None) == answered
    assert (made["X-No-Reply-To"] is None) is (answered is not None)


def test_a_message_without_an_id_gets_one_and_keeps_its_own() -> None:
    assert b"Message-ID: <k@in.example>\r\n" in forwarded(b"From: a@b\r\n\r\nx", "shop@in.example", "k")
    kept = forwarded(b"From: a@b\r\nmessage-id: <1@b>\r\n\r\nx", "shop@in.example", "k")
    assert kept.lower().count(b"message-id:") == 1
