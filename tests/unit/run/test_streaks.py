"""The write that ends a streak leaves its record in the item, without a further call while there is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared import clock
from shared.aws.cloud import Cloud
from shared.job import Done, Outcome, RunContext
from shared.messages.run_batch import run_batch
from shared.run import status, streaks
from shared.run.firing import Batch, Firing
from shared.run.run import run
from shared.store import keys, table
from shared.tables import STATE
from tests.conftest import NOON, Calls, Lines, VirtualClock
from tests.support.sweep_job import Sweep


class Broken(Sweep):
    """A job that fails on request."""

    name = "sweep"
    broken = True

    def work(self, run: RunContext) -> Outcome:
        if self.broken:
            raise ValueError(f"at {run.at:%H:%M}")
        return Done()


def iso(minute: int) -> str:
    return clock.iso(NOON + timedelta(minutes=minute))


def row(cloud: Cloud, target: str = "-") -> dict[str, Any]:
    return table.get(cloud, STATE, keys.claim("sweep", target))


def visit(cloud: Cloud, minute: int, note: str = "") -> bool:
    return status.write_host(cloud, Sweep(), "shop.example", "t", {"ok": not note, "at": iso(minute), "note": note})


def test_a_job_records_a_streak_with_its_first_failure_and_its_end(
    cloud: Cloud, clock: VirtualClock, log: Lines
) -> None:
    job = Broken()
    for minute, broken in enumerate((False, True, True, False, False, True, False)):
        job.broken = broken
        clock.instant = NOON + timedelta(minutes=minute)
        run(job, replace(Firing("sweep", clock.now()), retried=False), cloud, log)
    expected = {"count": 2, "since": iso(1), "firstError": "ValueError: at 12:01", "lastGood": iso(0), "until": iso(3)}
    first, second = row(cloud)[streaks.ENDED]
    assert first == expected
    assert (second["count"], second["since"], second["lastGood"]) == (1, iso(5), iso(4))
    assert "failingSince" not in row(cloud)["status"]


def test_a_host_records_a_streak_with_its_first_failure_and_its_end(cloud: Cloud) -> None:
    for minute, note in enumerate(("", "first", "second", "", "")):
        assert visit(cloud, minute, note)
    item = row(cloud, "shop.example")
    expected = {"count": 2, "since": iso(1), "firstError": "first", "lastGood": iso(0), "until": iso(3)}
    assert item[streaks.ENDED] == [expected]
    assert (item["streak"], item["lastGood"]) == (0, iso(4))
    assert not {"firstError", "failingSince"} & item.keys()


def test_a_consumer_records_a_streak_of_bad_minutes(cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    class Letters(Broken):
        """A consumer of letters."""

        name = "sweep"
        queue = "demo:letters"

    job = Letters()
    for broken in (True, True, False, False):
        job.broken = broken
        run_batch(job, Batch("sweep", ()), cloud, log, 60)
        clock.move(seconds=61)
    [record] = row(cloud)[streaks.ENDED]
    assert (record["count"], record["since"], record["firstError"]) == (2, iso(0), "ValueError: at 12:00")
    assert record["until"] == "2026-03-02T12:02:02.000Z"


def test_a_good_result_without_a_streak_is_one_call_and_one_that_ends_it_reads_nothing(cloud: Cloud) -> None:
    visit(cloud, 0)
    calls = Calls(cloud)
    visit(cloud, 1)
    assert calls.made == ["dynamodb:UpdateItem"]
    visit(cloud, 2, "down")
    calls.clear()
    visit(cloud, 3)
    assert calls.made == ["dynamodb:UpdateItem"] * 2


def test_a_failure_that_is_counted_while_the_streak_ends_is_in_its_record(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit(cloud, 1, "first")
    update, made = cloud.dynamodb.update_item, list[Any]()

    def slow(**call: Any) -> Any:
        made.append(call)
        if len(made) == 2:
            # Another run writes between the refusal and the second try.
            update(**bad)
        return update(**call)

    def recorded(**call: Any) -> Any:
        made.append(call)
        return update(**call)

    monkeypatch.setattr(cloud.dynamodb, "update_item", recorded)
    visit(cloud, 2, "second")
    bad = made.pop()
    table.update(
        cloud,
        STATE,
        keys.claim("sweep", "shop.example"),
        "SET streak = :one, #at = :at",
        {":one": 1, ":at": iso(1)},
        names={"#at": "at"},
    )
    made.clear()
    monkeypatch.setattr(cloud.dynamodb, "update_item", slow)
    assert visit(cloud, 3)
    assert [record["count"] for record in row(cloud, "shop.example")[streaks.ENDED]] == [2]


def test_streaks_that_nobody_has_removed_are_kept_the_longest_before_shorter_ones(cloud: Cloud) -> None:
    minute = 0
    for failures in (1, 4, 1, 1, 2, 1, 3):
        for _ in range(failures):
            minute += 1
            visit(cloud, minute, "down")
        minute += 1
        visit(cloud, minute)
    records = row(cloud, "shop.example")[streaks.ENDED]
    assert [record["count"] for record in records] == [4, 1, 2, 1, 3]


def test_a_finish_that_is_repeated_after_a_lost_reply_records_the_streak_once(
    cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Broken()
    run(job, replace(Firing("sweep", NOON), retried=False), cloud, log)
    update = cloud.dynamodb.update_item

    def twice(**call: Any) -> Any:
        update(**call)
        return update(**call)

    clock.move(minutes=1)
    job.broken = False
    firing = Firing("sweep", clock.now())
    with monkeypatch.context() as lost:
        lost.setattr(cloud.dynamodb, "update_item", twice)
        assert run(job, firing, cloud, log).outcome == "done"
    assert [record["count"] for record in row(cloud)[streaks.ENDED]] == [1]


def test_a_streak_of_an_earlier_version_has_no_first_failure() -> None:
    assert streaks.ended({"streak": 2, "firstError": "x"}, iso(3)) == {"count": 2, "firstError": "x", "until": iso(3)}
    assert streaks.ended({"streak": 0}, iso(3)) == {}
