"""A user's audit trail: what was done to what is theirs, each thing written down once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws.permissions import Grant
from shared.store import put_if_absent

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# To say so is all that a job may do to it.
GRANTS = (Grant(("dynamodb:PutItem",), "table/audit"),)


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
    """An entry, as put_if_absent writes it. action: `alias.deactivated`. actor: the job, or who asked for it.

    at: when it came to be so, the same on each attempt: when the alias expired, say, and not now. Of an action, a
    subject and an instant there is one entry. critical: kept for years longer. Raises InvalidRecord.
    """
    from shared.product.records.accounts import AuditEntry

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
    return put_if_absent.put_arguments(cloud, made)


def _digest(action: str, subject: str) -> str:
    return hashlib.sha256(f"{action}\n{subject}".encode()).hexdigest()[:16]
