"""Quarantine rows that fail validation, and alert operators about the first one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import redaction
from shared.advised_commands import advised
from shared.store.conditional_update import update_if_unchanged
from shared.store.record import FAULT

if TYPE_CHECKING:
    from shared.run.context import RunContext
    from shared.store.age_index import Row
    from shared.tables import Index, Table

# Characters of an error that are stored in a row.
LONGEST_ERROR = 512


class InvalidRows:
    """Quarantine of one run."""

    def __init__(self, run: RunContext, table: Table, index: Index) -> None:
        self.run = run
        self.table = table
        self.index = index
        self.count = 0

    def quarantine(self, row: Row, why: str) -> None:
        """Remove the row from the index and store the reason.

        A corrected row is loaded anew.
        """
        job = self.run.job.name
        self.run.log.error(f"{job}_faulty", user=row.pk, entityId=row.sk, status="faulty", error=why)
        # The alert is sent first: after its removal from the index, nothing else finds the row.
        if not self.count:
            self._alert(row, why)
        self.count += 1
        left = {name: value for name, value in row.item.items() if name not in (self.index.pk, self.index.sk)}
        after = {**left, FAULT: redaction.excerpt(why, LONGEST_ERROR)}
        update_if_unchanged(self.run.cloud, self.table, row.item, after, (self.index.sk,))

    def _alert(self, row: Row, why: str) -> None:
        from shared.observability import alerts

        run = self.run
        job, today = run.job.name, f"{run.cloud.clock.now():%Y-%m-%d}"
        details = {"job": job, "jobId": run.run_id, "table": self.table.name, "user": row.pk, "row": row.sk, "why": why}
        commands = [
            advised(run.cloud.names.stage, "logs", job, "--since", "1h"),
            advised(run.cloud.names.stage, "load", self.table.name, "CORRECTED.jsonl"),
        ]
        alerts.send(run.cloud, "ROW_SET_ASIDE", job, details, commands, f"faulty#{job}#{today}")
