from __future__ import annotations

from collections.abc import Sequence

from functions.mail.message_metadata_cleanup import MessageMetadataCleanup
from shared.archetypes.purge import Purge, Row
from shared.job import RunContext, daily, days, natural, read_rows, tables
from shared.store.age_index import AgeIndex, read_full_rows


class HeaderSnapshotCleanup(Purge):
    """Delete header snapshots of deleted messages a day after expiry.

    A snapshot expires with its message.
    """

    schedule = daily(hour=3, minute=48)
    table = tables.SNAPSHOTS
    shards = 8
    keep = MessageMetadataCleanup.keep
    keeps_with = MessageMetadataCleanup
    longer = days(1)
    idempotency = natural("a deleted snapshot is not found again")
    permissions = (read_rows(tables.MESSAGES.name),)

    def spares(self, run: RunContext, rows: Sequence[Row]) -> Sequence[str]:
        keys = [Row(row.pk, row.sk, row.pk, row.sk, {}) for row in rows]
        existing = {(row.pk, row.sk) for row in read_full_rows(run.cloud, AgeIndex(tables.MESSAGES, None), keys)}
        return ["its message still exists" if (row.pk, row.sk) in existing else "" for row in rows]
