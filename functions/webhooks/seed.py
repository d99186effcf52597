"""Seed webhooks: users with receivers and deliveries, and an organization's receiver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from shared import clock
from shared.aws.cloud import Cloud
from shared.product import sample_organization, sample_rows
from shared.product.sample_rows import SampleRow

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EVENT = "message.forwarded"


def seed(cloud: Cloud, count: int, number: int = 1) -> dict[str, int]:
    """Create the users 0 to count - 1 of a seed.

    Receivers are below SAMPLE_RECEIVER_URL. Each user has a delivery to retry, and an expired one. The organization of
    the sample event is created too. Existing rows stay. Returns the number of rows by table.
    """
    now = cloud.clock.now()
    rows = (row for each in range(count) for row in _rows(cloud, f"w{number}-{each:07d}", now))
    return {"organizations": sample_organization.create(cloud), **sample_rows.write(cloud, rows)}


def _rows(cloud: Cloud, user: str, now: datetime) -> Iterator[SampleRow]:
    def row(table: str, id_: str, **fields: Any) -> SampleRow:
        return SampleRow(table, {"user": user, "id": id_, **fields})

    since, old, recent = (clock.iso(now - age) for age in (90 * DAY, 31 * DAY, HOUR))
    yield row("users", "-", email=f"{user}@mail.example", created_at=since)
    receiver = {"url": sample_organization.url(cloud, user), "secrets": [sample_organization.secret(user)]}
    yield row("webhooks", "hook", **receiver, created_at=since)
    sent = {"webhook": "hook", "event": EVENT, "body": json.dumps({"type": EVENT, "user": user}), "attempts": 1}
    yield row("deliveries", "due", **sent, created_at=recent, next_attempt_at=clock.iso(now - HOUR / 2))
    yield row("deliveries", "expired", **sent, created_at=old, state="sent", sent_at=old, status=204)
