"""The audit trail of a user.

One entry for each action on their account, aliases and files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared import clock
from shared.aws.permissions import Grant
from shared.store import put_if_absent

# Jobs may add entries and do nothing else to them.
GRANTS = (Grant(("dynamodb:PutItem",), "table/audit"),)


def put(
    user: str,
    action: str,
    actor: str,
    at: datetime,
    *,
    subject: str = "",
    occurrence: datetime | None = None,
    critical: bool = False,
    data: Mapping[str, str | int | bool] | None = None,
) -> Any:
    """Build the put of one entry, for `put_if_absent`. Raises InvalidRecord.

    action: such as `alias.deactivated`. actor: the job, or the user who requested it. at: the time of the event, the
    same on every attempt (when the alias expired, not now): there is one entry for an action, a subject and a time.
    occurrence: the timestamp that names the event, where `at` can differ between attempts (default: `at`). critical:
    retained for years longer.
    """
    from shared.product.records.accounts import AuditEntry

    entry = AuditEntry.read(
        {
            "user": user,
            "id": f"{clock.iso(occurrence or at)}-{_digest(action, subject)}",
            "at": clock.iso(at),
            "action": action,
            "actor": actor,
            "subject": subject,
            "critical": critical,
            "data": dict(data or {}),
        }
    )
    return put_if_absent.put_arguments(entry)


def _digest(action: str, subject: str) -> str:
    return hashlib.sha256(f"{action}\n{subject}".encode()).hexdigest()[:16]
