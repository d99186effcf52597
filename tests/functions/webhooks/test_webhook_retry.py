"""A webhook is retried on schedule until its receiver accepts it, signed, and never to internal hosts."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
import standardwebhooks

from functions.mail._templates import render
from functions.webhooks.webhook_retry import WebhookRetry
from shared.aws.cloud import Cloud
from shared.aws.names import Names
from shared.clock import iso as clock_iso
from shared.http import webhook
from shared.job.duration import days, minutes
from shared.product.records.outgoing import Delivery, Webhook
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.sweeping import all_of, go, item, put
from tests.support.web_server import Handler, Reply, Request, Web, hang, reset

SECOND = timedelta(seconds=1)
SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()
BODY = '{"type":"alias.created","data":{"name":"größe"}}'


@pytest.fixture
def web(cloud: Cloud) -> Iterator[Web]:
    cloud.environment = {"WEBHOOK_LOOPBACK": "true"}
    with Web() as web:
        put(cloud, hook(f"{web.url}/hook"))
        yield web


def hook(url: str, name: str = "w", **rest: object) -> Webhook:
    given = {"url": url, "secrets": (SECRET,), "created_at": NOON - timedelta(days=9), **rest}
    return Webhook.model_validate({"user": "u", "id": name, **given})


def delivery(name: str = "msg_1", made: int = 1, **rest: object) -> Delivery:
    given = {
        "webhook": "w",
        "event": "alias.created",
        "body": BODY,
        "created_at": NOON,
        "next_attempt_at": NOON,
        **rest,
    }
    return Delivery.model_validate({"user": "u", "id": name, "attempts": made, **given})


def test_it_arrives_signed_and_under_the_deliverys_own_id(cloud: Cloud, log: Lines, web: Web) -> None:
    web.answers["/hook"] = Reply(204)
    put(cloud, delivery())
    assert go(WebhookRetry(), cloud, log).counts == {"settled": 1}
    [asked] = web.asked
    assert webhook.verify([SECRET], asked.headers, asked.body, NOON) == "msg_1"
    assert asked.body == BODY
    now = item(cloud, delivery())
    assert (now["state"], now["status"], now["attempts"], now["sent_at"]) == (
        "sent",
        204,
        2,
        "2026-03-02T12:00:00.000Z",
    )
    assert "next_attempt_at" not in now
    assert "due" not in now
    assert now["since"] == now["created_at"]


def test_while_a_secret_is_replaced_a_receiver_may_have_either(
    cloud: Cloud, clock: VirtualClock, log: Lines, web: Web
) -> None:
    """Verify with the specification's own library, which reads the time itself."""
    clock.instant = datetime.now(UTC)
    new = "whsec_" + base64.b64encode(b"the next, of twenty-four").decode()
    web.answers["/hook"] = Reply(200)
    put(cloud, hook(f"{web.url}/hook", secrets=(new, SECRET)), delivery())
    assert go(WebhookRetry(), cloud, log).counts == {"settled": 1}
    [asked] = web.asked
    for secret in (new, SECRET):
        assert standardwebhooks.Webhook(secret).verify(asked.body, dict(asked.headers)) == json.loads(BODY)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook("whsec_" + base64.b64encode(b"somebody else's").decode()).verify(
            asked.body, dict(asked.headers)
        )


@pytest.mark.parametrize("tick", [-1, 0, 1])
@pytest.mark.parametrize(("made", "delay"), [(0, 1), (1, 5), (2, 30), (3, 120)])
def test_the_log_says_what_was_answered_and_when_it_is_tried_again(
    made: int, delay: int, tick: int, cloud: Cloud, clock: VirtualClock, log: Lines, web: Web
) -> None:
    web.answers["/hook"] = Reply(503)
    put(cloud, delivery(made=made))
    go(WebhookRetry(), cloud, log)
    due = NOON + minutes(delay)
    now = item(cloud, delivery())
    assert (now["attempts"], now["status"], now["last_error"]) == (made + 1, 503, "the receiver answered 503")
    assert now["next_attempt_at"] == f"{due:%Y-%m-%dT%H:%M:%S.000Z}"
    clock.instant = due + tick * SECOND
    go(WebhookRetry(), cloud, log, clock.instant)
    assert len(web.asked) == (1 if tick < 0 else 2)


def test_after_five_attempts_it_has_failed_for_good(cloud: Cloud, clock: VirtualClock, log: Lines, web: Web) -> None:
    web.answers["/hook"] = Reply(500)
    put(cloud, delivery(made=0))
    for wait in (1, 5, 30, 120, 120, 120):
        go(WebhookRetry(), cloud, log)
        clock.move(minutes=wait)
    now = item(cloud, delivery())
    assert (now["state"], now["attempts"], now["failed_at"]) == ("failed", 5, "2026-03-02T14:36:00.000Z")
    assert len(web.asked) == 5
    assert {each.headers["webhook-id"] for each in web.asked} == {"msg_1"}
    assert "due" not in now


def test_a_receiver_that_is_gone_is_not_asked_again(cloud: Cloud, log: Lines, web: Web) -> None:
    web.answers["/hook"] = Reply(410)
    put(cloud, delivery())
    put(cloud, delivery("msg_2", next_attempt_at=NOON + SECOND))
    assert go(WebhookRetry(), cloud, log).counts == {"given_up": 1}
    row = item(cloud, hook("https://x.example"))
    assert (row["active"], row["disabled_at"]) == (False, "2026-03-02T12:00:00.000Z")
    [notice] = all_of(cloud, "notifications")
    assert (notice["template"], notice["pk"]) == ("webhook_disabled", "u")
    assert notice["data"] == {"host": "127.0.0.1", "why": "it answered 410 Gone", "on": "2026-03-02"}
    assert "switched off on 2026-03-02, because it answered 410 Gone" in render(notice["template"], notice["data"]).text
    assert go(WebhookRetry(), cloud, log, NOON + minutes(1)).counts == {"given_up": 1}
    assert (len(web.asked), len(all_of(cloud, "notifications"))) == (1, 1)


@pytest.mark.parametrize("answer", [Reply(500), Reply(302), reset])
def test_an_endpoint_that_fails_for_five_days_is_disabled_and_its_user_told_once(
    answer: Any, cloud: Cloud, clock: VirtualClock, log: Lines, web: Web
) -> None:
    web.answers["/hook"] = answer
    row: dict[str, Any] = {}
    for day, active in ((0, True), (1, True), (4.99, True), (5, False), (6, False)):
        clock.instant = NOON + days(1) * day
        put(cloud, *(delivery(f"m{day}-{number}", next_attempt_at=clock.now()) for number in range(2)))
        go(WebhookRetry(), cloud, log, clock.now())
        row = item(cloud, hook("https://x.example"))
        assert (row["active"], row.get("failing_since")) == (active, "2026-03-02T12:00:00.000Z" if active else None)
        assert len(all_of(cloud, "notifications")) == (not active)
    clock.move(minutes=1)
    asked = len(web.asked)
    # Its owner switches it on: earlier failures do not count.
    put(cloud, Webhook.from_row({**row, "active": True}), delivery("again", next_attempt_at=clock.now()))
    go(WebhookRetry(), cloud, log, clock.now())
    row = item(cloud, hook("https://x.example"))
    assert (len(web.asked), row["active"], row["failing_since"]) == (asked + 1, True, clock_iso(clock.now()))
    assert len(all_of(cloud, "notifications")) == 1


def test_one_success_ends_a_series_of_failures(cloud: Cloud, clock: VirtualClock, log: Lines, web: Web) -> None:
    web.answers["/hook"] = [Reply(500), Reply(200), Reply(500)]
    for day in (0, 3, 6):
        clock.instant = NOON + days(day)
        put(cloud, delivery(f"m{day}", next_attempt_at=clock.now(), made=4))
        go(WebhookRetry(), cloud, log, clock.now())
    row = item(cloud, hook("https://x.example"))
    assert (row["active"], row["failing_since"]) == (True, clock_iso(NOON + days(6)))


def test_an_endpoint_that_changed_meanwhile_is_not_disabled(
    cloud: Cloud, clock: VirtualClock, log: Lines, web: Web
) -> None:
    def change(_: Handler, __: Request) -> Reply:
        put(cloud, hook(f"{web.url}/new"))
        return Reply(410)

    web.answers["/hook"] = change
    put(cloud, delivery())
    go(WebhookRetry(), cloud, log)
    row = item(cloud, hook("https://x.example"))
    assert (row["active"], row["url"]) == (True, f"{web.url}/new")
    assert all_of(cloud, "notifications") == []


@pytest.mark.parametrize(
    ("after", "due"),
    [
        ("3600", "2026-03-02T13:00"),
        ("Mon, 02 Mar 2026 14:00:00 GMT", "2026-03-02T14:00"),
        # Less than the row's own delay, longer than a day, and an invalid date.
        ("1", "2026-03-02T12:05"),
        ("864000", "2026-03-03T12:00"),
        ("Mon, 02 Mar 99999999999 14:00:00 GMT", "2026-03-02T12:05"),
    ],
)
def test_a_receiver_may_ask_for_more_time_up_to_a_day(after: str, due: str, cloud: Cloud, log: Lines, web: Web) -> None:
    web.answers["/hook"] = Reply(429, headers={"retry-after": after})
    put(cloud, delivery())
    assert go(WebhookRetry(), cloud, log).counts == {"again": 1}
    assert item(cloud, delivery())["next_attempt_at"] == f"{due}:00.000Z"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://169.254.169.254/latest/meta-data", "its host is an address that is not of the public internet"),
        ("https://[::ffff:10.0.0.1]/x", "its host is an address that is not of the public internet"),
        ("https://2130706433/abc", "the host is a number, and not an address in the common notation"),
        ("http://shop.com/hook", "the URL does not begin with https://"),
    ],
)
def test_a_webhook_that_leads_inside_is_refused_and_the_rest_goes_on(
    url: str, why: str, cloud: Cloud, log: Lines, web: Web
) -> None:
    web.answers["/hook"] = Reply(200)
    # A row of an earlier version, which did not check the URL.
    evil = hook("https://shop.com/hook", "evil").model_copy(update={"url": url})
    put(cloud, evil, delivery("bad", webhook="evil"), delivery("good"))
    assert go(WebhookRetry(), cloud, log).counts == {"given_up": 1, "settled": 1}
    assert item(cloud, delivery("bad"))["last_error"] == why


def test_a_redirect_is_no_answer_to_go_by(cloud: Cloud, log: Lines, web: Web) -> None:
    web.answers["/hook"] = Reply(307, headers={"location": f"{web.url}/inside"})
    put(cloud, delivery())
    assert go(WebhookRetry(), cloud, log).counts == {"again": 1}
    assert web.paths() == ["/hook"]


@pytest.mark.parametrize("missing", [{"active": False}, {"secrets": ("whsec_",)}, None])
def test_a_webhook_that_is_off_or_cannot_sign_or_is_gone_ends_its_deliveries(
    missing: dict[str, object] | None, cloud: Cloud, log: Lines, web: Web
) -> None:
    if missing:
        put(cloud, hook(f"{web.url}/hook", "odd"), **missing)
    put(cloud, delivery(webhook="odd"))
    assert go(WebhookRetry(), cloud, log).counts == {"given_up": 1}
    assert web.asked == []


def test_this_machine_is_never_called_in_production(
    cloud: Cloud, log: Lines, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cloud, delivery())
    stored = item(cloud, delivery())
    monkeypatch.setattr(Names, "production", True)
    report = go(WebhookRetry(), cloud, log)
    assert (report.outcome, web.asked) == ("failed", [])
    assert "WEBHOOK_LOOPBACK is true in production" in report.note
    assert item(cloud, delivery()) == stored


def test_in_production_the_world_outside_is_called_and_nothing_else(
    cloud: Cloud, log: Lines, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Names, "production", True)
    cloud.environment = {}
    put(cloud, delivery())
    assert go(WebhookRetry(), cloud, log).counts == {"given_up": 1}
    assert web.asked == []


@pytest.mark.parametrize("name", ["msg.1", "größe"])
def test_an_id_that_cannot_be_signed_is_the_same_digest_on_each_attempt(
    name: str, cloud: Cloud, clock: VirtualClock, log: Lines, web: Web
) -> None:
    web.answers["/hook"] = [Reply(500), Reply(200)]
    put(cloud, delivery(name))
    go(WebhookRetry(), cloud, log)
    clock.move(minutes=5)
    assert go(WebhookRetry(), cloud, log).counts == {"settled": 1}
    ids = {webhook.verify([SECRET], each.headers, each.body, clock.now()) for each in web.asked}
    assert ids == {sha256(name.encode()).hexdigest()}


def test_a_name_that_does_not_resolve_may_another_time(
    cloud: Cloud, log: Lines, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = socket.getaddrinfo

    def getaddrinfo(host: str, *rest: Any, **more: Any) -> Any:
        if host == "hooks.shop.com":
            raise socket.gaierror(-2, "Name or service not known")
        return asked(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    put(cloud, hook("https://hooks.shop.com/", "lost"), delivery(webhook="lost", status=503))
    assert go(WebhookRetry(), cloud, log).counts == {"again": 1}
    now = item(cloud, delivery())
    # The status is that of this attempt, not of the previous one.
    assert (now["status"], now["attempts"], now["next_attempt_at"]) == (0, 2, "2026-03-02T12:05:00.000Z")
    assert now["last_error"].startswith("the name does not resolve")


def test_a_resolver_that_does_not_answer_costs_no_attempt(
    cloud: Cloud, clock: VirtualClock, log: Lines, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = socket.getaddrinfo

    def getaddrinfo(host: str, *rest: Any, **more: Any) -> Any:
        if host == "hooks.shop.com":
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return found(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    put(cloud, hook("https://hooks.shop.com/", "away"), delivery(webhook="away", made=4))
    for _ in range(3):
        report = go(WebhookRetry(), cloud, log)
        assert (report.counts, report.ok) == ({"deferred": 1}, True)
        clock.move(minutes=5)
    assert (item(cloud, delivery())["attempts"], item(cloud, delivery())["state"]) == (4, "queued")
    clock.move(days=5)
    assert go(WebhookRetry(), cloud, log).counts == {"given_up": 1}


def test_a_crash_after_the_receiver_took_it_is_made_good_under_the_same_id(
    cloud: Cloud, clock: VirtualClock, log: Lines, web: Web
) -> None:
    web.answers["/hook"] = reset
    put(cloud, delivery())
    assert go(WebhookRetry(), cloud, log).counts == {"again": 1}
    web.answers["/hook"] = Reply(200)
    clock.move(minutes=5)
    assert go(WebhookRetry(), cloud, log).counts == {"settled": 1}
    assert [each.headers["webhook-id"] for each in web.asked] == ["msg_1", "msg_1"]


class Killed(BaseException):
    """The process was killed."""


def test_a_run_that_dies_before_it_could_note_a_yes_asks_again_under_the_same_id(
    cloud: Cloud, clock: VirtualClock, log: Lines, web: Web
) -> None:
    def die(**_: object) -> None:
        raise Killed

    web.answers["/hook"] = Reply(200)
    put(cloud, delivery())
    events = cloud.bulk.meta.events
    events.register("before-call.dynamodb.UpdateItem", die)
    with pytest.raises(Killed):
        go(WebhookRetry(), cloud, log)
    events.unregister("before-call.dynamodb.UpdateItem", die)
    assert item(cloud, delivery())["attempts"] == 1
    clock.move(minutes=15)
    assert go(WebhookRetry(), cloud, log).counts == {"settled": 1}
    assert [each.headers["webhook-id"] for each in web.asked] == ["msg_1", "msg_1"]
    assert (item(cloud, delivery())["attempts"], item(cloud, delivery())["state"]) == (2, "sent")


def test_a_receiver_that_says_nothing_is_waited_for_a_few_times_and_holds_up_no_other(
    cloud: Cloud, log: Lines, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.http.untrusted.TOTAL", 0.5)
    monkeypatch.setattr(
        "shared.http.untrusted.UntrustedHttpClient.__init__.__kwdefaults__",
        {"loopback": False, "connect": 1, "total": 0.5},
    )
    web.answers |= {"/hook": hang, "/good": Reply(200)}
    put(cloud, hook(f"{web.url}/good", "good"))
    put(cloud, *(delivery(f"dead{number}", next_attempt_at=NOON - SECOND) for number in range(20)))
    put(cloud, *(delivery(f"good{number}", webhook="good") for number in range(20)))
    began = time.monotonic()
    report = go(WebhookRetry(), cloud, log)
    asked = web.paths().count("/hook")
    assert report.ok
    assert report.counts == {"again": asked, "deferred": 20 - asked, "settled": 20}
    assert time.monotonic() - began < 10
    assert asked <= 7
    made = Counter(row["attempts"] for row in all_of(cloud, "deliveries") if row["sk"].startswith("dead"))
    assert made == {2: asked, 1: 20 - asked}


def test_deliveries_that_were_held_back_have_all_their_attempts_once_the_receiver_answers(
    cloud: Cloud, clock: VirtualClock, log: Lines, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six hang, ten wait behind them: those ten were never attempted."""
    monkeypatch.setattr("shared.http.untrusted.TOTAL", 0.2)
    web.answers["/hook"] = hang
    put(cloud, *(delivery(f"a{number}", made=4, next_attempt_at=NOON - SECOND) for number in range(6)))
    put(cloud, *(delivery(f"b{number}", made=4) for number in range(10)))
    go(WebhookRetry(), cloud, log)
    web.answers["/hook"] = Reply(200)
    clock.move(minutes=1)
    go(WebhookRetry(), cloud, log)
    ends = {row["sk"]: (row["state"], row["attempts"]) for row in all_of(cloud, "deliveries")}
    assert {ends[f"b{number}"] for number in range(10)} == {("sent", 5)}


def test_every_delivery_of_a_receiver_that_refuses_connections_gets_its_turn(
    cloud: Cloud, clock: VirtualClock, log: Lines, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    put(cloud, hook(f"http://127.0.0.1:{port}/", "off"))
    put(cloud, *(delivery(f"m{number:02d}", made=0, webhook="off") for number in range(40)))
    attempted: set[str] = set()
    for _ in range(20):
        before = {row["sk"]: row["attempts"] for row in all_of(cloud, "deliveries")}
        go(WebhookRetry(), cloud, log)
        after = {row["sk"]: row["attempts"] for row in all_of(cloud, "deliveries")}
        new = {name for name in after if after[name] > before[name]}
        assert 3 <= len(new) <= 8
        assert not new & attempted or len(attempted | new) == 40, "one is asked twice before all were asked once"
        attempted |= new
        clock.move(minutes=1)
    assert len(attempted) == 40
    assert {row["state"] for row in all_of(cloud, "deliveries")} == {"queued"}


def test_a_receiver_that_says_no_is_not_silent(
    cloud: Cloud, log: Lines, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.http.untrusted.TOTAL", 0.2)
    # In sequence.
    monkeypatch.setattr(WebhookRetry, "share", 1)
    turns = iter((hang, hang, Reply(500), hang, hang, Reply(200)))

    def turn(handler: Handler, request: Request) -> Reply | None:
        said = next(turns)
        return said if isinstance(said, Reply) else said(handler, request)

    web.answers["/hook"] = turn
    put(cloud, *(delivery(f"m{number}") for number in range(6)))
    assert go(WebhookRetry(), cloud, log).counts == {"again": 5, "settled": 1}
    assert len(web.asked) == 6


def test_a_signature_is_of_the_time_of_its_attempt(cloud: Cloud, clock: VirtualClock, log: Lines, web: Web) -> None:
    web.answers["/hook"] = [Reply(500), Reply(200)]
    put(cloud, delivery())
    go(WebhookRetry(), cloud, log)
    clock.move(minutes=5)
    go(WebhookRetry(), cloud, log)
    stamps = [datetime.fromtimestamp(int(each.headers["webhook-timestamp"]), UTC) for each in web.asked]
    assert stamps == [NOON, NOON + minutes(5)]
