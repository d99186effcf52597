"""Usage is counted exactly once, also for duplicates, after crashes and by two processes at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from functions.flags import _archive, _counters, _feature_rows, _usage_batch, usage
from functions.flags._messages import UsageEvent, UsageIngestion
from functions.flags.usage import Usage
from shared.messages.tenant import Tenant
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


def test_ten_messages_of_an_organization_are_one_write_and_one_of_counts(world: World) -> None:
    job = Usage()
    world.deliver(job, batch(0))
    calls = Calls(world.cloud)
    assert world.deliver(job, *(batch(number) for number in range(1, 11))) == []
    # The counters, then the counts of the batch.
    assert calls.made == ["dynamodb:TransactWriteItems", "dynamodb:UpdateItem"]
    assert counted(world)["2026-03-02T12#exports"] == 11
    assert counted(world)["2026-03-02#exports"] == counted(world)["2026-03#exports"] == 11


def test_a_message_costs_at_most_a_quarter_of_a_call_on_average(world: World) -> None:
    job = Usage()
    world.deliver(job, batch(0))
    calls = Calls(world.cloud)
    for start in range(1, 1001, 10):
        world.deliver(job, *(batch(number) for number in range(start, start + 10)))
    assert len(calls.made) <= 250
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
    job, real = Usage(), world.cloud.dynamodb.transact_write_items
    lost = iter([True])

    def write(**asked: Any) -> Any:
        answer = real(**asked)
        if next(lost, False):
            raise OSError("the answer was lost")
        return answer

    monkeypatch.setattr(world.cloud.dynamodb, "transact_write_items", write)
    world.deliver(job, batch(1), batch(2))
    assert counted(world)["2026-03#exports"] == 2
    again = world.sent("flagship:usage")
    assert len(again) == 2
    world.deliver(job, *again, attempt="2")
    assert counted(world)["2026-03#exports"] == 2


def test_a_failed_write_of_one_organization_retries_its_messages_and_no_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for org in ("org_2", "org_3"):
        world.organization(org)
    job, real = Usage(), world.cloud.dynamodb.transact_write_items

    def write(**asked: Any) -> Any:
        if "org_2#" in str(asked):
            raise OSError("its partition is not reached")
        return real(**asked)

    monkeypatch.setattr(world.cloud.dynamodb, "transact_write_items", write)
    world.deliver(job, *(batch(number, org=f"org_{number % 3 + 1}") for number in range(9)))
    again = world.sent("flagship:usage")
    assert [message["payload"]["batchId"] for message in again] == ["b1", "b4", "b7"]
    assert [counted(world, f"org_{org}")["2026-03#exports"] for org in (1, 2, 3)] == [3, 0, 3]
    monkeypatch.undo()
    world.deliver(job, *again, attempt="2")
    assert [counted(world, f"org_{org}")["2026-03#exports"] for org in (1, 2, 3)] == [3, 3, 3]


@pytest.mark.parametrize("hours", [-1, 1, 24, 24 * 31])
def test_a_batch_id_counts_once_whatever_it_contains_and_whenever_it_comes(hours: int, world: World) -> None:
    job = Usage()
    world.deliver(job, batch(1, amount=5, hours=2))
    world.clock.move(hours=max(hours, 0))
    world.deliver(job, batch(1, amount=5, hours=2 - hours), batch(2, amount=7, hours=2 - hours))
    # By a process with an empty cache, with other features.
    world.deliver(Usage(), batch(1, amount=3, feature="imports"))
    assert sum(units for name, units in counted(world).items() if len(name.partition("#")[0]) == 7) == 12
    assert [line["entityId"] for line in world.log.lines if line.get("message") == "usage_batch_changed"]


def wide(batch_id: str, features: int, amount: int = 1, hours: int = 1) -> UsageIngestion:
    return UsageIngestion(
        organization_id="org_1",
        batch_id=batch_id,
        events=tuple(
            UsageEvent(feature=f"f{number}".ljust(64, "x"), amount=amount, at=NOON - timedelta(hours=hour))
            for number in range(features)
            for hour in range(hours)
        ),
    )


@pytest.mark.parametrize(("features", "hours"), [(51, 1), (1, 60), (40, 2)])
def test_a_batch_with_more_counters_than_a_write_takes_is_counted_once(features: int, hours: int, world: World) -> None:
    sent = wide("b", features, hours=hours)
    for _ in range(2):
        assert world.deliver(Usage(), sent, batch(2)) == []
    assert letters(world.cloud, "firings-dlq") == []
    by_length = Counter[int]()
    for name, units in counted(world).items():
        by_length[len(name.partition("#")[0])] += units
    assert by_length == dict.fromkeys((7, 10, 13), features * hours + 1)


@pytest.mark.parametrize("dies", [1, 2, 3, 4])
def test_a_crash_between_the_writes_of_a_batch_counts_it_once(
    dies: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = world.cloud.dynamodb.transact_write_items, iter(range(1, dies))

    def write(**asked: Any) -> Any:
        if next(left, None) is None:
            raise OSError("crashed")
        return real(**asked)

    with monkeypatch.context() as crash:
        crash.setattr(world.cloud.dynamodb, "transact_write_items", write)
        world.deliver(Usage(), wide("b", 70))
    # What another batch of this id contains is not counted beside it.
    world.deliver(Usage(), wide("b", 70, amount=100))
    world.deliver(Usage(), wide("b", 70))
    world.deliver(Usage(), wide("b", 70))
    counts = counted(world)
    amount = 100 if dies == 1 else 1
    assert sum(units for name, units in counts.items() if name.startswith("2026-03#")) == 70 * amount


def test_no_row_outgrows_its_limit_with_many_features(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_feature_rows, "MAX_FEATURES", 2)
    for start in range(0, 60, 3):
        events = tuple(UsageEvent(feature=f"f{number}", amount=1, at=NOON) for number in range(start, start + 3))
        sent = UsageIngestion(organization_id="org_1", batch_id=f"b{start}", events=events)
        # By new processes, which have read no row.
        assert world.deliver(Usage(), sent) == []
    assert letters(world.cloud, "firings-dlq") == []
    assert sum(units for name, units in counted(world).items() if name.startswith("2026-03#")) == 60
    rows = [row for row in world.rows("meters") if "#month#" in row["pk"]]
    assert len(rows) > 12
    # A row that is not full takes the features of one write.
    assert max(len(row["features"]) for row in rows) <= 2 - 1 + 3


def test_a_full_row_is_far_below_the_limit_of_an_item() -> None:
    features = _feature_rows.MAX_FEATURES - 1 + _usage_batch.MAX_COUNTERS // 3
    name, number = 128 + len("2026-03-02T12#"), 8
    open_periods = features * (name + number) * 4
    dashboard = features * (128 + 40 + 31 * (128 + number))
    assert max(open_periods, dashboard) < 400_000 * 3 / 4


def test_periods_that_pile_up_are_archived_before_a_row_is_too_large(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(Usage(), batch(1, hours=5))
    real = world.cloud.dynamodb.transact_write_items

    def refused(**asked: Any) -> Any:
        # As DynamoDB answers for an item of more than 400 KB.
        row = world.get("meters", "org_1#month#2026-03")
        if any("#batch#" in str(each) for each in asked["TransactItems"]) and "2026-03-02T07#exports" in row:
            reasons = [{"Code": "None"}, {"Code": "ValidationError", "Message": "Item size to update has exceeded"}]
            answer: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
            raise world.cloud.dynamodb.exceptions.TransactionCanceledException(answer, "TransactWriteItems")
        return real(**asked)

    monkeypatch.setattr(world.cloud.dynamodb, "transact_write_items", refused)
    assert world.deliver(Usage(), batch(2)) == []
    assert counted(world)["2026-03#exports"] == 2
    assert world.get("meters", "org_1#periods", "hour#2026-03-02T07")["units#exports"] == 1


@pytest.mark.parametrize("period", ["hour", "day"])
@pytest.mark.parametrize("rolled", [True, False])
def test_late_usage_counts_towards_the_limit_of_its_period(period: str, rolled: bool, world: World) -> None:
    world.organization(limits={"exports": {"period": period, "amount": 100, "disableAt": 105}})
    world.deliver(Usage(), batch(1, amount=55))
    world.clock.move(days=1, hours=1)
    if rolled:
        for row in ("-",):
            _archive.close(world.cloud, Tenant("org_1"), "2026-03", row, world.clock.now())
    assert world.sent("flagship:auto-actions") == []
    world.sent("flagship:notifications")
    world.deliver(Usage(), batch(2, amount=55))
    percents = sorted(each["payload"]["data"]["percent"] for each in world.sent("flagship:notifications"))
    assert percents == [60, 70, 80, 100]
    assert len(world.sent("flagship:auto-actions")) == 1


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


def test_a_raised_limit_that_is_reached_is_notified_and_acted_on_again(world: World) -> None:
    limit = {"period": "month", "amount": 100, "disableAt": 105}
    world.organization(limits={"exports": limit})
    world.deliver(Usage(), batch(1, amount=105))
    assert len(world.sent("flagship:notifications")) == 4
    [first] = world.sent("flagship:auto-actions")
    world.organization(limits={"exports": {**limit, "amount": 1000}})
    world.clock.move(seconds=61)
    world.deliver(Usage(), batch(2, amount=400))
    assert (world.sent("flagship:notifications"), world.sent("flagship:auto-actions")) == ([], [])
    world.deliver(Usage(), batch(3, amount=545))
    told = [each["payload"]["data"] for each in world.sent("flagship:notifications")]
    assert [(each["percent"], each["limit"], each["used"]) for each in told] == [
        (percent, 1000, 1050) for percent in (60, 70, 80, 100)
    ]
    [second] = world.sent("flagship:auto-actions")
    assert first["payload"]["targetId"] == second["payload"]["targetId"] == "exports"
    assert first["payload"]["reason"] != second["payload"]["reason"]
    world.deliver(Usage(), batch(4))
    assert (world.sent("flagship:notifications"), world.sent("flagship:auto-actions")) == ([], [])


def test_a_crash_between_count_and_notification_loses_no_threshold(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.organization(limits=LIMITED)
    with monkeypatch.context() as crash:
        crash.setattr(Usage, "_notify", lambda *_: (_ for _ in ()).throw(OSError("crashed")))
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
    # The count, one read of its row, and the counts of the batch.
    assert calls.made == ["dynamodb:TransactWriteItems", "dynamodb:GetItem", "dynamodb:UpdateItem"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"limits": {"exports": {"period": "month", "amount": "lots"}}},
        {"limits": {"exports": {"period": "year", "amount": 10}}},
        {"limits": {"exports": {"amount": 10}}},
        {"limits": {"exports": 10}},
        {"limits": {"exports": {"period": "month", "amount": -1, "disableAt": "x"}}},
        {"limits": "none"},
        {"limits": LIMITED, "thresholds": ["a", -5, None]},
        {"limits": LIMITED, "thresholds": 60},
        {"limits": LIMITED, "policy": {"approach": "notify", "exceeded": None, "reached": 7}},
    ],
)
def test_an_invalid_limit_fails_no_message(wrong: dict[str, Any], world: World) -> None:
    world.organization(**wrong)
    assert world.deliver(Usage(), batch(1, amount=130)) == []
    assert letters(world.cloud, "firings-dlq") == []
    assert counted(world)["2026-03#exports"] == 130
    for sent in (*world.sent("flagship:notifications"), *world.sent("flagship:auto-actions")):
        assert sent["payload"]["organizationId"] == "org_1"


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
