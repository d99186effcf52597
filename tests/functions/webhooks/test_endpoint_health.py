"""Health of endpoints whose calls overlap: no later success is forgotten, and no owner's change overwritten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.webhooks._endpoint_health import EndpointHealth
from functions.webhooks.webhook_delivery import WebhookDeliveryJob
from shared import tables
from shared.aws.cloud import Cloud
from shared.clock import iso
from shared.job import days, hours, minutes
from shared.product.webhook_event import DELIVER, WebhookDelivery
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.store import table
from tests.conftest import NOON, Lines, VirtualClock
from tests.functions.flags.conftest import World, opened
from tests.support.web_server import Handler, Reply, Request, Web

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://hooks.shop.com/"
SECOND = timedelta(seconds=1)


@pytest.fixture
def world(cloud: Cloud, clock: VirtualClock, log: Lines) -> World:
    made = opened(cloud, clock, log, (DELIVER,))
    made.cloud.environment = {"WEBHOOK_LOOPBACK": "true"}
    receiver(made)
    return made


def receiver(world: World, **more: Any) -> dict[str, Any]:
    row = {"pk": "org_1", "sk": "receiver#r1", "url": URL, "secrets": [SECRET], "active": True, **more}
    world.put("organizations", row)
    return row


def stored(world: World) -> dict[str, Any]:
    return world.get("organizations", "org_1", "receiver#r1")


def health(world: World) -> EndpointHealth:
    """The health of endpoints in a run of its own."""
    run = RunContext(WebhookDeliveryJob(), Firing("webhook-delivery", NOON), world.cloud, "run", NOON, world.log)
    return EndpointHealth(run, tables.ORGANIZATIONS, lambda *_: ())


def failed(world: World, at: datetime, row: dict[str, Any] | None = None) -> None:
    health(world).failed(row or stored(world), at, "it answered 500")


def succeeded(world: World, at: datetime, row: dict[str, Any] | None = None) -> None:
    health(world).succeeded(row or stored(world), at)


def test_a_failure_is_not_recorded_after_a_later_success(world: World) -> None:
    read = stored(world)
    succeeded(world, NOON + SECOND)
    failed(world, NOON, read)
    row = stored(world)
    assert "failing_since" not in row
    assert row["succeeded_at"] == iso(NOON + SECOND)


def test_a_success_is_recorded_although_a_failure_was_recorded_since_the_read(world: World) -> None:
    read = stored(world)
    failed(world, NOON)
    succeeded(world, NOON + SECOND, read)
    assert "failing_since" not in stored(world)


def test_a_success_leaves_a_later_failure(world: World) -> None:
    read = stored(world)
    failed(world, NOON + SECOND)
    succeeded(world, NOON, read)
    row = stored(world)
    assert row["failing_since"] == iso(NOON + SECOND)
    assert "succeeded_at" not in row


def test_a_success_is_recorded_once_an_hour(world: World) -> None:
    for minute in (0, 1, 59.9):
        succeeded(world, NOON + minutes(1) * minute)
        assert stored(world)["succeeded_at"] == iso(NOON)
    succeeded(world, NOON + hours(1))
    assert stored(world)["succeeded_at"] == iso(NOON + hours(1))


def test_a_success_that_is_not_recorded_counts_nevertheless(world: World) -> None:
    succeeded(world, NOON)
    # Fails at 30 minutes, and the process is frozen; the success after it is not recorded.
    read = stored(world)
    succeeded(world, NOON + minutes(40))
    failed(world, NOON + minutes(30), read)
    failed(world, NOON + minutes(40) + days(5) - SECOND)
    failed(world, NOON + minutes(40) + days(5))
    row = stored(world)
    assert (row["active"], row["failing_since"]) == (True, iso(NOON + minutes(40) + days(5) - SECOND))


def test_failures_count_an_hour_after_a_recorded_success(world: World) -> None:
    succeeded(world, NOON)
    failed(world, NOON + hours(1) - SECOND)
    assert "failing_since" not in stored(world)
    failed(world, NOON + hours(1))
    assert stored(world)["failing_since"] == iso(NOON + hours(1))


def test_one_run_records_each_change_of_an_endpoint(world: World) -> None:
    row, one = stored(world), health(world)
    one.failed(row, NOON, "it answered 500")
    assert stored(world)["failing_since"] == iso(NOON)
    one.succeeded(row, NOON + SECOND)
    assert "failing_since" not in stored(world)
    one.failed(row, NOON + hours(1) + SECOND, "it answered 500")
    assert stored(world)["failing_since"] == iso(NOON + hours(1) + SECOND)


def test_one_run_writes_once_for_each_change(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    row, one, written = stored(world), health(world), list[str]()
    update = table.update_if

    def recorded(*args: Any, **more: Any) -> bool:
        written.append(args[3])
        return update(*args, **more)

    monkeypatch.setattr(table, "update_if", recorded)
    for second in range(3):
        one.failed(row, NOON + second * SECOND, "it answered 500")
    for second in range(3, 6):
        one.succeeded(row, NOON + second * SECOND)
    assert written == ["SET failing_since = :at", "SET succeeded_at = :at REMOVE failing_since"]


def test_a_success_in_the_future_does_not_hide_failures(world: World) -> None:
    succeeded(world, NOON + days(365))
    failed(world, NOON)
    assert stored(world)["failing_since"] == iso(NOON)
    failed(world, NOON + days(5))
    assert stored(world)["active"] is False


def test_a_success_overwrites_a_success_in_the_future(world: World) -> None:
    succeeded(world, NOON + days(365))
    succeeded(world, NOON)
    assert stored(world)["succeeded_at"] == iso(NOON)


def test_a_failure_overwrites_a_failure_in_the_future(world: World) -> None:
    failed(world, NOON + days(365))
    failed(world, NOON)
    assert stored(world)["failing_since"] == iso(NOON)


def test_a_success_removes_a_failure_in_the_future(world: World) -> None:
    failed(world, NOON + days(365))
    succeeded(world, NOON)
    assert "failing_since" not in stored(world)


def test_a_call_of_a_clock_that_is_less_than_an_hour_ahead_counts(world: World) -> None:
    failed(world, NOON + hours(1))
    failed(world, NOON)
    assert stored(world)["failing_since"] == iso(NOON + hours(1))


def test_an_endpoint_that_is_active_again_starts_anew_without_the_date_of_its_end(world: World) -> None:
    failed(world, NOON)
    failed(world, NOON + days(5))
    row = {name: value for name, value in stored(world).items() if name not in {"disabled_at", "disabled_why"}}
    world.put("organizations", {**row, "active": True})
    failed(world, NOON + days(6))
    assert (stored(world)["active"], stored(world)["failing_since"]) == (True, iso(NOON + days(6)))


@pytest.mark.parametrize("since", ["failing_since", "succeeded_at", "disabled_at"])
def test_an_endpoint_is_not_disabled_that_was_called_or_disabled_since_the_read(since: str, world: World) -> None:
    read = stored(world)
    receiver(world, **{since: iso(NOON)})
    health(world).disable(read, NOON, "it answered 410 Gone")
    assert stored(world)["active"] is True


@pytest.mark.parametrize("change", [{"url": f"{URL}new"}, {"active": False}])
def test_results_of_an_endpoint_that_its_owner_changed_are_dropped(change: dict[str, Any], world: World) -> None:
    read = stored(world)
    row = receiver(world, **change)
    failed(world, NOON, read)
    succeeded(world, NOON, read)
    assert stored(world) == row


@pytest.fixture
def site(world: World) -> Iterator[Web]:
    with Web() as web:
        receiver(world, url=f"{web.url}/hook")
        yield web


def event(name: str) -> WebhookDelivery:
    return WebhookDelivery(
        organization_id="org_1", correlation_id="c", receiver_id="r1", event_id=name, event="limit_exceeded", body="{}"
    )


def test_a_delivery_that_fails_while_another_one_succeeds_leaves_a_healthy_endpoint(world: World, site: Web) -> None:
    def overtaken(_: Handler, __: Request) -> Reply:
        site.answers["/hook"] = Reply(204)
        world.clock.move(seconds=1)
        world.deliver(WebhookDeliveryJob(), event("e2"))
        return Reply(500)

    site.answers["/hook"] = overtaken
    world.deliver(WebhookDeliveryJob(), event("e1"))
    assert len(site.asked) == 2
    assert "failing_since" not in stored(world)


def test_a_repeated_message_has_the_time_of_its_delivery(world: World, site: Web) -> None:
    site.answers["/hook"] = Reply(204)
    row = stored(world)
    world.deliver(WebhookDeliveryJob(), event("e1"))
    # The process ended before it recorded the success, and the message arrives again.
    world.put("organizations", {**row, "failing_since": iso(NOON + hours(2))})
    world.clock.move(hours=3)
    world.deliver(WebhookDeliveryJob(), event("e1"))
    assert len(site.asked) == 1
    assert stored(world)["failing_since"] == iso(NOON + hours(2))
