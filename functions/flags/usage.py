"""See the catalogue, FS-02."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from functions.flags import _monthly_parts, _policy
from functions.flags._counted_batches import month_key
from functions.flags._counters import Meter, counters
from functions.flags._messages import AUTO_ACTIONS, NOTIFICATIONS, USAGE, AutoAction, UsageIngestion
from functions.flags._monthly_parts import Share
from functions.flags._policy import Crossing
from shared.archetypes.consumer import Consumer, Message
from shared.aws.permissions import produce, read_rows, update_rows
from shared.job import retry_policies
from shared.job.duration import days
from shared.job.effect import Confirmed, Effect, NotDone, Unknown
from shared.job.idempotency import keyed
from shared.messages import envelope
from shared.messages.batch import MessageBatch
from shared.messages.tenant import Tenant
from shared.product import organization
from shared.product.organization import Organization
from shared.run.context import RunContext
from shared.tables import METERS


class Usage(Consumer[UsageIngestion]):
    """Add batches of usage to their organizations' counters, each batch once, and tell of limits that are reached.

    Messages of an organization and a month are added by one write, with the ids of their batches.
    """

    queue = USAGE
    retry = retry_policies.USAGE
    timeout = 30
    memory = 512
    batch_size = 10
    retention = "high-volume"
    effects = days(60)
    idempotency = keyed("the write that counts batches holds only while none of them is counted")
    permissions = (
        *organization.GRANTS,
        read_rows(METERS.name),
        update_rows(METERS.name),
        *produce(NOTIFICATIONS),
        *produce(AUTO_ACTIONS),
    )

    def __init__(self) -> None:
        self.meter = Meter()

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        return organization.admits(run.cloud, tenant)

    def handle_batch(self, run: RunContext, delivery: MessageBatch[UsageIngestion]) -> None:
        now = run.cloud.clock.now()
        for tenant, messages in delivery.by_tenant():
            assert tenant is not None
            shares: dict[str, list[Share]] = {}
            good: list[Message[UsageIngestion]] = []
            for message in messages:
                with delivery.validating(message):
                    for share in _monthly_parts.of(message.payload, now):
                        shares.setdefault(share.month, []).append(share)
                    good.append(message)
            with delivery.handling(*good):
                for month, found in shares.items():
                    for head in self.meter.add(run.cloud, tenant, month, found):
                        self._tell(run, tenant, month, head)

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        # Whoever takes them knows them by their keys.
        return NotDone()

    def _tell(self, run: RunContext, tenant: Tenant, month: str, head: Mapping[str, Any]) -> None:
        """Have done what the policy says of thresholds that were reached, once each, also after a crash before it."""
        found = organization.find(run.cloud, tenant)
        if found is None or not found.limits:
            return
        crossings = list(_policy.crossings(found, counters(head), {*head.get("told", ())}))
        for crossing in crossings:
            run.effect(f"threshold#{tenant.id}#{crossing.key}", partial(_send, run, found, crossing))
            run.log.info("threshold_reached", feature=crossing.feature, period=crossing.period, kind=crossing.kind)
        if crossings:
            _mark(run, tenant, month, crossings)


def _send(run: RunContext, found: Organization, crossing: Crossing, _key: str) -> int:
    sent = 0
    for payload in _policy.consequences(found, crossing):
        envelope.send(run.cloud, AUTO_ACTIONS if isinstance(payload, AutoAction) else NOTIFICATIONS, payload)
        sent += 1
    return sent


def _mark(run: RunContext, tenant: Tenant, month: str, crossings: Iterable[Crossing]) -> None:
    """So that the next batch does not ask for the effects again."""
    run.cloud.dynamodb.update_item(
        TableName=run.cloud.names.table(METERS.name),
        Key=month_key(tenant, month),
        UpdateExpression="ADD told :told",
        ConditionExpression="attribute_exists(pk)",
        ExpressionAttributeValues={":told": {"SS": [crossing.key for crossing in crossings]}},
    )
