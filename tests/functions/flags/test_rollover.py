"""Each period is archived once, also after missed ticks; dashboards read sums of archived days."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.flags import _archive, _dashboard, _periods
from functions.flags._counters import counters
from functions.flags._messages import UsageEvent, UsageIngestion
from functions.flags.period_rollover import PeriodRollover
from functions.flags.usage import Usage
from functions.flags.usage_aggregation import UsageAggregation
from shared.job.definition import Job
from shared.messages.tenant import Tenant
from shared.product import usage_sums
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.functions.flags.conftest import World

ME = Tenant("org_1")


def use(world: World, job: Usage, amount: int, at: datetime, feature: str = "exports") -> None:
    world.made += 1
    event = UsageEvent(feature=feature, amount=amount, at=at)
    assert world.deliver(job, UsageIngestion(organization_id=ME.id, batch_id=f"b{world.made}", events=(event,))) == []


def tick(world: World, job: Job) -> RunReport:
    return run(job, Firing(job.name, world.clock.now().replace(second=0, microsecond=0)), world.cloud, world.log)


def archived(world: World) -> dict[str, int]:
    return {
        f"{row['sk'].partition('#')[2]}#{name.removeprefix(_archive.UNITS)}": value
        for row in world.rows("meters")
        if row["pk"] == ME.key("periods")
        for name, value in row.items()
        if name.startswith(_archive.UNITS)
    }


@pytest.mark.parametrize(
    ("period", "end"),
    [
        ("2028-02-29", datetime(2028, 3, 1, tzinfo=UTC)),
        ("2027-02", datetime(2027, 3, 1, tzinfo=UTC)),
        ("2026-12", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-12-31T23", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_period_ends_where_the_next_begins(period: str, end: datetime) -> None:
    assert _periods.end(period) == end
    assert _periods.name(_periods.kind_of(period), end - timedelta(seconds=1)) == period


def test_an_hour_is_archived_after_the_tolerated_clock_skew(world: World) -> None:
    use(world, Usage(), 3, world.clock.now())
    world.clock.move(minutes=64)
    assert tick(world, PeriodRollover()).counts == {"months_open": 1}
    world.clock.move(minutes=1)
    assert tick(world, PeriodRollover()).counts == {"months_open": 1, "hours": 1}
    assert archived(world) == {"2026-03-02T12#exports": 3}
    # The day and the month continue; the next hour begins at zero.
    assert counters(world.get("meters", "org_1#month#2026-03")) == {
        "2026-03-02#exports": 3,
        "2026-03#exports": 3,
    }


def test_late_usage_is_added_to_its_archived_period(world: World) -> None:
    late = world.clock.now()
    use(world, Usage(), 3, late)
    world.clock.move(days=1, minutes=6)
    tick(world, PeriodRollover())
    use(world, Usage(), 4, late)
    world.clock.move(hours=1)
    tick(world, PeriodRollover())
    assert archived(world) == {"2026-03-02T12#exports": 7, "2026-03-02#exports": 7}


def test_a_crash_after_any_transaction_archives_no_period_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    use(world, Usage(), 5, world.clock.now())
    world.clock.move(days=40)
    real = world.cloud.dynamodb.transact_write_items

    def dies(**asked: Any) -> Any:
        real(**asked)
        raise OSError("gone")

    monkeypatch.setattr(world.cloud.dynamodb, "transact_write_items", dies)
    for _ in range(3):
        assert not tick(world, PeriodRollover()).ok
        world.clock.move(hours=1)
    monkeypatch.undo()
    tick(world, PeriodRollover())
    assert archived(world) == {"2026-03-02T12#exports": 5, "2026-03-02#exports": 5, "2026-03#exports": 5}


def test_usage_counted_while_a_period_is_archived_is_not_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    late, usage = world.clock.now(), Usage()
    use(world, usage, 1, late)
    world.clock.move(days=40)
    real, meanwhile = world.cloud.dynamodb.transact_write_items, iter(range(2))

    def contended(**asked: Any) -> Any:
        if next(meanwhile, None) is not None:
            use(world, usage, 10, late)
        return real(**asked)

    monkeypatch.setattr(world.cloud.dynamodb, "transact_write_items", contended)
    tick(world, PeriodRollover())
    tick(world, PeriodRollover())
    assert archived(world) == {"2026-03-02T12#exports": 21, "2026-03-02#exports": 21, "2026-03#exports": 21}


def test_over_a_leap_year_of_missed_ticks_every_period_is_archived_exactly_once(world: World) -> None:
    chance, usage, job = random.Random(4711), Usage(), PeriodRollover()
    world.clock.instant = datetime(2027, 12, 31, 22, 50, tzinfo=UTC)
    wanted = Counter[str]()
    boundaries = [datetime(2028, month, 1, tzinfo=UTC) for month in range(1, 13)] + [datetime(2028, 2, 29, tzinfo=UTC)]
    instants = [each + timedelta(minutes=minutes) for each in boundaries for minutes in (-1, 0)]
    instants += [datetime(2028, 12, 31, 23, 59, tzinfo=UTC)]
    for at in sorted(instants):
        while world.clock.now() < at - timedelta(days=1):
            # Ticks, with gaps of up to two weeks.
            world.clock.move(hours=chance.choice((6, 30, 200, 340)))
            tick(world, job)
        world.clock.instant = max(world.clock.now(), at)
        use(world, usage, 7, at)
        wanted.update({f"{_periods.name(kind, at)}#exports": 7 for kind in _periods.KINDS})
    world.clock.instant = datetime(2029, 2, 1, tzinfo=UTC)
    assert tick(world, job).outcome == "done"
    assert archived(world) == wanted
    assert archived(world)["2028-02-29#exports"] == 7 * 2
    # No period is open, and another run finds nothing.
    assert tick(world, job).counts == {}


def test_dashboards_read_the_sums_of_archived_days(world: World) -> None:
    usage, first = Usage(), world.clock.now()
    use(world, usage, 3, first)
    use(world, usage, 2, first, "imports")
    world.clock.move(days=1)
    use(world, usage, 9, world.clock.now())
    world.clock.move(hours=13)
    tick(world, PeriodRollover())
    assert tick(world, UsageAggregation()).counts == {"days": 2, "months": 1}
    shown = usage_sums.read(world.cloud, ME, "2026-03")
    assert shown["features"]["exports"] == {"total": 12, "peak": 9, "peak_day": "03"}
    assert shown["days"] == {"02": {"exports": 3, "imports": 2}, "03": {"exports": 9}}
    world.clock.move(hours=1)
    assert tick(world, UsageAggregation()).counts == {"days": 0, "months": 0}
    use(world, usage, 1, first)
    world.clock.move(hours=1)
    tick(world, PeriodRollover())
    tick(world, UsageAggregation())
    assert usage_sums.read(world.cloud, ME, "2026-03")["features"]["exports"]["total"] == 13


def test_notified_thresholds_are_removed_with_their_period(world: World) -> None:
    world.organization(limits={"exports": {"period": "hour", "amount": 10}})
    use(world, Usage(), 10, world.clock.now())
    told = [f"2026-03-02T12#exports#{percent}#approach#10" for percent in (60, 70, 80)]
    assert sorted(world.get("meters", "org_1#month#2026-03")["told"]) == [
        "2026-03-02T12#exports#100#exceeded#10",
        *told,
    ]
    world.clock.move(hours=2)
    use(world, Usage(), 6, world.clock.now())
    tick(world, PeriodRollover())
    assert [*world.get("meters", "org_1#month#2026-03")["told"]] == ["2026-03-02T14#exports#60#approach#10"]


def test_usage_counted_just_before_a_month_is_retired_is_archived_by_the_next_tick(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, usage = world.clock.now(), Usage()
    use(world, usage, 1, late)
    world.clock.move(days=40)
    with monkeypatch.context() as meanwhile:
        retire = _archive._retire

        def contended(*asked: Any) -> None:
            use(world, usage, 10, late)
            retire(*asked)

        meanwhile.setattr(_archive, "_retire", contended)
        tick(world, PeriodRollover())
    world.clock.move(hours=1)
    tick(world, PeriodRollover())
    assert archived(world) == {"2026-03-02T12#exports": 11, "2026-03-02#exports": 11, "2026-03#exports": 11}


def test_sums_of_a_delayed_run_replace_no_newer_ones(world: World) -> None:
    use(world, Usage(), 3, world.clock.now())
    world.clock.move(days=1, hours=1)
    tick(world, PeriodRollover())
    _dashboard.make(world.cloud, ME, "2026-03", "-")
    newer = usage_sums.read(world.cloud, ME, "2026-03")
    world.clock.move(hours=-2)
    _dashboard.make(world.cloud, ME, "2026-03", "-")
    assert usage_sums.read(world.cloud, ME, "2026-03") == newer
