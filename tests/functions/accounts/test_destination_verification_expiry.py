"""Expired verification tokens of destinations are deleted; the destination stays."""

from __future__ import annotations

from datetime import datetime, timedelta

from functions.accounts.destination_verification_expiry import DestinationVerificationExpiry
from shared.aws.cloud import Cloud
from shared.job.duration import days
from shared.product.records.accounts import Destination, Verification
from shared.tables import DESTINATIONS
from tests.conftest import NOON
from tests.support.purging import Facts, go, put, there


class TestDestinationVerificationExpiry(Facts):
    job = DestinationVerificationExpiry()
    keeps = days(0)

    def made(self, id_: str, age: timedelta, now: datetime = NOON) -> Verification:
        expires = now - age
        created = expires - timedelta(days=2)
        return Verification(user="u1", id=id_, destination="d1", created_at=created, expires_at=expires)

    def test_the_destination_stays_however_old(self, cloud: Cloud) -> None:
        made = Destination(user="u1", id="d1", address="a@b.c", created_at=NOON - timedelta(days=400))
        put(cloud, made, self.made("t", timedelta(days=398)))
        assert go(self.job, cloud).counts == {"purged": 1}
        assert there(cloud, DESTINATIONS) == ["d1"]
