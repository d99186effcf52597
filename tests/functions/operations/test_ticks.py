"""Every tick is accounted for, by its row, a gap row or a catch-up run."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.operations.reconciler import Reconciler, catch_up_delay
from shared import clock as clocks
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import manifest, retention
from shared.job.definition import Job
from shared.job.manifest import Entry
from shared.job.outcome import Done, Outcome
from shared.ledger import daily, expected_since
from shared.ledger.daily import DailyLedger
from shared.ledger.ledger import TickOutcome
from shared.run.claim import Claims
from shared.run.context import RunContext
from shared.run.firing import Firing, parse_firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import NOON, Calls, Lines, VirtualClock, waiting
from tests.functions.operations.conftest import ENTRIES
from tests.support.sweep_job import Sweep


class World:
    """Jobs whose ticks are expected from noon on, and a reconciler that first ran then."""

    def __init__(self, cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cloud, self.clock, self.log, self.monkeypatch = cloud, clock, log, monkeypatch
        self.deploy(sweep={})

    def deploy(self, **changes: dict[str, Any]) -> None:
        made = {name: {**ENTRIES["sweep"], "key": name, **change} for name, change in changes.items()}
        self.monkeypatch.setattr(manifest, "load", lambda: made)
        self.clock.instant = NOON - expected_since.ROLLOUT
        expected_since.refresh(self.cloud, made)  # type: ignore[arg-type]
        self.clock.instant = NOON
        run(Reconciler(), Firing("reconciler", NOON), self.cloud, self.log)

    def entry(self, job: str = "sweep") -> Entry:
        return manifest.load()[job]

    def tick(self, at: datetime, job: Job | None = None, late: float = 1) -> RunReport:
        self.clock.instant = at + timedelta(seconds=late)
        return run(job or Sweep(), Firing("sweep", at), self.cloud, self.log)

    def reconcile(self, now: datetime | None = None, **firing: Any) -> RunReport:
        self.clock.instant = now or self.clock.instant
        report = run(Reconciler(), replace(Firing("reconciler", self.clock.instant), **firing), self.cloud, self.log)
        assert report.outcome == "done", report.note
        return report

    def gaps(self, job: str = "sweep") -> list[dict[str, Any]]:
        found = self.cloud.dynamodb.scan(TableName=self.cloud.names.table("state"))["Items"]
        missed = [row for row in map(attributes.plain, found) if row.get("outcome") == "missed" and row["job"] == job]
        return sorted(missed, key=lambda row: str(row["sk"]))

    def folded(self, job: str = "sweep") -> dict[str, TickOutcome]:
        told = DailyLedger(self.cloud, job).read(NOON - timedelta(days=1), NOON + timedelta(days=9))
        return {f"{tick:%H:%M}": account.outcome for tick, account in told.items()}


@pytest.fixture
def world(cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(cloud, clock, log, monkeypatch)


def after(**span: float) -> datetime:
    return NOON + timedelta(**span)


def test_a_tick_that_ran_is_not_missed(world: World) -> None:
    for minutes in (0, 15, 30):
        world.tick(after(minutes=minutes))
    assert world.reconcile(after(minutes=38)).counts["missed"] == 0
    assert world.gaps() == []


def test_consecutive_missed_ticks_are_one_row_with_from_to_and_count(world: World, log: Lines) -> None:
    world.tick(NOON)
    assert world.reconcile(after(minutes=53)).counts["missed"] == 3
    [gap] = world.gaps()
    assert (gap["from"], gap["to"], gap["count"]) == ("2026-03-02T12:15Z", "2026-03-02T12:45Z", 3)
    assert gap["sk"] == "20260302T121500.000Z-missed"
    assert gap["note"] == "3 ticks, up to 2026-03-02T12:45Z, left no trace; the next tick does the work"
    assert gap["expires"] == int((after(minutes=53) + retention.CLASSES["standard"].failed.expires).timestamp())
    assert [line["count"] for line in log.said("sweep_missed")] == [3]
    assert [line["Missed"] for line in log.lines if "Missed" in line] == [[3.0]]


def test_a_tick_is_judged_after_five_minutes(world: World) -> None:
    assert world.reconcile(after(minutes=5, seconds=59)).counts["missed"] == 0
    assert world.reconcile(after(minutes=6)).counts["missed"] == 1


def test_a_repeated_run_records_and_sends_nothing_twice(world: World) -> None:
    world.deploy(sweep={"catch_up": "once"})
    # A manual run does not move the watermark, nor does a run that was interrupted before its end.
    first = world.reconcile(after(minutes=40), manual=True).counts
    again = world.reconcile(after(minutes=41), manual=True).counts
    assert (first["missed"], first["caught_up"]) == (3, 1)
    assert (again["missed"], again["caught_up"]) == (0, 0)
    assert [gap["count"] for gap in world.gaps()] == [3]


def test_a_growing_gap_stays_one_row(world: World) -> None:
    # One of these runs finds no due ticks.
    for minutes in (8, 23, 28, 38, 53):
        world.reconcile(after(minutes=minutes))
    world.tick(after(minutes=60))
    world.reconcile(after(minutes=68))
    world.reconcile(after(minutes=83))
    assert [(gap["from"][11:], gap["to"][11:], gap["count"]) for gap in world.gaps()] == [
        ("12:00Z", "12:45Z", 4),
        ("13:15Z", "13:15Z", 1),
    ]


def test_missed_ticks_around_a_run_are_two_gaps(world: World) -> None:
    world.tick(after(minutes=30))
    assert world.reconcile(after(minutes=53)).counts["missed"] == 3
    assert [gap["count"] for gap in world.gaps()] == [2, 1]


def test_a_gap_over_midnight_is_one_row_per_day(world: World) -> None:
    world.reconcile(NOON.replace(hour=23, minute=38))
    world.reconcile(NOON.replace(hour=23, minute=38) + timedelta(minutes=45))
    assert [(gap["pk"], gap["count"]) for gap in world.gaps()] == [
        ("runs#sweep#2026-03-02", 48),
        ("runs#sweep#2026-03-03", 2),
    ]


def test_a_new_job_misses_no_ticks_before_its_deployment(world: World) -> None:
    made = {**manifest.load(), "fresh": {**world.entry(), "key": "fresh"}}
    world.monkeypatch.setattr(manifest, "load", lambda: made)
    world.reconcile(after(minutes=8))
    world.reconcile(after(minutes=98))
    assert [gap["from"][11:] for gap in world.gaps("fresh")] == ["13:15Z"]


@pytest.mark.parametrize("reason", ["locked", "paused", "disabled", "late"])
def test_a_skipped_tick_was_not_missed(world: World, reason: str) -> None:
    class Graceful(Sweep):
        """A job with a short grace."""

        name = "sweep"
        grace = 0

    if reason == "locked":
        Claims(world.cloud, Sweep(), "-").take(Firing("sweep", NOON, manual=True), "20260302T120000.000Z-aaaaaaaa", "r")
    if reason == "paused":
        item = {"pk": "sweep:last", "sk": "-", "paused": "ada: index rebuild"}
        world.cloud.dynamodb.put_item(TableName=world.cloud.names.table("state"), Item=attributes.row(item))
    if reason == "disabled":
        world.cloud.environment = {"SWEEP_ENABLE": "false"}
    assert world.tick(NOON, Graceful() if reason == "late" else None).outcome == reason
    assert world.reconcile(after(minutes=8)).counts["missed"] == 0


def test_a_running_tick_is_not_missed_and_is_recorded_after_its_end(world: World) -> None:
    seen: list[tuple[int, dict[str, TickOutcome]]] = []

    class Long(Sweep):
        """A job that runs for a quarter of an hour."""

        name = "sweep"
        timeout = 900

        def work(self, run: RunContext) -> Outcome:
            seen.append((world.reconcile(after(minutes=68)).counts["missed"], world.folded()))
            return Done()

    world.deploy(sweep={"timeout": 900, "schedules": ["55 12 * * *"]})
    assert world.tick(after(minutes=55), Long()).outcome == "done"
    assert seen == [(0, {})]
    world.reconcile(after(minutes=128))
    assert world.folded() == {"12:55": TickOutcome.RAN}


def test_a_tick_that_runs_after_it_was_recorded_as_missed_is_late(world: World) -> None:
    world.reconcile(after(minutes=8))
    assert world.tick(NOON, late=50 * 60).outcome == "done"
    world.reconcile(after(minutes=68))
    assert world.folded()["12:00"] is TickOutcome.LATE
    # Also after it was recorded as missed.
    world.tick(after(minutes=45), late=40 * 60)
    world.reconcile(after(minutes=128))
    assert world.folded()["12:45"] is TickOutcome.LATE


def test_the_newest_missed_tick_is_caught_up_once_if_declared(world: World) -> None:
    world.deploy(sweep={"catch_up": "once"})
    assert world.reconcile(after(minutes=53)).counts == {"lost": 0, "missed": 4, "caught_up": 1, "folded": 0}
    [sent] = waiting(world.cloud)
    firing = parse_firing(sent["firing"], world.clock.now())
    assert (firing.position, firing.fresh, firing.hop) == ("2026-03-02T12:45Z#00", True, 3)
    [gap] = world.gaps()
    assert gap["covered"] == firing.position
    assert gap["note"].endswith("left no trace; the tick 2026-03-02T12:45Z does the work")
    # It runs with its own position, late.
    world.clock.move(minutes=1)
    assert run(Sweep(), firing, world.cloud, world.log).outcome == "done"
    world.reconcile(after(minutes=68))
    assert list(world.folded().values()) == [TickOutcome.MISSED] * 3 + [TickOutcome.LATE]


def test_nothing_is_caught_up_after_a_later_tick_was_claimed(world: World) -> None:
    world.deploy(sweep={"catch_up": "once"})
    world.tick(after(minutes=60))
    assert world.reconcile(after(minutes=60, seconds=30)).counts["caught_up"] == 0
    assert [gap["covered"] for gap in world.gaps()] == ["2026-03-02T13:00Z#00"]
    assert waiting(world.cloud) == []


def test_an_hourly_job_catches_up_nothing_by_default(world: World) -> None:
    assert world.reconcile(after(minutes=53)).counts["caught_up"] == 0
    assert waiting(world.cloud) == []


def test_after_an_outage_jobs_catch_up_one_after_the_other(world: World, log: Lines) -> None:
    world.deploy(**{f"daily-{number}": {"catch_up": "once", "schedules": ["30 12 * * *"]} for number in range(4)})
    assert world.reconcile(after(hours=3)).counts["caught_up"] == 4
    assert [line["delay"] for line in log.said("catch_up_scheduled")] == [0, 10, 20, 30]


def test_catch_up_runs_are_spread_over_the_longest_delay_of_a_queue() -> None:
    delays = Counter(map(catch_up_delay, range(180)))
    assert max(delays) <= 900
    assert set(delays.values()) == {2}


def test_a_reconciler_that_was_down_for_days_continues_from_its_checkpoint(world: World) -> None:
    world.deploy(sweep={"catch_up": "once", "schedules": ["30 12 * * *"]})
    until, runs, part = after(days=3, hours=2), [], 0
    while True:
        runs.append(world.reconcile(until, part=part).counts)
        sent = [body["firing"] for body in waiting(world.cloud)]
        late = [body["at"] for body in sent if body["job"] == "sweep"]
        onward = [parse_firing(body, until) for body in sent if body["job"] == "reconciler"]
        if not onward:
            break
        assert late == [], "an older day must not be run when a newer one is yet to be judged"
        part = onward[0].part
    assert [counts["missed"] for counts in runs] == [1, 1, 1, 1]
    assert late == ["2026-03-05T12:30:00.000Z"]


def test_a_run_that_runs_out_of_time_continues_after_its_last_job(world: World) -> None:
    jobs: dict[str, dict[str, Any]] = {f"job-{number}": {} for number in range(4)}
    world.deploy(**jobs)
    left = iter((60, 60, 5, 60, 60))
    world.monkeypatch.setattr(RunContext, "remaining", lambda _: next(left))
    first = world.reconcile(after(minutes=23))
    assert first.counts["missed"] == 4
    [sent] = waiting(world.cloud)
    second = world.reconcile(after(minutes=24), part=1, at=after(minutes=23))
    assert sent["firing"]["part"] == 1
    assert second.counts["missed"] == 4
    assert [gap["count"] for job in jobs for gap in world.gaps(job)] == [2, 2, 2, 2]


def test_the_daily_ledger_is_extended_each_hour_with_one_write(world: World) -> None:
    for minutes in range(0, 60, 15):
        world.tick(after(minutes=minutes))
    folded = [world.reconcile(after(minutes=minutes)).counts["folded"] for minutes in range(8, 129, 5)]
    assert sum(folded) == 2
    assert folded.index(1) == 12
    assert list(world.folded().items())[:5] == [
        *((f"12:{minute}", TickOutcome.RAN) for minute in ("00", "15", "30", "45")),
        ("13:00", TickOutcome.MISSED),
    ]


def test_rows_that_expire_after_an_hour_are_recorded_before(world: World) -> None:
    world.deploy(sweep={"retention": "high-volume", "schedules": ["* * * * *"]})
    passes = {}
    for minute in range(70):
        if minute % 5 == 3:
            passes[minute] = world.reconcile(after(minutes=minute)).counts["folded"]
        world.tick(after(minutes=minute))
    assert [minute for minute, folded in passes.items() if folded] == [38, 68]
    assert set(world.folded().values()) == {TickOutcome.RAN}
    assert len(world.folded()) == 60


def test_a_tick_that_ran_costs_the_ledger_no_write(world: World) -> None:
    world.deploy(sweep={"schedules": ["* * * * *"]})
    calls, ran, passes = Calls(world.cloud), set(), set()
    for minute in range(59):
        calls.clear()
        world.tick(after(minutes=minute))
        ran.add(len(calls.made))
        if minute % 5 == 3:
            calls.clear()
            world.reconcile(after(minutes=minute, seconds=30))
            passes.add(sum(made not in ("dynamodb:GetItem", "dynamodb:Query") for made in calls.made))
    # Claim, finish and history of the tick, and of the reconciler's run.
    assert (ran, passes) == ({3}, {3})


def test_the_ledger_of_a_period_is_read_from_days_rows_and_gaps(world: World) -> None:
    for minutes in (0, 15, 45, 60, 75):
        world.tick(after(minutes=minutes), late=90 if minutes == 45 else 1)
    world.reconcile(after(minutes=68))
    world.reconcile(after(minutes=98))
    calls = Calls(world.cloud)
    told = daily.read(world.cloud, "sweep", world.entry(), after(minutes=-30), after(minutes=106))
    assert Counter(calls.made) == {"dynamodb:Query": 2, "dynamodb:GetItem": 2}
    assert {f"{tick:%H:%M}": account.outcome for tick, account in told.items()} == {
        "11:30": TickOutcome.UNKNOWN,
        "11:45": TickOutcome.UNKNOWN,
        "12:00": TickOutcome.RAN,
        "12:15": TickOutcome.RAN,
        "12:30": TickOutcome.MISSED,
        "12:45": TickOutcome.LATE,
        "13:00": TickOutcome.RAN,
        "13:15": TickOutcome.RAN,
        "13:30": TickOutcome.MISSED,
        "13:45": TickOutcome.AWAITED,
    }


def test_a_job_without_a_tick_since_the_last_run_is_one_read(world: World) -> None:
    world.reconcile(after(minutes=8))
    calls = Calls(world.cloud)
    world.reconcile(after(minutes=13))
    # The expected ticks, and the claim items of the only job.
    assert calls.made == ["dynamodb:UpdateItem", "dynamodb:GetItem", "dynamodb:Query", *["dynamodb:UpdateItem"] * 2]


def test_a_dry_run_lists_gaps_and_catch_ups_and_writes_nothing(world: World, log: Lines) -> None:
    world.deploy(sweep={"catch_up": "once"})
    world.clock.instant = after(minutes=53)
    before = world.cloud.dynamodb.scan(TableName=world.cloud.names.table("state"))["Items"]
    job = Reconciler()
    lines = job.plan(
        RunContext(job, Firing("reconciler", world.clock.now()), world.cloud, "dry", world.clock.now(), log)
    )
    assert lines == [
        "record 4 missed ticks of sweep from 2026-03-02T12:00Z to 2026-03-02T12:45Z",
        "run the missed tick 2026-03-02T12:45Z of sweep",
    ]
    assert world.cloud.dynamodb.scan(TableName=world.cloud.names.table("state"))["Items"] == before
    assert waiting(world.cloud) == []


def units(cloud: Cloud) -> Counter[str]:
    """Count read units as DynamoDB bills them: all rows that a query reads, projected or not, in steps of 4 KB."""
    spent: Counter[str] = Counter()
    items = cloud.dynamodb.scan(TableName=cloud.names.table("state"))["Items"]

    def count(model: Any, params: dict[str, Any], **_: Any) -> None:
        given = {
            name: value["S"] for name, value in params.get("ExpressionAttributeValues", {}).items() if "S" in value
        }
        key = params.get("Key", {})
        passed = [
            attributes.size(item)
            for item in items
            if item["pk"]["S"] == (given.get(":pk") or key["pk"]["S"])
            and given.get(":since", "") <= item["sk"]["S"] <= given.get(":until", "~")
        ]
        strong = params.get("ConsistentRead", False)
        spent[model.name] += max(1, -(-sum(passed) // 4096)) * (2 if strong else 1)

    for name in ("Query", "GetItem"):
        cloud.dynamodb.meta.events.register(f"before-parameter-build.dynamodb.{name}", count)
    return spent


def test_a_run_over_45_jobs_is_91_reads_of_46_units_and_its_own_three_writes(world: World) -> None:
    names = [f"job-{number:02d}" for number in range(45)]
    world.deploy(**{name: {"schedules": ["* * * * *"]} for name in names})
    world.reconcile(after(minutes=8))
    status = {"outcome": "done", "ok": True, "note": "x" * 100}
    for name in names:
        item = {"pk": f"{name}:last", "sk": "-", "fence": 9, "last": "2026-03-02T12:12Z#00", "status": status}
        _store(world.cloud, item, *(_row(name, after(minutes=minute, seconds=1)) for minute in range(3, 13)))
    spent, calls = units(world.cloud), Calls(world.cloud)
    assert world.reconcile(after(minutes=13)).counts["missed"] == 0
    reads = [made for made in calls.made if made in ("dynamodb:GetItem", "dynamodb:Query")]
    assert (len(reads), len(calls.made) - len(reads)) == (91, 3)
    # Half a unit for each query: ten rows, one per minute, are less than 4 KB.
    assert spent.total() / 2 == 46


def test_extending_the_ledger_reads_the_hours_rows_and_writes_once_per_job(world: World) -> None:
    names = [f"job-{number}" for number in range(3)]
    world.deploy(**{name: {"schedules": ["* * * * *"]} for name in names})
    for name in names:
        _store(world.cloud, *(_row(name, after(minutes=minute, seconds=1)) for minute in range(66)))
    world.reconcile(after(minutes=63))
    spent, calls = units(world.cloud), Calls(world.cloud)
    assert world.reconcile(after(minutes=68)).counts["folded"] == 3
    assert Counter(calls.made) == {"dynamodb:Query": 2 * 3, "dynamodb:GetItem": 1 + 3, "dynamodb:UpdateItem": 3 + 3}
    # For each job: half a unit for its claim, two and a half for an hour's rows, one for the ledger's day.
    assert spent.total() / 2 == 1 + 3 * 4


def _store(cloud: Cloud, *items: dict[str, Any]) -> None:
    for start in range(0, len(items), 25):
        some: Any = [{"PutRequest": {"Item": attributes.row(item)}} for item in items[start : start + 25]]
        cloud.dynamodb.batch_write_item(RequestItems={cloud.names.table("state"): some})


def _row(job: str, started: datetime) -> dict[str, Any]:
    """Build a row of typical size."""
    told = {"job": job, "target": "-", "attempt": 1, "outcome": "done", "ok": True, "ms": 120, "counts": {"rows": 12}}
    return {
        "pk": f"runs#{job}#{started:%Y-%m-%d}",
        "sk": f"{started:%Y%m%dT%H%M%S}.000Z-aaaaaaaa",
        "tick": f"{started:%Y-%m-%dT%H:%MZ}#00",
        "started": clocks.iso(started),
        "note": "x" * 60,
        "correlationId": "c" * 32,
        "expires": 1,
        **told,
    }
