"""Run history is limited by age and count, and deleted only after the daily ledger has it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from functions.operations import run_retention
from functions.operations.run_retention import RunRetention
from shared import clock as instants
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.job.manifest import Entry
from shared.job.retention import CLASSES
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from shared.store import keys
from tests.conftest import NOON, Lines, VirtualClock, waiting
from tests.functions.operations.conftest import ENTRIES

Known = dict[str, Entry]
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def known(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Known:
    """A manifest with `sweep`, of the standard class, and the reconciler, which has judged all ticks up to now."""
    entries: Known = {"sweep": ENTRIES["sweep"].copy(), "reconciler": ENTRIES["sweep"].copy()}
    entries["reconciler"]["key"] = "reconciler"
    monkeypatch.setattr(manifest, "load", lambda: entries)
    reconciled(cloud, last=f"{instants.minute(NOON + timedelta(hours=2))}#00")
    return entries


def reconciled(cloud: Cloud, **item: Any) -> None:
    cloud.dynamodb.put_item(
        TableName=cloud.names.table("state"), Item=attributes.row({"pk": "reconciler:last", "sk": "-", **item})
    )


def ran(cloud: Cloud, ago: timedelta, *, ok: bool = True, job: str = "sweep", ms: int = 0) -> str:
    """Write the row of a run that ended `ago` before NOON."""
    started = NOON - ago - timedelta(milliseconds=ms)
    run_id = f"{started:%Y%m%dT%H%M%S}.{started.microsecond // 1000:03d}Z-{abs(hash((ago, ok, job))) % 16**8:08x}"
    key = attributes.row(keys.run(job, run_id).attributes)
    values = attributes.row({"ok": ok, "outcome": "done" if ok else "failed", "ms": ms})
    cloud.dynamodb.put_item(TableName=cloud.names.table("state"), Item={**key, **values})
    return run_id


def left(cloud: Cloud, job: str = "sweep") -> list[str]:
    found = cloud.dynamodb.scan(TableName=cloud.names.table("state"))["Items"]
    return sorted(item["sk"]["S"] for item in found if item["pk"]["S"].startswith(f"runs#{job}#"))


def retain(cloud: Cloud, **rest: Any) -> RunReport:
    return run(RunRetention(), Firing("run-retention", NOON, correlation_id="c", **rest), cloud, Lines(cloud.clock))


@pytest.mark.parametrize(
    ("retention", "good", "bad"),
    [
        ("high-volume", timedelta(hours=1), timedelta(days=1)),
        ("standard", timedelta(days=1), timedelta(weeks=1)),
        ("critical", timedelta(weeks=1), timedelta(days=30)),
    ],
)
def test_a_row_is_deleted_at_the_age_of_its_class_and_not_a_second_before(
    retention: str, good: timedelta, bad: timedelta, cloud: Cloud, known: Known
) -> None:
    known["sweep"]["retention"] = retention
    for ok, age in ((True, good), (False, bad)):
        for ago in (age + SECOND, age):
            ran(cloud, ago, ok=ok, ms=1500)
    kept = [ran(cloud, age - SECOND, ok=ok, ms=1500) for ok, age in ((True, good), (False, bad))]
    assert retain(cloud).counts == {"deleted": 4}
    assert left(cloud) == sorted(kept)


@pytest.mark.parametrize(
    ("retention", "good", "bad"),
    [("high-volume", 100, 1000), ("standard", 1000, 5000), ("critical", 10_000, 10_000)],
)
def test_the_classes_retain_the_numbers_of_the_catalogue(retention: str, good: int, bad: int) -> None:
    kept = CLASSES[retention]
    assert (kept.completed.count, kept.failed.count) == (good, bad)


def test_the_newest_rows_within_the_age_are_retained(cloud: Cloud, known: Known) -> None:
    known["sweep"]["retention"] = "completed 1d 3, failed 7d 2"
    good = [ran(cloud, timedelta(hours=number)) for number in range(10, 17)]
    bad = [ran(cloud, timedelta(hours=number), ok=False) for number in range(10, 17)]
    assert retain(cloud).counts == {"deleted": 9}
    assert left(cloud) == sorted([*good[:3], *bad[:2]])


def test_a_repeated_run_deletes_nothing(cloud: Cloud, clock: VirtualClock) -> None:
    ran(cloud, timedelta(days=2))
    assert retain(cloud).counts == {"deleted": 1}
    clock.move(minutes=1)
    assert run(RunRetention(), Firing("run-retention", clock.now()), cloud, Lines(clock)).counts == {"deleted": 0}


@pytest.mark.parametrize(
    ("item", "kept"),
    [
        ({}, 3),
        ({"last": "2026-03-01T09:03Z#00"}, 3),
        ({"last": "2026-03-01T09:03Z#00", "checkpoint": '{"since":"2026-03-02T01:00Z"}'}, 0),
        ({"last": "2026-03-02T12:03Z#00", "checkpoint": '{"since":"2026-02-28T12:00Z","after":"a"}'}, 3),
        ({"last": "2026-03-02T12:03Z#00", "checkpoint": "@000000000003"}, 3),
        ({"last": "2026-03-02T12:03Z#00"}, 0),
        # Judged and recorded up to 10:00, with the run of 09:45; a run of 09:55 may be recorded as lost later.
        ({"last": "2026-03-01T10:05Z#00"}, 2),
        # Judged up to 09:59, and recorded up to 09:00.
        ({"last": "2026-03-01T10:04Z#00"}, 3),
    ],
)
def test_a_row_stays_until_the_daily_ledger_has_it(item: dict[str, str], kept: int, cloud: Cloud) -> None:
    cloud.dynamodb.delete_item(
        TableName=cloud.names.table("state"), Key=attributes.row({"pk": "reconciler:last", "sk": "-"})
    )
    if item:
        reconciled(cloud, **item)
    # The day before, at 09:45, at 09:55 and at 11:00.
    ran(cloud, timedelta(days=1, hours=2, minutes=15))
    ran(cloud, timedelta(days=1, hours=2, minutes=5))
    ran(cloud, timedelta(days=1, hours=1))
    retain(cloud)
    assert len(left(cloud)) == kept


def test_rows_of_consumers_do_not_wait_for_the_ledger(cloud: Cloud, known: Known) -> None:
    known["sweep"]["queue"] = "flagship:usage"
    reconciled(cloud)
    ran(cloud, timedelta(days=8), ok=False)
    assert retain(cloud).counts == {"deleted": 1}


def test_a_row_that_only_counts_duplicates_stays(cloud: Cloud) -> None:
    key = attributes.row(keys.run("sweep", "20260227T000000.000Z-aaaaaaaa").attributes)
    cloud.dynamodb.put_item(TableName=cloud.names.table("state"), Item={**key, "duplicates": {"N": "1"}})
    odd = attributes.row({"pk": f"runs#sweep#{NOON:%Y-%m-%d}", "sk": "x", "ok": True})
    cloud.dynamodb.put_item(TableName=cloud.names.table("state"), Item=odd)
    assert retain(cloud).counts == {"deleted": 0}


def test_the_cap_ends_a_run_and_its_continuation_deletes_the_rest(cloud: Cloud, known: Known) -> None:
    cloud.environment = {"RUN_RETENTION_MAX_RUNS_PER_TICK": "3"}
    for number in range(5):
        ran(cloud, timedelta(days=2, hours=number))
        ran(cloud, timedelta(days=2, hours=number), job="reconciler")
    assert retain(cloud).counts == {"deleted": 3}
    part = 1
    while waiting(cloud):
        retain(cloud, part=part, hop=1 + 2 * part)
        part += 1
    assert left(cloud) + left(cloud, "reconciler") == []
    assert part == 4


def test_a_run_ends_in_time_for_its_deadline(
    cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    surplus = run_retention.surplus

    def slow(*given: Any) -> Any:
        clock.move(seconds=60)
        return surplus(*given)

    monkeypatch.setattr(run_retention, "surplus", slow)
    ran(cloud, timedelta(days=2))
    ran(cloud, timedelta(days=2), job="reconciler")
    assert retain(cloud).counts == {"deleted": 1}
    [sent] = waiting(cloud)
    assert retain(cloud, part=sent["firing"]["part"], hop=3).counts == {"deleted": 1}


def test_a_crash_is_completed_by_the_next_run(
    cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    surplus = run_retention.surplus

    def deadly(*given: Any) -> Any:
        for number, found in enumerate(surplus(*given)):
            if number == 30:
                raise Killed
            yield found

    for number in range(40):
        ran(cloud, timedelta(days=2, minutes=number))
    with monkeypatch.context() as patched:
        patched.setattr(run_retention, "surplus", deadly)
        with pytest.raises(Killed):
            retain(cloud)
    assert left(cloud)
    clock.move(minutes=5)
    run(RunRetention(), Firing("run-retention", clock.now()), cloud, Lines(clock))
    assert left(cloud) == []


def test_a_dry_run_counts_the_rows_of_each_job(cloud: Cloud, log: Lines) -> None:
    ran(cloud, timedelta(days=2))
    ran(cloud, timedelta(days=9), ok=False)
    job = RunRetention()
    lines = job.plan(RunContext(job, Firing(job.name, NOON), cloud, "dry", NOON, log, dry=True))
    assert lines == ["delete 1 rows of sweep that ended well, 1 that did not"]
    assert len(left(cloud)) == 2
