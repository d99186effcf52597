"""Sums are deleted at an age of 400 days, to the second, or earlier by a setting."""

from __future__ import annotations

from datetime import datetime, timedelta

from functions.mail.rollup_expiry import RollupExpiry
from shared.aws.cloud import Cloud
from shared.job.duration import days
from shared.product.records.mail import Rollup
from tests.conftest import NOON
from tests.support.purging import SECOND, Facts, go, put, there


class TestRollupExpiry(Facts):
    job = RollupExpiry()
    keeps = days(400)

    def made(self, id_: str, age: timedelta, now: datetime = NOON) -> Rollup:
        # The id is not that of a day or a week: these tests do not read it.
        return Rollup.model_construct(user="u1", id=id_, from_at=now - age)

    def test_days_and_weeks_go_by_a_setting_earlier(self, cloud: Cloud) -> None:
        cloud.environment = {"ROLLUP_EXPIRY_KEEP": "90d"}
        for name, shift in {"day#2025-12-02": SECOND, "week#2025-W49": timedelta(0), "day#2025-12-03": -SECOND}.items():
            put(cloud, Rollup(user="ada", id=name, from_at=NOON - timedelta(days=90) - shift))
        assert go(self.job, cloud).counts == {"purged": 2}
        assert there(cloud, self.job.table) == ["day#2025-12-03"]
