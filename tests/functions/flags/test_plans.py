"""Dry runs of usage-aggregation and period-rollover show all that is due, not a page of it."""

from __future__ import annotations

import pytest

from functions.flags import _archive
from functions.flags._counters import OPEN
from functions.flags.period_rollover import PeriodRollover
from functions.flags.usage_aggregation import UsageAggregation
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.store import table
from shared.tables import METERS
from tests.conftest import NOON, Lines

ORGANIZATIONS = [f"org_{number:03d}" for number in range(150)]


@pytest.mark.parametrize(
    ("job", "kind", "key", "sort"),
    [
        (UsageAggregation(), _archive.DAYS, "{}#months", "day#2026-02-03"),
        (PeriodRollover(), OPEN, "{}#month#2026-02", "-"),
    ],
)
def test_every_organization_is_shown(job: Job, kind: str, key: str, sort: str, cloud: Cloud, log: Lines) -> None:
    [index] = METERS.indexes
    # All in one shard of the index, so that it has a second page.
    place = {index.pk: next(iter(index.partitions(kind))), index.sk: "2026-02-03T00:00:00.000Z"}
    for organization in ORGANIZATIONS:
        table.put(cloud, METERS, {"pk": key.format(organization), "sk": sort, **place})
    tick = RunContext(job, Firing(job.name, NOON), cloud, "dry", NOON, log, dry=True)
    lines = job.plan(tick)
    assert len(lines) == len(ORGANIZATIONS)
    assert all(any(organization in line for line in lines) for organization in ORGANIZATIONS)
