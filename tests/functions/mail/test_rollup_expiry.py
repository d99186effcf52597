"""Sums go when they are 400 days old, to the second, and by a setting earlier."""

from __future__ import annotations

from datetime import timedelta

import pytest

from functions.mail.rollup_expiry import RollupExpiry
from shared.cloud import Cloud
from shared.event import Firing
from shared.records.mail import Rollup
from shared.run import run
from shared.tables import ROLLUPS
from tests.conftest import NOON, Lines
from tests.stored import put, there


@pytest.mark.parametrize(("setting", "days"), [({}, 400), ({"ROLLUP_EXPIRY_KEEP": "90d"}, 90)])
def test_a_sum_goes_at_its_instant_and_once(cloud: Cloud, log: Lines, setting: dict[str, str], days: int) -> None:
    cloud.environment = setting
    for name, shift in {"day#2025-01-01": -1, "day#2025-01-02": 0, "week#2025-W01": 1}.items():
        put(cloud, Rollup(user="ada", id=name, from_at=NOON - timedelta(days=days, seconds=-shift)))
    report = run(RollupExpiry(), Firing("rollup-expiry", NOON), cloud, log)
    assert report.counts == {"purged": 2}
    assert [row["sk"] for row in there(cloud, ROLLUPS)] == ["week#2025-W01"]
    again = run(RollupExpiry(), Firing("rollup-expiry", NOON, manual=True, retried=False), cloud, log)
    assert again.counts == {"purged": 0}
