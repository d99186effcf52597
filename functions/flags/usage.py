"""Catalogue, FS-02: the usage of features."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from functions.flags import _meter_keys, _monthly_parts, _policy
from functions.flags._counters import UsageCounters, counters
from functions.flags._messages import AUTO_ACTIONS, NOTIFICATIONS, USAGE, AutoAction, UsageIngestion
from functions.flags._monthly_parts import MonthlyPart
from functions.flags._policy import Crossing
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
from shared.store import table


class Usage(Consumer[UsageIngestion]):
    """Count usage per organization, once per batch, and notify of reached limits.

    One write adds the messages of an organization and a month, with the ids of their batches.
    """

    queue = USAGE
    retry = retry_policies.USAGE
    timeout = 30
    memory = 512
    batch_size = 10
    retention = "high-volume"
    effects = days(60)
    idempotency = keyed("the write that counts batches requires that none of them is counted")
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
        for tenant, messages in batch.by_tenant():
            assert tenant is not None
            parts: dict[str, list[MonthlyPart]] = {}
            valid: list[Message[UsageIngestion]] = []
            for message in messages:
                with batch.validating(message):
                    for part in _monthly_parts.split(message.payload, now):
                        parts.setdefault(part.month, []).append(part)
                    valid.append(message)
            with batch.handling(*valid):
                for month, of_month in parts.items():
                    for head in self.counters.add(run.cloud, tenant, month, of_month):
                        _notify(run, tenant, month, head)

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        # The receiving consumers deduplicate by the keys of the messages.
        return NotDone()


def _notify(run: RunContext, tenant: Tenant, month: str, head: Mapping[str, Any]) -> None:
    """Send the messages for reached thresholds, once each.

    Also those of an earlier run that crashed before it sent them.
    """
    found = organization.find(run.cloud, tenant)
    if found is None or not found.limits:
        return
    crossings = list(_policy.crossings(found, counters(head), {*head.get("told", ())}))
    for crossing in crossings:
        run.effect(f"threshold#{tenant.id}#{crossing.key}", partial(_send, run, found, crossing))
        run.log.info("threshold_reached", feature=crossing.feature, period=crossing.period, kind=crossing.kind)
    if crossings:
        _mark_notified(run, tenant, month, crossings)


def _send(run: RunContext, found: Organization, crossing: Crossing, _key: str) -> int:
    sent = 0
    for payload in _policy.consequences(found, crossing):
        envelope.send(run.cloud, AUTO_ACTIONS if isinstance(payload, AutoAction) else NOTIFICATIONS, payload)
        sent += 1
    return sent


def _mark_notified(run: RunContext, tenant: Tenant, month: str, crossings: Iterable[Crossing]) -> None:
    """Record the notified thresholds on the month's row.

    Without it the next batch would read their effects again.
    """
    notified = {crossing.key for crossing in crossings}
    key = _meter_keys.month(tenant, month)
    table.update(run.cloud, tables.METERS, key, "ADD told :told", {":told": notified}, condition="attribute_exists(pk)")
