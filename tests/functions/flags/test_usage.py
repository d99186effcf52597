"""Usage is counted exactly once, also for duplicates, after crashes and by two processes at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from functions.flags import _counters, usage
from functions.flags._messages import UsageEvent, UsageIngestion
from functions.flags.usage import Usage
from shared.product import organization
from tests.conftest import NOON, Calls, letters
from tests.functions.flags.conftest import World


def batch(number: int, amount: int = 1, org: str = "org_1", feature: str = "exports", hours: float = 0) -> Any:
    event = UsageEvent(feature=feature, amount=amount, at=NOON - timedelta(hours=hours))
    return UsageIngestion(organization_id=org, batch_id=f"b{number}", events=(event,))


def counted(world: World, org: str = "org_1") -> Counter[str]:
    """Return the usage of all months by `<period>#<feature>`."""
    found = Counter[str]()
    for row in world.rows("meters"):
        if row["pk"].startswith(f"{org}#month#"):
            found.update(_counters.counters(row))
    return found


def total(batches: Sequence[Any]) -> int:
    return sum(event.amount for each in {each.batch_id: each for each in batches}.values() for event in each.events)


def test_ten_messages_of_an_organization_are_one_write(world: World) -> None:
    job = Usage()
    world.deliver(job, batch(0))
    calls = Calls(world.cloud)
    assert world.deliver(job, *(batch(number) for number in range(1, 11))) == []
    assert calls.made == ["dynamodb:UpdateItem"]
    assert counted(world)["2026-03-02T12#exports"] == 11
    assert counted(world)["2026-03-02#exports"] == counted(world)["2026-03#exports"] == 11


def test_a_message_costs_at_most_a_fifth_of_a_call_on_average(world: World) -> None:
    job = Usage()
    world.deliver(job, batch(0))
    calls = Calls(world.cloud)
    for start in range(1, 1001, 10):
        world.deliver(job, *(batch(number) for number in range(start, start + 10)))
    assert len(calls.made) <= 200
    assert counted(world)["2026-03#exports"] == 1001


def test_a_batch_is_counted_once_in_any_number_and_combination_of_deliveries(world: World) -> None:
    job, batches = Usage(), [batch(number) for number in range(200)]
    for start in range(0, 200, 8):
        world.deliver(job, *batches[start : start + 8], *batches[: start // 4 : 7])
    # Also by a process with an empty cache.
    for start in range(0, 200, 10):
        assert world.deliver(Usage(), *batches[start : start + 10]) == []
    assert counted(world)["2026-03#exports"] == 200


def test_a_batch_over_the_end_of_a_month_is_counted_once_in_each_month(world: World) -> None:
    world.clock.instant = NOON.replace(day=1, hour=0, minute=1)
    events = tuple(
        UsageEvent(feature="exports", amount=amount, at=world.clock.now() - timedelta(minutes=minutes))
        for amount, minutes in ((1, 0), (10, 2))
    )
    both = UsageIngestion(organization_id="org_1", batch_id="b", events=events)
    world.deliver(Usage(), both, both)
    world.deliver(Usage(), both)
    assert counted(world) == {
        "2026-02-28T23#exports": 10,
        "2026-02-28#exports": 10,
        "2026-02#exports": 10,
        "2026-03-01T00#exports": 1,
        "2026-03-01#exports": 1,
        "2026-03#exports": 1,
    }


def test_each_organization_has_its_own_counters(world: World) -> None:
    world.organization("org_2")
    world.deliver(Usage(), batch(1), batch(1, org="org_2"), batch(2, org="org_3"))
    assert counted(world, "org_1")["2026-03#exports"] == counted(world, "org_2")["2026-03#exports"] == 1
    [letter] = letters(world.cloud, "firings-dlq")
    assert letter["dead"]["error"] == "Invalid organization org_3"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (batch(9, hours=-301 / 3600), "301 s in the future"),
        (batch(9, hours=61 * 24), "60 days ago"),
        ({"type": "usage-ingestion", "payload": {"orgId": "org_1", "batchId": "b", "events": []}}, "events"),
        ({"type": "usage-ingestion", "payload": {"orgId": "org_1", "batchId": 7, "events": [{}]}}, "batchId"),
        ({"type": "usage-ingestion", "payload": {"orgId": "org_1", "events": "many"}}, "events"),
    ],
)
def test_nine_valid_batches_are_counted_once_beside_an_invalid_one(bad: Any, reason: str, world: World) -> None:
    good = [batch(number) for number in range(9)]
    assert world.deliver(Usage(), *good[:4], bad, *good[4:]) == []
    assert counted(world)["2026-03#exports"] == 9
    assert world.sent("flagship:usage") == []
    [letter] = letters(world.cloud, "firings-dlq")
    assert reason in letter["dead"]["error"]


def test_a_write_whose_reply_was_lost_counts_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job, real = Usage(), world.cloud.dynamodb.update_item
    lost = iter([True])

    def write(**asked: Any) -> Any:
        answer = real(**asked)
        if "contains" in asked.get("ConditionExpression", "") and next(lost, False):
            raise OSError("the answer was lost")
        return answer

    monkeypatch.setattr(world.cloud.dynamodb, "update_item", write)
    world.deliver(job, batch(1), batch(2))
    assert counted(world)["2026-03#exports"] == 2
    again = world.sent("flagship:usage")
    assert len(again) == 2
    world.deliver(job, *again, attempt="2")
    assert counted(world)["2026-03#exports"] == 2


def test_a_process_with_an_old_cache_does_not_reset_the_number_of_chunks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_counters, "MAX_IDS", 3)
    real, batches, others = world.cloud.dynamodb.update_item, [batch(number) for number in range(30)], Usage()
    away = iter([True])

    def write(**asked: Any) -> Any:
        # It stops between the chunk and the row, while another process continues.
        if asked["UpdateExpression"].startswith("SET #number") and next(away, False):
            for start in range(3, 30, 3):
                world.deliver(others, *batches[start : start + 3])
        return real(**asked)

    monkeypatch.setattr(world.cloud.dynamodb, "update_item", write)
    world.deliver(Usage(), *batches[:3])
    for start in range(0, 30, 10):
        world.deliver(Usage(), *batches[start : start + 10])
    assert counted(world)["2026-03#exports"] == 30


LIMITED = {"exports": {"period": "month", "amount": 100, "disableAt": 120}}


def test_each_threshold_is_notified_once(world: World) -> None:
    world.organization(limits=LIMITED)
    job = Usage()
    for number in range(15):
        world.deliver(job, batch(number, amount=10), batch(number, amount=10))
    sent = [each["payload"] for each in world.sent("flagship:notifications")]
    # The write that reaches the threshold.
    assert [(each["type"], each["data"]["percent"], each["data"]["used"]) for each in sent] == [
        ("threshold_warning", 60, 60),
        ("threshold_warning", 70, 70),
        ("threshold_warning", 80, 80),
        ("limit_exceeded", 100, 100),
    ]
    [action] = world.sent("flagship:auto-actions")
    assert (action["payload"]["action"], action["payload"]["targetId"]) == ("disable_feature", "exports")


def test_a_crash_between_count_and_notification_loses_no_threshold(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.organization(limits=LIMITED)
    with monkeypatch.context() as crash:
        crash.setattr(usage, "_notify", lambda *_: (_ for _ in ()).throw(OSError("crashed")))
        world.deliver(Usage(), batch(1, amount=65))
    assert world.sent("flagship:notifications") == []
    [again] = world.sent("flagship:usage")
    world.deliver(Usage(), again)
    [told] = world.sent("flagship:notifications")
    assert told["payload"]["data"]["percent"] == 60


def test_a_crash_between_notification_and_its_mark_notifies_nothing_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.organization(limits=LIMITED)
    with monkeypatch.context() as crash:
        crash.setattr(usage, "_mark_notified", lambda *_: (_ for _ in ()).throw(OSError("crashed")))
        world.deliver(Usage(), batch(1, amount=65))
    [again] = world.sent("flagship:usage")
    world.deliver(Usage(), again)
    world.deliver(Usage(), batch(2))
    assert len(world.sent("flagship:notifications")) == 1


def test_notified_thresholds_cost_later_batches_nothing(world: World) -> None:
    world.organization(limits=LIMITED)
    job = Usage()
    world.deliver(job, batch(1, amount=65))
    calls = Calls(world.cloud)
    world.deliver(job, batch(2))
    assert calls.made == ["dynamodb:UpdateItem"]


def test_an_organization_has_its_own_thresholds_and_policy(world: World) -> None:
    world.organization(limits=LIMITED, thresholds=[50], policy={"approach": ["notify", "disable"], "reached": []})
    world.deliver(Usage(), batch(1, amount=500))
    [told] = world.sent("flagship:notifications")
    [action] = world.sent("flagship:auto-actions")
    assert (told["payload"]["data"]["percent"], action["payload"]["targetId"]) == (50, "exports")


def test_organizations_are_cached_for_a_minute(world: World) -> None:
    job = Usage()
    world.deliver(job, batch(1))
    world.organization(state="suspended")
    world.deliver(job, batch(2))
    world.clock.move(seconds=61)
    world.deliver(job, batch(3))
    assert counted(world)["2026-03#exports"] == 2
    assert timedelta(minutes=1) == organization.CACHE_AGE


def test_a_clock_that_is_five_minutes_ahead_is_tolerated(world: World) -> None:
    assert world.deliver(Usage(), batch(1, hours=-300 / 3600)) == []
    assert counted(world)["2026-03-02T12#exports"] == 1
