"""Sums of days, weeks and billing cycles are exact, also with late and repeated events and crashes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from threading import Lock
from typing import Any

import pytest

from functions.mail.bandwidth_rollup import BandwidthRollup
from functions.mail.rollup_expiry import RollupExpiry
from shared import clock as clocks
from shared.admin import audit, reset_watermark
from shared.admin.reset_position import ResetRefused
from shared.archetypes.rollup import LATEST, week
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.product.records.mail import Cycle, MessageMetadata, Rollup
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from shared.store import table, watermark
from shared.store.add_once import Addition, add_once
from shared.tables import CYCLES, MESSAGES, ROLLUPS
from tests.conftest import NOON, Calls, Lines, VirtualClock
from tests.support.receiver import Death, Mortal, Receiver
from tests.support.stored_rows import one, put, there

Go = Callable[..., RunReport]
SETTLE = timedelta(minutes=10)
SECOND = timedelta(seconds=1)


@pytest.fixture
def go(cloud: Cloud, clock: VirtualClock, log: Lines) -> Go:
    def go(at: datetime | None = None, **rest: Any) -> RunReport:
        return run(BandwidthRollup(), Firing("bandwidth-rollup", at or clock.now(), **rest), cloud, log)

    return go


def message(number: int, user: str = "ada", size: int = 1, **rest: Any) -> MessageMetadata:
    recorded = rest.pop("recorded_at", NOON - timedelta(hours=1))
    received = rest.pop("received_at", recorded)
    return MessageMetadata(user=user, id=f"m{number}", bytes_used=size, received_at=received, recorded_at=recorded)


def cycle(user: str = "ada", begins: datetime = datetime(2026, 3, 1, tzinfo=UTC), quota: int = 1000) -> Cycle:
    ends = (begins + timedelta(days=32)).replace(day=1)
    return Cycle(user=user, id=f"{begins:%Y-%m-%d}", starts_at=begins, ends_at=ends, quota=quota)


def sums(cloud: Cloud) -> dict[tuple[str, str], tuple[int, int]]:
    return {(row["pk"], row["sk"]): (row["bytes_used"], row["messages"]) for row in there(cloud, ROLLUPS)}


def sums_of(cloud: Cloud, user: str) -> dict[str, tuple[int, int]]:
    return {sk: sum_ for (pk, sk), sum_ in sums(cloud).items() if pk == user}


def test_days_and_iso_weeks_are_summed_per_user(go: Go, cloud: Cloud) -> None:
    sunday = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)
    put(cloud, message(1, size=5), message(2, size=7), message(3, received_at=sunday, size=100))
    put(cloud, message(1, user="zoë", size=0))
    assert go().counts == {"rows": 4, "sums": 6}
    assert sums(cloud) == {
        ("ada", "day#2026-03-01"): (100, 1),
        ("ada", "day#2026-03-02"): (12, 2),
        ("ada", "week#2026-W09"): (100, 1),
        ("ada", "week#2026-W10"): (12, 2),
        ("zoë", "day#2026-03-02"): (0, 1),
        ("zoë", "week#2026-W10"): (0, 1),
    }
    began = {row["sk"]: row["from_at"][:10] for row in there(cloud, ROLLUPS)}
    assert (began["day#2026-03-01"], began["week#2026-W09"]) == ("2026-03-01", "2026-02-23")
    assert [Rollup.from_row(row).index_attributes() for row in there(cloud, ROLLUPS)] == [
        {"aged": row["aged"], "since": row["since"]} for row in there(cloud, ROLLUPS)
    ]


def test_the_first_days_of_a_year_count_for_the_week_that_iso_gives_them() -> None:
    assert [week(date(2027, 1, 3)), week(date(2027, 1, 4))] == ["week#2026-W53", "week#2027-W01"]


def test_dashboards_read_the_sums(go: Go, cloud: Cloud) -> None:
    put(cloud, *(message(n, size=n, received_at=NOON - timedelta(days=n)) for n in (1, 2, 9)), message(1, "bob"))
    go()
    assert _between(cloud, "ada", "day#2026-02-22", "day#2026-03-01") == [
        ("day#2026-02-28", 2, 1),
        ("day#2026-03-01", 1, 1),
    ]
    assert _between(cloud, "ada", "week#2026-W08", "week#2026-W09") == [
        ("week#2026-W08", 9, 1),
        ("week#2026-W09", 3, 2),
    ]


def _between(cloud: Cloud, user: str, first: str, last: str) -> list[tuple[str, int, int]]:
    """The sums of a user in one query, as a dashboard reads them."""
    values = {":user": user, ":first": first, ":last": last}
    rows = table.query(cloud, ROLLUPS, "pk = :user AND sk BETWEEN :first AND :last", values)
    return [(row["sk"], row["bytes_used"], row["messages"]) for row in rows]


def test_an_event_that_comes_late_is_added_to_its_old_day(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, message(1, received_at=datetime(2026, 1, 1, 12, tzinfo=UTC), size=5))
    go()
    clock.move(hours=1)
    put(cloud, message(2, received_at=datetime(2026, 1, 1, 13, tzinfo=UTC), size=6, recorded_at=clock.now() - SETTLE))
    assert go().counts == {"rows": 1, "sums": 2}
    assert sums(cloud) == {("ada", "day#2026-01-01"): (11, 2), ("ada", "week#2026-W01"): (11, 2)}


def test_a_row_counts_once_it_has_settled_and_not_a_second_before(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    for number, age in enumerate((SETTLE + SECOND, SETTLE, SETTLE - SECOND)):
        put(cloud, message(number, recorded_at=NOON - age))
    # The tick's time decides which rows have settled, even in a late run.
    assert go(NOON - SECOND).counts["rows"] == 1
    assert go().counts["rows"] == 1
    assert watermark.closed(cloud, "bandwidth-rollup") == NOON - SETTLE
    clock.move(minutes=1)
    assert go().counts["rows"] == 1
    assert sums(cloud)["ada", "day#2026-03-02"] == (3, 3)


def test_a_watermark_ahead_of_the_clock_is_reported_and_not_waited_for(
    go: Go, cloud: Cloud, clock: VirtualClock
) -> None:
    clock.move(days=365)
    assert go().ok
    clock.move(days=-365)
    put(cloud, message(1))
    report = go()
    assert (report.outcome, report.ok, report.counts) == ("done", False, {"rows": 0})
    assert "the watermark 2027-03-02T11:50:00.000Z is ahead of the clock" in report.note


def test_after_a_reset_of_the_watermark_no_row_is_missing(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, message(1))
    clock.move(days=365)
    assert go().ok
    clock.move(days=-365)
    # Recorded after the run under the wrong clock, of the same owner and day.
    put(cloud, message(2, recorded_at=NOON, size=5))
    clock.move(minutes=15)
    advice = "reset bandwidth-rollup --watermark TIME --dry-run --aws --stage test"
    assert advice in go().note
    to = NOON - timedelta(minutes=30)
    assert reset_watermark.preview(cloud, BandwidthRollup(), to).rows == 1
    done = reset_watermark.reset(cloud, BandwidthRollup(), to, "ada", "host-7 was a year ahead")
    clock.move(minutes=15)
    assert (done.was.upto[:4], done.to, done.rows) == ("2027", clocks.iso(to), 1)
    assert go().ok
    assert sums(cloud)["ada", "day#2026-03-02"] == (6, 2)
    before = sums(cloud)
    clock.move(minutes=15)
    assert go().ok
    assert sums(cloud) == before
    [entry] = audit.entries(cloud, 1)
    assert (entry["what"], entry["who"], entry["scope"]["rows"]) == ("reset watermark", "ada", 1)


def test_a_repeated_window_of_a_wrong_clock_is_added_once(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, message(1))
    end = clocks.iso(NOON + timedelta(days=365))
    addition = Addition("ada", "day#2026-03-02", {"bytes_used": 1, "messages": 1})
    assert add_once(cloud, ROLLUPS, addition, end)
    assert not add_once(cloud, ROLLUPS, addition, end)
    assert add_once(cloud, ROLLUPS, addition, clocks.iso(NOON))
    assert not add_once(cloud, ROLLUPS, addition, clocks.iso(NOON))


@pytest.mark.parametrize("ahead", [timedelta(minutes=11), timedelta(minutes=59), timedelta(days=365)])
def test_a_clock_ahead_by_more_than_the_settling_time_loses_no_row(
    go: Go, cloud: Cloud, clock: VirtualClock, ahead: timedelta
) -> None:
    put(cloud, message(1))
    clock.instant = NOON + ahead
    assert go().ok
    clock.instant = NOON
    put(cloud, message(2, recorded_at=NOON + timedelta(seconds=30), size=5))
    # Manual: the tick itself is superseded by the one of the wrong clock.
    report = go(manual=True, retried=False)
    assert (report.ok, "is ahead of the clock" in report.note) == (False, True)
    reset_watermark.reset(cloud, BandwidthRollup(), NOON - SETTLE, "ada", "a wrong clock")
    clock.move(days=1)
    assert go().ok
    assert sums(cloud)["ada", "day#2026-03-02"] == (6, 2)


def test_a_clock_ahead_by_the_settling_time_is_no_fault(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    clock.move(minutes=10)
    assert go().ok
    clock.move(minutes=-10)
    assert go(manual=True, retried=False).ok
    with pytest.raises(ResetRefused, match="is not ahead of the clock"):
        reset_watermark.preview(cloud, BandwidthRollup(), NOON - SETTLE)


def test_a_window_that_a_wrong_clock_pinned_is_reported_and_reset(
    go: Go, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cloud, message(1))
    clock.move(days=365)
    with monkeypatch.context() as patch:
        patch.setattr(watermark, "close", _ends_the_process)
        with pytest.raises(Death):
            go()
    clock.move(days=-365)
    pinned = watermark.read(cloud, "bandwidth-rollup")
    assert (pinned.upto, pinned.closing[:4]) == ("", "2027")
    report = go()
    assert (report.ok, f"the watermark {pinned.closing} is ahead of the clock" in report.note) == (False, True)
    assert watermark.read(cloud, "bandwidth-rollup") == pinned
    dry = RunContext(BandwidthRollup(), Firing("bandwidth-rollup", NOON), cloud, "dry", NOON, log=None, dry=True)  # type: ignore[arg-type]
    [line] = BandwidthRollup().plan(dry)
    assert "is ahead of the clock" in line
    put(cloud, message(2, recorded_at=NOON, size=5))
    done = reset_watermark.reset(cloud, BandwidthRollup(), NOON - SETTLE, "ada", "host-7 was a year ahead")
    assert done.was == pinned
    [entry] = audit.entries(cloud, 1)
    assert entry["scope"]["was"] == pinned.closing
    clock.move(minutes=15)
    assert go().ok
    assert sums(cloud)["ada", "day#2026-03-02"] == (6, 2)


def _ends_the_process(*_: Any) -> None:
    raise Death


def test_a_watermark_is_reset_only_if_it_is_ahead(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    with pytest.raises(ResetRefused, match="has no watermark"):
        reset_watermark.preview(cloud, BandwidthRollup(), NOON)
    put(cloud, message(1))
    go()
    with pytest.raises(ResetRefused, match="is not ahead of the clock; nothing was done"):
        reset_watermark.reset(cloud, BandwidthRollup(), NOON, "ada", "x")


def test_rows_are_not_counted_before_the_index_must_show_them(go: Go, cloud: Cloud) -> None:
    cloud.environment = {"BANDWIDTH_ROLLUP_SETTLE": "59s"}
    put(cloud, message(1))
    report = go()
    assert (report.outcome, "less than an index may lag" in report.note) == ("failed", True)
    assert watermark.closed(cloud, "bandwidth-rollup") is None


def test_no_tick_adds_anything_twice(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, message(1), message(2))
    go()
    before = there(cloud, ROLLUPS)
    for at in (NOON, NOON - timedelta(hours=3), NOON + timedelta(hours=5)):
        go(at, manual=True, retried=False)
    assert there(cloud, ROLLUPS) == before


def test_the_cycle_of_the_day_is_added_to_and_becomes_due(go: Go, cloud: Cloud) -> None:
    put(cloud, cycle(begins=datetime(2026, 2, 1, tzinfo=UTC)), cycle(), cycle("bob"))
    late, last = datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC)
    put(cloud, message(1, size=5), message(2, size=7, received_at=late), message(3, size=9, received_at=last))
    go()
    go(manual=True, retried=False)
    now = clocks.iso(NOON)
    used = {row["sk"]: (row["bytes_used"], row["moved_at"], row["due_at"]) for row in there(cloud, CYCLES, "ada")}
    assert used == {"2026-03-01": (5, now, now), "2026-02-01": (7, now, now)}
    assert Cycle.from_row(one(cloud, CYCLES, "ada", "2026-03-01")).waiting() == NOON
    assert "due" not in one(cloud, CYCLES, "bob", "2026-03-01")


@pytest.mark.parametrize(
    ("received", "counts"),
    [
        ("2026-01-31T23:59:59.999Z", False),
        ("2026-02-01T00:00:00.000Z", True),
        ("2026-02-28T23:59:59.999Z", True),
        ("2026-03-01T00:00:00.000Z", False),
    ],
)
def test_a_cycle_counts_from_its_first_day_to_the_one_before_it_ends(
    received: str, counts: bool, go: Go, cloud: Cloud
) -> None:
    put(cloud, cycle(begins=datetime(2026, 2, 1, tzinfo=UTC)), message(1, received_at=clocks.parse(received), size=5))
    go()
    assert one(cloud, CYCLES, "ada", "2026-02-01")["bytes_used"] == (5 if counts else 0)


def test_whoever_has_no_cycle_gets_none(go: Go, cloud: Cloud) -> None:
    put(cloud, message(1))
    go()
    assert there(cloud, CYCLES) == []


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"received_at": None}, "no timestamp"),
        ({"received_at": "2026-02-30T00:00:00.000Z"}, "no timestamp"),
        ({"received_at": "yesterday"}, "no timestamp"),
        ({"received_at": "2026-03-02T11:00:00.000+01:00"}, "no timestamp"),
        ({"since": "2026-02-31T11:00:00.000Z"}, "no timestamp"),
        ({"received_at": "2026-03-09T00:00:00.000Z"}, "after it was recorded"),
        ({"received_at": "2019-03-09T00:00:00.000Z"}, "2550 days before it was recorded"),
        ({"bytes_used": "many"}, "no count"),
        ({"bytes_used": -1}, "no count"),
        ({"bytes_used": 2**63}, "no count"),
        ({"bytes_used": 1.5}, "no count"),
        ({"bytes_used": True}, "no count"),
    ],
)
def test_a_row_that_cannot_be_counted_is_named_and_left_out(
    go: Go, cloud: Cloud, log: Lines, wrong: dict[str, Any], why: str
) -> None:
    put(cloud, message(2))
    row = {**message(1).item(), **wrong}
    cloud.dynamodb.put_item(TableName=cloud.names.table(MESSAGES.name), Item=attributes.row(row))
    assert go().counts == {"rows": 1, "faulty": 1, "sums": 2}
    [line] = log.said("bandwidth-rollup_faulty")
    assert why in line["error"]


@pytest.mark.parametrize(
    ("shift", "counts"),
    [
        (timedelta(days=-365) - SECOND, False),
        (timedelta(days=-365), True),
        (timedelta(hours=1), True),
        (timedelta(hours=1) + SECOND, False),
    ],
)
def test_a_row_counts_from_a_year_before_it_was_recorded_to_an_hour_after(
    shift: timedelta, counts: bool, go: Go, cloud: Cloud
) -> None:
    # Recorded at eleven: on the same day either way.
    put(cloud, message(1, recorded_at=NOON - timedelta(hours=1), received_at=NOON - timedelta(hours=1) + shift))
    assert go().counts == ({"rows": 1, "sums": 2} if counts else {"rows": 0, "faulty": 1})


def test_no_sum_is_purged_that_a_late_event_may_be_added_to() -> None:
    """A week ages from its Monday, and the rollup may be days behind."""
    assert RollupExpiry.keep >= LATEST + timedelta(days=7 + 21)


def test_a_window_of_too_many_rows_is_cut(go: Go, cloud: Cloud) -> None:
    cloud.environment = {"BANDWIDTH_ROLLUP_MAX_RUNS_PER_TICK": "7"}
    put(cloud, *(message(n, recorded_at=NOON - timedelta(minutes=11 + n)) for n in range(40)))
    assert go().counts["rows"] == 40
    assert sums(cloud)["ada", "day#2026-03-02"] == (40, 40)
    assert watermark.closed(cloud, "bandwidth-rollup") == NOON - SETTLE


def test_all_of_what_was_recorded_in_one_instant_counts_where_it_cannot_be_cut(go: Go, cloud: Cloud) -> None:
    """Rows of a loaded file can have the same time."""
    cloud.environment = {"BANDWIDTH_ROLLUP_MAX_RUNS_PER_TICK": "10"}
    put(cloud, *(message(number, recorded_at=NOON - timedelta(hours=1)) for number in range(25)))
    assert go().counts == {"rows": 25, "sums": 2}
    assert sums(cloud)["ada", "day#2026-03-02"] == (25, 25)


def test_a_window_that_was_pinned_is_cut_no_more(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    """A pinned end does not depend on the cap: with another end its sums would be refused, or added twice."""
    put(cloud, *(message(n, recorded_at=NOON - timedelta(minutes=11 + n)) for n in range(5)))
    watermark.pin(cloud, "bandwidth-rollup", watermark.Watermark(), clocks.iso(NOON - SETTLE))
    cloud.environment = {"BANDWIDTH_ROLLUP_MAX_RUNS_PER_TICK": "2"}
    assert go().counts == {"rows": 5, "sums": 2}


def test_a_run_that_finds_nothing_new_reads_each_shard_once(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, message(1))
    go()
    clock.move(hours=1)
    calls = Calls(cloud)
    go()
    # The mark is read and moved, beside the three calls of any run.
    assert Counter(calls.made) == {"dynamodb:Query": 17, "dynamodb:GetItem": 1, "dynamodb:UpdateItem": 1 + 3}


def test_a_crash_after_any_call_and_another_run_leave_the_same_sums(cloud: Cloud, log: Lines) -> None:
    """Each case has users of its own, hours later; its sums equal those of one complete run."""
    mortal = Mortal(cloud, Receiver())
    time = cloud.clock
    assert isinstance(time, VirtualClock)
    # The claim, the mark and the pages of the index come first: a crash among them is a crash before any write.
    expected, last, died = Counter[tuple[str, str]](), 17, True
    while died:
        last, died = last + 1, False
        assert last < 100, "a run makes no more calls than that"
        time.move(hours=2)
        mortal.until(0)
        users = [f"user-{last}-{n}" for n in range(2)]
        put(cloud, *(cycle(user) for user in users))
        put(cloud, *(message(n, user, n, recorded_at=time.now() - SETTLE) for n in (1, 2) for user in users))
        expected += {(user, "bytes"): 3 for user in users}
        mortal.until(last)
        try:
            run(BandwidthRollup(), Firing("bandwidth-rollup", time.now()), cloud, log)
        except Death:
            died = True
        mortal.until(0)
        # The next run finds more rows than the crashed one: it must not add them to the pinned window.
        time.move(minutes=30)
        put(cloud, *(message(9, user, 100, recorded_at=time.now() - SETTLE) for user in users))
        expected += {(user, "bytes"): 100 for user in users}
        run(BandwidthRollup(), Firing("bandwidth-rollup", time.now()), cloud, log)
    assert last > 30, "it makes some calls"
    found = Counter[tuple[str, str]]()
    for row in there(cloud, ROLLUPS):
        found[row["pk"], row["sk"].partition("#")[0]] += row["bytes_used"]
    for row in there(cloud, CYCLES):
        found[row["pk"], "cycle"] += row["bytes_used"]
    assert found == {(user, kind): size for (user, _), size in expected.items() for kind in ("day", "week", "cycle")}


def test_a_run_that_comes_back_late_adds_nothing(
    go: Go, cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is suspended between two of its writes while two others run."""
    # One owner at a time, so that it is suspended between the two.
    monkeypatch.setattr("shared.archetypes.rollup.WIDTH", 1)
    put(cloud, message(1, "ada"), message(1, "bob"))
    frozen, lock, firing = BandwidthRollup(), Lock(), Firing("bandwidth-rollup", clock.now())

    def stand_still(*_: Any) -> None:
        if lock.acquire(blocking=False):
            clock.move(hours=1)
            put(cloud, message(2, "ada", 10, recorded_at=clock.now() - SETTLE))
            assert go().outcome == "done"

    monkeypatch.setattr(frozen, "carry", stand_still)
    assert run(frozen, firing, cloud, log).outcome == "lost"
    assert sums(cloud)["ada", "day#2026-03-02"] == (11, 2)
    assert sums(cloud)["bob", "day#2026-03-02"] == (1, 1)


def test_a_dry_run_says_what_would_be_added_up_and_does_nothing(go: Go, cloud: Cloud, log: Lines) -> None:
    put(cloud, message(1), message(2))
    tick = RunContext(BandwidthRollup(), Firing("bandwidth-rollup", NOON), cloud, "dry", NOON, log, dry=True)
    [line] = BandwidthRollup().plan(tick)
    assert line == "add up 2 rows of 1 owners, recorded by 2026-03-02T11:50:00.000Z"
    assert not sums(cloud)
    assert watermark.closed(cloud, "bandwidth-rollup") is None


def test_a_dry_run_reads_every_window(go: Go, cloud: Cloud, log: Lines) -> None:
    cloud.environment = {"BANDWIDTH_ROLLUP_MAX_RUNS_PER_TICK": "4"}
    put(cloud, *(message(n, recorded_at=NOON - SETTLE - timedelta(hours=n)) for n in range(1, 20)))
    tick = RunContext(BandwidthRollup(), Firing("bandwidth-rollup", NOON), cloud, "dry", NOON, log, dry=True)
    assert BandwidthRollup().plan(tick) == ["add up 19 rows of 1 owners, recorded by 2026-03-02T11:50:00.000Z"]


def test_a_sum_that_is_no_number_is_named_and_what_it_missed_is_added_once_it_is_one(
    go: Go, cloud: Cloud, clock: VirtualClock
) -> None:
    put(cloud, message(1, size=5), message(2, user="zoë", size=7))
    place = {"pk": "ada", "sk": "day#2026-03-02"}
    cloud.dynamodb.put_item(
        TableName=cloud.names.table(ROLLUPS.name), Item=attributes.row({**place, "bytes_used": "much", "messages": 0})
    )
    for number in (3, 4):
        broken = go()
        assert (broken.outcome, broken.ok) == ("done", False)
        assert "ada: ValueError: day#2026-03-02 of ada in rollups cannot be added to" in broken.note
        # The others get their sums, and the cleanup behind the watermark goes on.
        assert watermark.closed(cloud, "bandwidth-rollup") == clock.now() - SETTLE
        put(cloud, message(number, size=100, recorded_at=clock.now()), message(number, "zoë", recorded_at=clock.now()))
        clock.move(minutes=30)
    assert go().counts["owners_failed"] == 1
    assert sums_of(cloud, "zoë") == {"day#2026-03-02": (9, 3), "week#2026-W10": (9, 3)}
    cloud.dynamodb.put_item(
        TableName=cloud.names.table(ROLLUPS.name), Item=attributes.row({**place, "bytes_used": 30, "messages": 1})
    )
    clock.move(minutes=30)
    assert go().ok
    assert sums_of(cloud, "ada") == {"day#2026-03-02": (235, 4), "week#2026-W10": (205, 3)}
    assert go().ok
    assert sums_of(cloud, "ada")["day#2026-03-02"] == (235, 4)
