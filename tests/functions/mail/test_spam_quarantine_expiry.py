"""Quarantined mail is deleted after 30 days, without notice."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from functions.mail.spam_quarantine_expiry import SpamQuarantineExpiry
from shared.aws.cloud import Cloud
from shared.job.duration import days
from shared.product.records.mail import Quarantined
from tests.conftest import NOON
from tests.support.purging import Facts, go, objects, put, there


class TestSpamQuarantineExpiry(Facts):
    job = SpamQuarantineExpiry()
    keeps = days(30)

    def made(self, id_: str, age: timedelta, now: datetime = NOON) -> Quarantined:
        return Quarantined(user="u1", id=id_, alias="a@b.c", raw=f"mail/{id_}", quarantined_at=now - age)

    def test_a_message_goes_before_the_row_that_names_it(self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
        put(cloud, self.made("old", self.job.keep), self.made("new", timedelta(0)))
        with monkeypatch.context() as patched:
            patched.setattr(cloud.s3, "delete_objects", lambda **_: {"Errors": [{"Key": "mail/old", "Message": "no"}]})
            assert go(self.job, cloud).outcome == "failed"
        assert there(cloud, self.job.table) == ["new", "old"]
        cloud.clock.sleep(60)
        go(self.job, cloud)
        assert (there(cloud, self.job.table), objects(cloud)) == (["new"], ["mail/new"])
