"""The audit trail: `<organization>#<yyyy-mm-dd>` / `<instant>#<event id>#<digest>`.

The digest is of what the event says: sent again, it is the same row; sent with other words, it is another row, and what
had been written stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from functions.flags._messages import AuditEvent, digest
from shared import clock
from shared.aws import attributes
from shared.aws.permissions import Grant
from shared.tables import TRAIL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.tenant import Tenant

# DynamoDB's limit for one BatchWriteItem.
AT_ONCE = 25
TRIES = 5
GRANTS = (Grant(("dynamodb:PutItem", "dynamodb:BatchWriteItem"), f"table/{TRAIL.name}"),)


class Slow(Exception):
    """The store did not take all of them, time and again."""


def row(tenant: Tenant, event: AuditEvent) -> dict[str, Any]:
    at = clock.iso(event.at)
    told = {"actor": event.actor, "action": event.action, "target": event.target, "reason": event.reason}
    mark = digest(*told.values())[:8]
    return {"pk": tenant.key(at[:10]), "sk": f"{at}#{event.id}#{mark}", "at": at, "id": event.id, **told}


def write(cloud: Cloud, tenant: Tenant, events: Iterable[AuditEvent]) -> int:
    """All of them, in as few calls as there may be; how many rows they make. Raises Slow."""
    made = {(item["pk"], item["sk"]): item for item in (row(tenant, event) for event in events)}
    table, puts = (
        cloud.names.table(TRAIL.name),
        [{"PutRequest": {"Item": attributes.row(item)}} for item in made.values()],
    )
    for start in range(0, len(puts), AT_ONCE):
        left: Any = puts[start : start + AT_ONCE]
        for attempt in range(TRIES):
            left = cloud.dynamodb.batch_write_item(RequestItems={table: left})["UnprocessedItems"].get(table, [])
            if not left:
                break
            cloud.clock.sleep(0.05 * 2**attempt)
        else:
            raise Slow(f"{len(left)} audit events were not taken in {TRIES} tries")
    return len(made)
