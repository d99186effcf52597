"""A user's audit trail: what was done to what is theirs, each thing written down once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock, rows
from shared.permissions import Grant

if TYPE_CHECKING:
    from shared.cloud import Cloud

# To say so is all that a job may do to it.
GRANTS = (Grant(("dynamodb:PutItem",), "table/audit"),)


def entry(
    cloud: Cloud,
    user: str,
    action: str,
    actor: str,
    at: datetime,
    *,
    subject: str = "",
    critical: bool = False,
    data: Mapping[str, str | int | bool] | None = None,
) -> bool:
    """Write it down; False where it stands already. action: `alias.deactivated`. actor: the job, or who asked for it.

    at: when it came to be so, the same on each attempt: when the alias expired, say, and not now. Of an action, a
    subject and an instant there is one entry. critical: kept for years longer. Raises shared.records' InvalidRecord.
    """
    row = put(cloud, user, action, actor, at, subject=subject, critical=critical, data=data)
    try:
        cloud.dynamodb.put_item(**row)
    except cloud.refused:
        return False
    return True


def put(
    cloud: Cloud,
    user: str,
    action: str,
    actor: str,
    at: datetime,
    *,
    subject: str = "",
    critical: bool = False,
    data: Mapping[str, str | int | bool] | None = None,
) -> Any:
    """The same as arguments of PutItem: `{"Put": ...}` in a transaction, where it must stand or fall with another."""
    from shared.records.accounts import AuditEntry

    made = AuditEntry.read(
        {
            "user": user,
            "id": f"{clock.iso(at)}-{_digest(action, subject)}",
            "at": clock.iso(at),
            "action": action,
            "actor": actor,
            "subject": subject,
            "critical": critical,
            "data": dict(data or {}),
        }
    )
    return {
        "TableName": cloud.names.table(AuditEntry.table.name),
        "Item": rows.row(made.item()),
        "ConditionExpression": "attribute_not_exists(pk)",
    }


def _digest(action: str, subject: str) -> str:
    return hashlib.sha256(f"{action}\n{subject}".encode()).hexdigest()[:16]
