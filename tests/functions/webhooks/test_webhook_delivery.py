"""Webhooks of organizations: five attempts with one key, none early, and none after a permanent failure."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from functions.webhooks.webhook_delivery import WebhookDeliveryJob
from shared.aws.cloud import Cloud
from shared.aws.names import Names
from shared.http import webhook
from shared.product.webhook_event import DELIVER, WebhookDelivery
from tests.conftest import Lines, VirtualClock, letters
from tests.functions.flags.conftest import World, opened
from tests.support.web_server import Reply, Web

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def world(cloud: Cloud, clock: VirtualClock, log: Lines) -> World:
    made = opened(cloud, clock, log, (DELIVER,))
    made.cloud.environment = {"WEBHOOK_LOOPBACK": "true"}
    return made


@pytest.fixture
def site(world: World) -> Iterator[Web]:
    with Web() as web:
        receiver(world, f"{web.url}/hook")
        yield web


def receiver(world: World, url: str, **more: Any) -> None:
    world.put("organizations", {"pk": "org_1", "sk": "receiver#r1", "url": url, "secrets": [SECRET], **more})


def told(event: str = "e1") -> WebhookDelivery:
    return WebhookDelivery(
        organization_id="org_1", correlation_id="c", receiver_id="r1", event_id=event, event="limit_exceeded", body="{}"
    )


def attempts(world: World, most: int = 9) -> list[int]:
    """Deliver the message until it is not sent again; returns the delays."""
    waits: list[int] = []

    def keep(params: Any, **_: Any) -> None:
        if params["QueueUrl"] == world.cloud.names.queue_url(DELIVER):
            waits.append(params["DelaySeconds"])

    world.cloud.sqs.meta.events.register("before-parameter-build.sqs.SendMessage", keep)
    body: Any = told()
    for attempt in range(1, most):
        assert world.deliver(WebhookDeliveryJob(), body, attempt=str(attempt)) == []
        again = world.sent(DELIVER)
        if not again:
            break
        [body] = again
        world.clock.move(seconds=waits[-1])
    return waits


def test_a_receiver_that_is_down_is_tried_five_times_under_one_key(world: World, site: Web) -> None:
    site.answers["/hook"] = Reply(503)
    waits = attempts(world)
    # Delays are minimums, with up to 10 % jitter.
    assert all(least <= wait <= 1.1 * least for wait, least in zip(waits, (30, 60, 120, 240), strict=True))
    keys = {(each.headers["idempotency-key"], each.headers["webhook-id"]) for each in site.asked}
    assert (len(site.asked), len(keys)) == (5, 1)
    [letter] = letters(world.cloud, "firings-dlq")
    assert letter["dead"]["reason"] == "all 5 attempts used up"
    assert "answered 503" in letter["dead"]["error"]


def test_what_was_taken_is_sent_once_however_often_it_comes(world: World, site: Web) -> None:
    site.answers["/hook"] = [Reply(500), Reply(204)]
    assert len(attempts(world)) == 1
    world.deliver(WebhookDeliveryJob(), told(), told())
    assert len(site.asked) == 2
    [signed] = {webhook.verify([SECRET], each.headers, each.body, world.clock.now()) for each in site.asked[1:]}
    assert signed == site.asked[0].headers["webhook-id"]


def test_a_receiver_that_asks_for_time_has_had_an_attempt_and_the_next_comes_no_sooner(world: World, site: Web) -> None:
    site.answers["/hook"] = [Reply(429, "", {"retry-after": "600"})] * 2 + [Reply(429, "", {"retry-after": "7200"})]
    waits = attempts(world)
    assert waits[:2] == [600, 600]
    # Longer than the maximum for Retry-After: the retry policy decides.
    assert waits[2] < 140
    assert len(site.asked) == 5
    assert len(letters(world.cloud, "firings-dlq")) == 1


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"active": False}, "deleted or switched off"),
        ({"secrets": []}, "cannot be signed"),
        ({"url": "https://10.0.0.1/hook"}, "not of the public internet"),
        ({"url": "http://far.example/"}, "does not begin with https://"),
    ],
)
def test_what_can_never_be_delivered_is_a_dead_letter_at_once(
    more: dict[str, Any], reason: str, world: World, site: Web
) -> None:
    receiver(world, **{"url": f"{site.url}/hook", **more})
    assert attempts(world) == []
    assert site.asked == []
    [letter] = letters(world.cloud, "firings-dlq")
    assert reason in letter["dead"]["error"]


def test_a_receiver_that_is_gone_for_good_is_asked_once(world: World, site: Web) -> None:
    site.answers["/hook"] = Reply(410)
    assert attempts(world) == []
    assert len(site.asked) == 1
    assert "answered 410 Gone" in letters(world.cloud, "firings-dlq")[0]["dead"]["error"]


def test_a_resolver_that_does_not_answer_costs_no_attempt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    receiver(world, "https://hooks.shop.com/")
    monkeypatch.setattr("shared.http.ssrf.socket.getaddrinfo", getaddrinfo)
    assert world.deliver(WebhookDeliveryJob(), told(), attempt="5") == []
    assert len(world.sent(DELIVER)) == 1
    assert letters(world.cloud, "firings-dlq") == []
    [line] = world.log.said("webhook-delivery_message_put_off")
    assert line["note"] == "deferred for 300 s"


@pytest.mark.parametrize(
    "environment",
    [{"WEBHOOK_LOOPBACK": "perhaps"}, {"WEBHOOK_DELIVERY_MAX_RUNS_PER_TICK": "many"}],
)
def test_an_invalid_setting_costs_no_attempt(environment: dict[str, str], world: World, site: Web) -> None:
    site.answers["/hook"] = Reply(204)
    world.cloud.environment = {**world.cloud.environment, **environment}
    body: Any = told()
    for _ in range(8):
        assert world.deliver(WebhookDeliveryJob(), body, attempt="5") == []
        [body] = world.sent(DELIVER)
        assert world.log.said("webhook-delivery_complete")[-1]["result"] == {"handled": 0, "failed": 1}
        world.clock.move(hours=5)
    assert letters(world.cloud, "firings-dlq") == []
    assert len(world.log.said("webhook-delivery_message_put_off")) == 8
    world.cloud.environment = {"WEBHOOK_LOOPBACK": "true"}
    assert world.deliver(WebhookDeliveryJob(), body, attempt="5") == []
    assert len(site.asked) == 1


def test_this_machine_in_production_is_our_own_failure(
    world: World, site: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Names, "production", True)
    assert world.deliver(WebhookDeliveryJob(), told(), attempt="5") == []
    assert len(world.sent(DELIVER)) == 1
    assert (site.asked, letters(world.cloud, "firings-dlq")) == ([], [])


def test_a_receiver_that_is_gone_is_disabled(world: World, site: Web) -> None:
    site.answers["/hook"] = Reply(410)
    assert world.deliver(WebhookDeliveryJob(), told()) == []
    row = world.get("organizations", "org_1", "receiver#r1")
    assert (row["active"], row["disabled_why"]) == (False, "it answered 410 Gone")


def test_a_receiver_that_fails_for_five_days_is_disabled(world: World, site: Web) -> None:
    site.answers["/hook"] = Reply(500)
    for day in (0, 3, 2):
        world.clock.move(days=day)
        assert world.deliver(WebhookDeliveryJob(), told(f"e{day}")) == []
    assert world.get("organizations", "org_1", "receiver#r1")["active"] is False
