"""Two years of clock changes, for every schedule with a time zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from infra.doctor import clock_changes
from shared.job import Done, Job, Outcome, RunContext, Schedule, cron, natural, registry

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def job(schedule: Schedule) -> Job:
    class Zoned(Job):
        """Run in a time zone."""

        idempotency = natural("it does nothing")

        def work(self, run: RunContext) -> Outcome:
            return Done()

    Zoned.schedule = schedule
    return Zoned()


def problems(expression: str, zone: str) -> list[str]:
    return [finding.problem for finding in clock_changes.check([job(cron(expression, zone))], NOW)]


def test_a_time_that_is_skipped_in_spring_is_named_with_its_days() -> None:
    assert problems("30 2 * * *", "Europe/Berlin") == [
        "local times that do not exist have no tick: 2026-03-29 02:30, 2027-03-28 02:30",
        "local times that occur twice have one tick, at the first: 2026-10-25 02:30, 2027-10-31 02:30",
    ]


@pytest.mark.parametrize(
    ("expression", "zone", "count"),
    [
        ("30 1 * * *", "America/New_York", 1),
        ("30 2 * * *", "America/New_York", 1),
        ("0 1 * * *", "Europe/London", 2),
        ("0 0 * * *", "America/Havana", 2),
        ("45 1 * * *", "Australia/Lord_Howe", 1),
        ("15 * * * *", "Europe/Berlin", 2),
        ("0 4 * * *", "Europe/Berlin", 0),
        ("30 2 * * 1", "Europe/Berlin", 0),
        ("30 2 * * *", "Asia/Kolkata", 0),
        ("30 2 * * *", "UTC", 0),
    ],
)
def test_other_zones(expression: str, zone: str, count: int) -> None:
    assert len(problems(expression, zone)) == count


def test_every_minute_names_a_few_times_only() -> None:
    [skipped, _] = problems("* * * * *", "Europe/Berlin")
    assert skipped.endswith("2026-03-29 02:03 and 116 more")


def test_the_jobs_of_the_product_have_no_such_schedule() -> None:
    assert list(clock_changes.check(registry.jobs({}).values(), NOW)) == []
