"""Seed accounts: sample users with due rows for every job."""

from __future__ import annotations

from functions.accounts import _sample_accounts
from shared.aws.cloud import Cloud
from shared.product import sample_rows


def seed(cloud: Cloud, count: int, number: int = 1) -> dict[str, int]:
    """Create the users 0 to count - 1 of a seed.

    Each comes with another one who is leaving. Existing rows stay. Returns the number of rows by table.
    """
    now = cloud.clock.now()
    return sample_rows.write(cloud, (row for each in range(count) for row in _sample_accounts.rows(number, each, now)))
