"""See the catalogue, FS-01."""

from __future__ import annotations

from functions.flags import _trail
from functions.flags._messages import AUDIT, Audited, not_ahead
from shared import organization, retry_policies
from shared.archetypes.consumer import Consumer, Message
from shared.delivery import Delivery
from shared.idempotency import upsert
from shared.tenant import Tenant
from shared.tick import Tick


class Audit(Consumer[Audited]):
    """Keep audit events of organizations, each once, a batch of an organization with one call.

    Whatever an event says is never overwritten: one that comes again with other words is another row.
    """

    queue = AUDIT
    retry = retry_policies.AUDIT
    timeout = 30
    batch_size = 10
    retention = "critical"
    idempotency = upsert("a row is named by the event's id, its instant and a digest of what it says")
    permissions = (*organization.GRANTS, *_trail.GRANTS)

    def admits(self, tick: Tick, tenant: Tenant) -> bool:
        return organization.admits(tick.cloud, tenant)

    def serve(self, tick: Tick, delivery: Delivery[Audited]) -> None:
        now = tick.cloud.clock.now()
        for tenant, messages in delivery.by_tenant():
            assert tenant is not None
            good: list[Message[Audited]] = []
            for message in messages:
                with delivery.unless_refused(message):
                    not_ahead(message.payload.event.at, now, "event.at")
                    good.append(message)
            with delivery.answer(*good):
                _trail.write(tick.cloud, tenant, [message.payload.event for message in good])
