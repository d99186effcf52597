"""Rows of an organization's audit trail: `<organization>#<yyyy-mm-dd>` / `<timestamp>#<event id>#<digest>`.

The digest covers the content of the event: an event that is sent again is the same row, one with other content is
another row, and the first one stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from functions.flags._messages import AuditEvent
from shared import clock
from shared.aws import attributes
from shared.job import Grant
from shared.product.organization_notification import digest
from shared.store.batch_write import BATCH, batch_write
from shared.tables import TRAIL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.tenant import Tenant

GRANTS = (Grant(("dynamodb:PutItem", "dynamodb:BatchWriteItem"), f"table/{TRAIL.name}"),)


def row(tenant: Tenant, event: AuditEvent) -> dict[str, Any]:
    at = clock.iso(event.at)
    content = {"actor": event.actor, "action": event.action, "target": event.target, "reason": event.reason}
    suffix = digest(*content.values())[:8]
    return {"pk": tenant.key(at[:10]), "sk": f"{at}#{event.id}#{suffix}", "at": at, "id": event.id, **content}


def write(cloud: Cloud, tenant: Tenant, events: Iterable[AuditEvent]) -> int:
    """Write all events, 25 per call; return the number of rows.

    Raises Throttled.
    """
    rows = {(item["pk"], item["sk"]): item for item in (row(tenant, event) for event in events)}
    requests = [{"PutRequest": {"Item": attributes.row(item)}} for item in rows.values()]
    for start in range(0, len(requests), BATCH):
        # Through the ordinary client, whose calls the guard of the tenant checks.
        batch = requests[start : start + BATCH]
        batch_write(cloud, cloud.names.table(TRAIL.name), batch, "written", patient=False)
    return len(rows)
