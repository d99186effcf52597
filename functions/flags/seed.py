"""Sample organizations with limits, usage and audit events."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from functions.flags._messages import AUDIT, USAGE, Audited, AuditEvent, UsageEvent, UsageIngestion
from shared.aws.cloud import Cloud
from shared.messages import envelope
from shared.tables import ORGANIZATIONS

LIMITS = {
    "exports": {"period": "month", "amount": 1000, "disableAt": 120},
    "searches": {"period": "day", "amount": 200},
}
BATCHES, EVENTS = 6, 3


def seed(cloud: Cloud, count: int, number: int = 1) -> dict[str, int]:
    """Create the organizations of a seed and send their messages.

    Existing rows stay. Some reach thresholds, and some their limits. Returns the numbers of rows and messages.
    """
    from shared.store.bulk_put import BulkWriter

    names = [f"org-{number}-{each}" for each in range(count)]
    with BulkWriter(cloud, ORGANIZATIONS, lanes=1) as writer:
        for name in names:
            for row in _rows(name):
                writer.add(row)
    now = cloud.clock.now()
    used = envelope.send_all(cloud, USAGE, (sent for name in names for sent in _usage(name, now)))
    audited = envelope.send_all(cloud, AUDIT, (sent for name in names for sent in _audit_events(name, now)))
    return {"organizations": writer.written, "usage": used, "audit": audited}


def _rows(name: str) -> Iterator[dict[str, Any]]:
    yield {"pk": name, "sk": "-", "state": "active", "limits": LIMITS}
    yield {"pk": name, "sk": "member#ada", "role": "owner", "email": f"ada@{name}.example", "name": "Ada"}
    yield {"pk": name, "sk": "member#bob", "role": "viewer", "email": f"bob@{name}.example", "name": "Bob"}
    yield {"pk": name, "sk": "key#k1", "enabled": True}
    for feature in LIMITS:
        yield {"pk": name, "sk": f"flag#{feature}", "enabled": True}


def _usage(name: str, now: datetime) -> Iterator[UsageIngestion]:
    # A generator per organization: more organizations do not change the data of this one.
    generator = random.Random(name)
    usual = generator.choice((10, 60, 90))
    for batch in range(BATCHES):
        events = tuple(
            UsageEvent(
                feature=generator.choice([*LIMITS]),
                amount=generator.randint(usual // 2, usual),
                at=now - timedelta(minutes=generator.randint(0, 3 * 24 * 60)),
            )
            for _ in range(EVENTS)
        )
        yield UsageIngestion(organization_id=name, batch_id=f"{name}-{batch}", events=events)


def _audit_events(name: str, now: datetime) -> Iterator[Audited]:
    for hours, action in enumerate(("signed_in", "created_key")):
        event = AuditEvent(
            id=f"{name}-{hours}", organization_id=name, at=now - timedelta(hours=hours), actor="ada", action=action
        )
        yield Audited(organization_id=name, event=event)
