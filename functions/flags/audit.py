"""Catalogue, FS-01: the audit trail of organizations."""

from __future__ import annotations

from functools import partial

from functions.flags import _audit_rows
from functions.flags._messages import AUDIT, Audited, require_not_ahead
from shared.archetypes.consumer import Consumer, Message, MessageBatch, Tenant
from shared.job import RunContext, retry_policies, upsert
from shared.product import organization


class Audit(Consumer[Audited]):
    """Store audit events of organizations, each once.

    A batch of one organization is one call. An event is never overwritten: one that is sent again with other content is
    another row.
    """

    queue = AUDIT
    retry = retry_policies.AUDIT
    timeout = 30
    # Large enough that organizations repeat within a batch: a call writes up to 25 events of one of them.
    batch_size = 100
    batch_window = 1
    retention = "critical"
    idempotency = upsert("a row is named by the event's id, its timestamp and a digest of its content")
    permissions = (*organization.GRANTS, *_audit_rows.GRANTS)

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        return organization.admits(run.cloud, tenant)

    def handle_batch(self, run: RunContext, batch: MessageBatch[Audited]) -> None:
        now = run.cloud.clock.now()
        valid: dict[Tenant, list[Message[Audited]]] = {}
        for tenant, messages in batch.by_tenant():
            assert tenant is not None
            for message in messages:
                with batch.validating(message):
                    require_not_ahead(message.payload.event.at, now, "event.at")
                    valid.setdefault(tenant, []).append(message)
        events = {tenant: [message.payload.event for message in messages] for tenant, messages in valid.items()}
        for tenant, written in batch.written(partial(_audit_rows.write, run.cloud), events):
            with batch.handling(*valid[tenant]):
                written()
