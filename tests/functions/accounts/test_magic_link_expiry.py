"""Magic links are deleted after they expire, and not before."""

from __future__ import annotations

from datetime import datetime, timedelta

from functions.accounts.magic_link_expiry import MagicLinkExpiry
from shared.job.duration import days
from shared.product.records.accounts import MagicLink
from tests.conftest import NOON
from tests.support.purging import Facts


class TestMagicLinkExpiry(Facts):
    job = MagicLinkExpiry()
    keeps = days(0)

    def made(self, id_: str, age: timedelta, now: datetime = NOON) -> MagicLink:
        # A used link is deleted too.
        expires = now - age
        return MagicLink(user="u1", id=id_, created_at=expires - timedelta(minutes=15), expires_at=expires)
