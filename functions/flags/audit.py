"""See the catalogue, FS-01."""

from __future__ import annotations

from functions.flags import _audit_rows
from functions.flags._messages import AUDIT, Audited, not_ahead
from shared.archetypes.consumer import Consumer, Message
from shared.job import retry_policies
from shared.job.idempotency import upsert
from shared.messages.batch import MessageBatch
from shared.messages.tenant import Tenant
from shared.product import organization
from shared.run.context import RunContext


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
    permissions = (*organization.GRANTS, *_audit_rows.GRANTS)

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        return organization.admits(run.cloud, tenant)

    def handle_batch(self, run: RunContext, delivery: MessageBatch[Audited]) -> None:
        now = run.cloud.clock.now()
        for tenant, messages in delivery.by_tenant():
            assert tenant is not None
            good: list[Message[Audited]] = []
            for message in messages:
                with delivery.validating(message):
                    not_ahead(message.payload.event.at, now, "event.at")
                    good.append(message)
            with delivery.handling(*good):
                _audit_rows.write(run.cloud, tenant, [message.payload.event for message in good])
