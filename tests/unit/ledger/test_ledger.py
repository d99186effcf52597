"""The outcome of a tick follows from history rows, from the claim item, and from the absence of a row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared import clock as clocks
from shared.aws.cloud import Cloud
from shared.job import outcome, retention
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.manifest import Entry
from shared.job.outcome import Done, Outcome
from shared.ledger import ledger
from shared.ledger.ledger import TickOutcome, TickRecord
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.run import run
from tests.conftest import NOON, Calls, Lines, VirtualClock

ENTRY = Entry(
    id="sweep",
    group="demo",
    key="sweep",
    queue=None,
    schedules=["*/15 * * * *"],
    kind="explicit",
    delays=[30, 60],
    timeout=60,
    lease_per_target=True,
    shards=1,
    collector=False,
    budgeted=False,
    retention="standard",
    grace=None,
    catch_up="none",
    effects=False,
    heartbeat="HC_SWEEP_URL",
    targets=[],
    named_targets=False,
)
POSITION = "2026-03-02T12:00Z#00"


class Sweep(Job):
    """Sweep due rows."""

    name = "sweep"
    timeout = 60
    shards = 2
    idempotency = natural("a swept row is not found again")

    def work(self, run: RunContext) -> Outcome:
        return Done()


def row(word: str = "done", after: float = 1, **more: Any) -> dict[str, Any]:
    started = clocks.iso(NOON + timedelta(seconds=after))
    return {"tick": POSITION, "target": "-", "attempt": 1, "outcome": word, "started": started, **more}


def outcome_of(*rows: dict[str, Any], entry: Entry = ENTRY) -> TickOutcome | None:
    record = ledger.from_runs(rows, entry).get(NOON)
    return record.outcome if record else None


def absent(item: dict[str, Any], age: timedelta = timedelta(minutes=10), entry: Entry = ENTRY) -> TickOutcome:
    return ledger.judge(entry, [NOON], {}, item, NOON + age)[NOON].outcome


def with_(**changes: Any) -> Entry:
    return {**ENTRY, **changes}  # type: ignore[typeddict-item]


def test_ticks_are_expected_from_the_start_of_a_period_until_before_its_end() -> None:
    ticks = ledger.expected_ticks(ENTRY, NOON, NOON + timedelta(minutes=30))
    assert ticks == [NOON, NOON + timedelta(minutes=15)]


def test_two_schedules_that_fire_in_one_minute_make_one_tick() -> None:
    both = with_(schedules=["*/30 * * * *", "0,10 * * * *"])
    assert [tick.minute for tick in ledger.expected_ticks(both, NOON, NOON + timedelta(hours=1))] == [0, 10, 30]


def test_a_schedule_with_a_time_zone_is_expected_at_its_local_time() -> None:
    vienna = with_(schedules=["0 13 * * * Europe/Vienna"])
    assert ledger.expected_ticks(vienna, NOON - timedelta(days=1), NOON + timedelta(minutes=1))[-1] == NOON


@pytest.mark.parametrize("word", outcome.WORDS)
def test_every_outcome_of_a_run_maps_to_an_outcome_of_its_tick(word: str) -> None:
    assert outcome_of(row(word)) not in (None, TickOutcome.UNKNOWN)


def test_an_outcome_of_another_version_is_unknown() -> None:
    assert outcome_of(row("teleported")) is TickOutcome.UNKNOWN


@pytest.mark.parametrize(
    ("after", "attempt", "grace", "expected"),
    [
        (60, 1, None, TickOutcome.RAN),
        (61, 1, None, TickOutcome.LATE),
        (600, 1, 600, TickOutcome.RAN),
        # A second attempt starts after the first one's timeout and its delay, at most, with jitter.
        (60 + 60 + 33, 2, None, TickOutcome.RAN),
        (60 + 60 + 34, 2, None, TickOutcome.LATE),
    ],
)
def test_a_run_is_late_if_it_starts_more_than_a_minute_or_its_grace_after_its_tick(
    after: int, attempt: int, grace: int | None, expected: TickOutcome
) -> None:
    assert outcome_of(row(after=after, attempt=attempt), entry=with_(grace=grace)) is expected


def test_a_tick_delivered_after_its_grace_is_too_late() -> None:
    assert outcome_of(row("late", after=700), entry=with_(grace=600)) is TickOutcome.TOO_LATE


@pytest.mark.parametrize(
    ("words", "best"),
    [
        (("failed", "done"), TickOutcome.RAN),
        (("superseded", "done"), TickOutcome.RAN),
        (("lost", "failed"), TickOutcome.FAILED),
        (("paused", "locked"), TickOutcome.LOCKED),
        (("snoozed", "lost"), TickOutcome.LOST),
    ],
)
def test_the_best_of_several_rows_counts_in_any_order(words: tuple[str, str], best: TickOutcome) -> None:
    assert outcome_of(row(words[0]), row(words[1])) is best
    assert outcome_of(row(words[1]), row(words[0])) is best


@pytest.mark.parametrize(
    "other", [{"target": "3"}, {"tick": "2026-03-02T12:00Z#01"}, {"tick": "manual"}, {"tick": "ab12"}]
)
def test_shards_continuations_and_manual_runs_do_not_count_for_a_tick(other: dict[str, str]) -> None:
    assert outcome_of({**row("failed"), **other}) is None


def test_a_second_delivery_is_counted_on_the_row_of_the_first() -> None:
    assert ledger.from_runs([row(duplicates=2)], ENTRY)[NOON] == TickRecord(TickOutcome.RAN, duplicated=True)


def test_a_tick_delivered_again_is_deduplicated_while_its_first_run_has_no_row(cloud: Cloud, log: Lines) -> None:
    inner: list[str] = []

    class DeliveredAgain(Sweep):
        """A job whose tick is delivered again while it runs."""

        name = "sweep"

        shards = 1

        def work(self, context: RunContext) -> Outcome:
            inner.append(run(DeliveredAgain(), context.firing, cloud, log).outcome)
            [stub] = ledger.read_runs(cloud, "sweep", NOON - ledger.CLOCK_SKEW, NOON + timedelta(minutes=5))
            assert outcome_of(stub) is TickOutcome.DEDUPLICATED
            return Done()

    report = run(DeliveredAgain(), Firing("sweep", NOON), cloud, log)
    assert report.outcome == "done", report.note
    assert inner == ["deduplicated"]
    [finished] = ledger.read_runs(cloud, "sweep", NOON - ledger.CLOCK_SKEW, NOON + timedelta(minutes=5))
    assert outcome_of(finished) is TickOutcome.RAN


def test_a_tick_without_a_row_was_missed() -> None:
    assert absent({}) is TickOutcome.MISSED


def test_a_tick_is_awaited_for_the_settling_time_before_it_is_missed() -> None:
    assert absent({}, age=ledger.SETTLING_TIME - timedelta(seconds=1)) is TickOutcome.AWAITED
    assert absent({}, age=ledger.SETTLING_TIME) is TickOutcome.MISSED


def test_a_running_tick_was_not_missed() -> None:
    assert absent({"holder": "a", "last_attempt": f"{POSITION}#01#01"}) is TickOutcome.RUNNING


def test_a_run_interrupted_before_it_wrote_its_row_was_not_missed() -> None:
    assert absent({"last_attempt": f"{POSITION}#01#01", "last": POSITION}) is TickOutcome.RAN
    assert absent({"last_attempt": f"{POSITION}#01#01"}) is TickOutcome.LOST


def test_a_tick_whose_row_would_have_expired_is_unknown_only_if_a_later_tick_was_claimed() -> None:
    age, later = timedelta(days=1) + retention.RESERVE, {"last": "2026-03-08T11:45Z#00"}
    assert absent(later, age=age) is TickOutcome.UNKNOWN
    assert absent(later, age=age - timedelta(seconds=1)) is TickOutcome.MISSED
    assert absent({"last": "2026-03-02T11:45Z#00"}, age=age) is TickOutcome.MISSED
    high_volume = timedelta(hours=1) + retention.RESERVE
    assert absent(later, age=high_volume, entry=with_(retention="high-volume")) is TickOutcome.UNKNOWN


def test_a_missed_tick_of_a_high_volume_job_is_still_known_after_an_outage_of_a_day() -> None:
    later, entry = {"last": "2026-03-08T11:45Z#00"}, with_(retention="high-volume")
    assert absent(later, age=timedelta(hours=25), entry=entry) is TickOutcome.MISSED


def test_a_gap_row_stands_for_all_its_ticks() -> None:
    gap = {"outcome": "missed", "from": "2026-03-02T12:00Z", "to": "2026-03-02T12:45Z"}
    assert [tick.minute for tick in ledger.from_gaps([gap, row()], ENTRY)] == [0, 15, 30, 45]


def test_history_is_read_with_one_query_per_day_and_only_the_runs_started_in_the_period(
    cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    midnight = datetime(2026, 3, 3, tzinfo=UTC)
    for minutes in (-2, -1, 0, 1):
        clock.instant = midnight + timedelta(minutes=minutes)
        run(Sweep(), replace(Firing("sweep", clock.instant), target="0"), cloud, log)
    calls = Calls(cloud)
    rows = ledger.read_runs(cloud, "sweep", midnight - timedelta(minutes=1), midnight + timedelta(minutes=1))
    assert [row["tick"][11:16] for row in rows] == ["23:59", "00:00"]
    assert calls.made == ["dynamodb:Query"] * 2
    assert not {"note", "counts", "job"} & rows[0].keys()
