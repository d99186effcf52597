"""Sample organizations with limits, usage and audit events."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from functions.flags._messages import AUDIT, USAGE, Audited, AuditEvent, UsageEvent, UsageIngestion
from shared.aws.cloud import Cloud
from shared.messages import envelope
from shared.product import sample_organization
from shared.tables import ORGANIZATIONS

BATCHES, EVENTS = 6, 3


def seed(cloud: Cloud, count: int, number: int = 1) -> dict[str, int]:
    """Create the organizations of a seed and send their messages.

    Existing rows stay. Some reach thresholds, and some their limits. The organization of the sample events has usage of
    periods that have ended: some wait for the rollover, and some for the aggregation. Returns the numbers of rows and
    messages.
    """
    # Imported lazily: the registry imports this module.
    from shared.store.bulk_put import BulkWriter

    names = [f"org-{number}-{each}" for each in range(count)]
    with BulkWriter(cloud, ORGANIZATIONS, lanes=1) as writer:
        for name in names:
            for row in sample_organization.rows(name):
                writer.add(row)
    created, now = sample_organization.create(cloud), cloud.clock.now()
    used = envelope.send_all(cloud, USAGE, (sent for name in names for sent in _usage(name, now)))
    audited = envelope.send_all(cloud, AUDIT, (sent for name in names for sent in _audit_events(name, now)))
    _count_past_usage(cloud, number, now)
    return {"organizations": writer.written + created, "usage": used, "audit": audited}


def _count_past_usage(cloud: Cloud, number: int, now: datetime) -> None:
    from functions.flags import _archive, _meter_keys, _periods, _usage_batch
    from functions.flags._counters import UsageCounters
    from shared.messages.tenant import Tenant

    tenant, counters = Tenant(sample_organization.NAME), UsageCounters()
    past = {"days": now - timedelta(days=3), "hours": now - timedelta(hours=2)}
    for name, at in past.items():
        event = UsageEvent(feature=sample_organization.FEATURE, amount=5, at=at)
        batch = UsageIngestion(organization_id=tenant.id, batch_id=f"seed-{number}-{name}-ago", events=(event,))
        counters.add(cloud, tenant, [_usage_batch.read(batch, now)])
    month = _periods.name(_periods.MONTH, past["days"])
    _archive.close(cloud, tenant, month, _meter_keys.FIRST, now - timedelta(days=1))


def _usage(name: str, now: datetime) -> Iterator[UsageIngestion]:
    # A generator per organization: more organizations do not change the data of this one.
    generator = random.Random(name)
    usual = generator.choice((10, 60, 90))
    for batch in range(BATCHES):
        events = tuple(
            UsageEvent(
                feature=generator.choice([*sample_organization.LIMITS]),
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
