"""Sessions are deleted at their idle or absolute timeout; a session in use stays."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.accounts.session_cleanup import SessionCleanup
from shared.archetypes.purge import Purge
from shared.aws.cloud import Cloud
from shared.job.duration import days
from shared.product.records.accounts import Session
from tests.conftest import NOON
from tests.support.purging import SECOND, Facts, go, put, there

HOUR = timedelta(hours=1)


def session(id_: str, idle: datetime, ends: datetime) -> Session:
    return Session(user="u1", id=id_, created_at=NOON - 30 * HOUR, idle_until=idle, ends_at=ends)


class TestSessionCleanup(Facts):
    job = SessionCleanup()
    keeps = days(0)

    def made(self, id_: str, age: timedelta, now: datetime = NOON) -> Session:
        return session(id_, now - age, now + HOUR)

    def test_the_earlier_of_both_timeouts_counts(self, cloud: Cloud) -> None:
        put(cloud, session("absolute", NOON + HOUR, NOON), session("live", NOON + SECOND, NOON + SECOND))
        assert go(self.job, cloud).counts == {"purged": 1}
        assert there(cloud, self.job.table) == ["live"]

    def test_one_that_is_used_while_it_is_being_deleted_stays(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(cloud, self.made("used", HOUR), self.made("idle", HOUR))
        monkeypatch.setattr(Purge, "archive", lambda *_: put(cloud, session("used", NOON + HOUR, NOON + 2 * HOUR)))
        counts: Any = go(self.job, cloud).counts
        assert counts == {"purged": 1, "moved": 1}
        assert there(cloud, self.job.table) == ["used"]
