"""Rows of a queue that cannot be read: set aside with the reason, and operators are told."""

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

# Of what a row says is wrong with it.
LONGEST_ERROR = 512


class InvalidRows:
    """Those of one run. The first is told of before it leaves the index, where nobody else would find it again."""

    def __init__(self, run: RunContext, table: Table, index: Index) -> None:
        self.run = run
        self.table = table
        self.index = index
        self.count = 0

    def quarantine(self, row: Row, why: str) -> None:
        """Out of the index: whoever corrects the row writes its place anew."""
        job = self.run.job.name
        self.run.log.error(f"{job}_faulty", user=row.pk, entityId=row.sk, status="faulty", error=why)
        if not self.count:
            self._tell(row, why)
        self.count += 1
        left = {name: value for name, value in row.item.items() if name not in (self.index.pk, self.index.sk)}
        update_if_unchanged(
            self.run.cloud,
            self.table,
            row.item,
            {**left, FAULT: redaction.excerpt(why, LONGEST_ERROR)},
            (self.index.sk,),
        )

    def _tell(self, row: Row, why: str) -> None:
        from shared.observability import alerts

        tick = self.run
        job, today = tick.job.name, f"{tick.cloud.clock.now():%Y-%m-%d}"
        told = {"job": job, "jobId": tick.run_id, "table": self.table.name, "user": row.pk, "row": row.sk, "why": why}
        commands = [
            advised(tick.cloud.names.stage, "logs", job, "--since", "1h"),
            advised(tick.cloud.names.stage, "load", self.table.name, "CORRECTED.jsonl"),
        ]
        alerts.send(tick.cloud, "ROW_SET_ASIDE", job, told, commands, f"faulty#{job}#{today}")
