"""Catalogue, FS-02: the usage of features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from functions.flags import _archive, _current_usage, _meter_keys, _periods, _policy, _usage_batch
from functions.flags._counters import RowsTooLarge, UsageCounters
from functions.flags._messages import AUTO_ACTIONS, USAGE, AutoAction, UsageIngestion
from functions.flags._policy import Crossing
from functions.flags._usage_batch import UsageBatch, feature_of, month_of, period_of
from shared.archetypes.consumer import Consumer, Message, MessageBatch, Tenant
from shared.job import (
    Confirmed,
    Effect,
    NotDone,
    RunContext,
    Unknown,
    days,
    keyed,
    produce,
    read_rows,
    retry_policies,
    tables,
    update_rows,
)
from shared.messages import envelope
from shared.product import organization
from shared.product.organization import Organization
from shared.product.organization_notification import NOTIFICATIONS
from shared.store import table

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Notified thresholds on a row. Without a mark the effect of a threshold is read again, and sends nothing.
MAX_NOTIFIED = 1000


class Usage(Consumer[UsageIngestion]):
    """Count usage per organization, once per batch, and notify of reached limits.

    One transaction adds the messages of an organization, with the ids of their batches.
    """

    queue = USAGE
    retry = retry_policies.USAGE
    timeout = 30
    memory = 512
    # Large enough that organizations repeat within a batch: one transaction adds up to 50 messages of one of them.
    batch_size = 100
    batch_window = 1
    retention = "high-volume"
    effects = days(60)
    idempotency = keyed("the transaction that counts batches creates a row for each, and requires that none exists")
    permissions = (
        *organization.GRANTS,
        read_rows(tables.METERS.name),
        update_rows(tables.METERS.name),
        *produce(NOTIFICATIONS),
        *produce(AUTO_ACTIONS),
    )

    def __init__(self) -> None:
        self.counters = UsageCounters()

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        return organization.admits(run.cloud, tenant)

    def handle_batch(self, run: RunContext, batch: MessageBatch[UsageIngestion]) -> None:
        now = run.cloud.clock.now()
        batches: dict[Tenant, list[UsageBatch]] = {}
        valid: dict[Tenant, list[Message[UsageIngestion]]] = {}
        for tenant, messages in batch.by_tenant():
            assert tenant is not None
            for message in messages:
                with batch.validating(message):
                    batches.setdefault(tenant, []).append(_usage_batch.read(message.payload, now))
                    valid.setdefault(tenant, []).append(message)
        for tenant, counted in batch.written(partial(self._count, run.cloud), batches):
            with batch.handling(*valid[tenant]):
                for batch_id in counted():
                    run.log.warning("usage_batch_changed", entityId=batch_id, organizationId=tenant.id)
                self._notify(run, tenant, batches[tenant])

    def _count(self, cloud: Cloud, tenant: Tenant, batches: Sequence[UsageBatch]) -> list[str]:
        """Return the ids of batches that were counted before with other content."""
        try:
            return self.counters.add(cloud, tenant, batches)
        except RowsTooLarge as large:
            # Periods have piled up, since the rollover is late or old usage arrives: archive them, then count.
            for month, row in large.rows:
                _archive.close(cloud, tenant, month, row, cloud.clock.now())
            return self.counters.add(cloud, tenant, batches)

    def _notify(self, run: RunContext, tenant: Tenant, batches: Iterable[UsageBatch]) -> None:
        """Send the messages for reached thresholds, once each.

        Also those of an earlier run that crashed before it sent them.
        """
        found = organization.find(run.cloud, tenant)
        if found is None or not found.limits:
            return
        by_month = _limited(found, batches)
        for month, names in by_month.items():
            features = {feature_of(name) for name in names}
            for row, item in self.counters.rows.read(run.cloud, tenant, month, features).items():
                of_row = [name for name in names if self.counters.rows.find(tenant, month, feature_of(name)) == row]
                ended = {period_of(name) for name in of_row if _periods.ended(period_of(name), run.cloud.clock.now())}
                units, notified = _current_usage.read(run.cloud, tenant, month, row, item, ended)
                crossings = list(_policy.crossings(found, units, notified))
                for crossing in crossings:
                    run.effect(f"threshold#{tenant.id}#{crossing.key}", partial(_send, run, found, crossing))
                    run.log.info(
                        "threshold_reached", feature=crossing.feature, period=crossing.period, kind=crossing.kind
                    )
                if crossings and len(notified) < MAX_NOTIFIED:
                    _mark_notified(run, tenant, month, row, crossings)

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        # The receiving consumers deduplicate by the keys of the messages.
        return NotDone()


def _limited(found: Organization, batches: Iterable[UsageBatch]) -> dict[str, set[str]]:
    """Return the counters of limited features, by month."""
    names: dict[str, set[str]] = {}
    for batch in batches:
        for name in batch.counts:
            limit = found.limits.get(feature_of(name))
            if limit and limit.get("period") == _periods.kind_of(period_of(name)):
                names.setdefault(month_of(name), set()).add(name)
    return names


def _send(run: RunContext, found: Organization, crossing: Crossing, _key: str) -> int:
    sent = 0
    for payload in _policy.consequences(found, crossing):
        envelope.send(run.cloud, AUTO_ACTIONS if isinstance(payload, AutoAction) else NOTIFICATIONS, payload)
        sent += 1
    return sent


def _mark_notified(run: RunContext, tenant: Tenant, month: str, row: str, crossings: Iterable[Crossing]) -> None:
    """Record the notified thresholds on the month's row.

    Without it the next batch would read their effects again.
    """
    notified = {crossing.key for crossing in crossings}
    key = _meter_keys.month(tenant, month, row)
    table.update(run.cloud, tables.METERS, key, "ADD told :told", {":told": notified}, condition="attribute_exists(pk)")
