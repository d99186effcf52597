from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from shared.archetypes.purge import Purge, Row
from shared.job import RunContext, daily, days, natural, tables
from shared.store import s3_archive


class AuditLogCleanup(Purge):
    """Archive audit entries after a year, critical ones after 7 years."""

    schedule = daily(hour=4, minute=12)
    table = tables.AUDIT
    keep = days(365)
    kinds: ClassVar = {"critical": days(7 * 365)}
    whole = True
    timeout = 900
    idempotency = natural("a deleted entry is not found again, and the same entries make the same archive")
    permissions = s3_archive.grants(tables.AUDIT)

    def archive(self, run: RunContext, rows: Sequence[Row]) -> None:
        s3_archive.archive(run.cloud, tables.AUDIT, [row.item for row in rows], run.started)
