"""Invariant: the history has no row beyond its retention."""

from __future__ import annotations

from datetime import timedelta

from proof.simulation.invariants.invariant import Invariant
from shared.job import retention
from shared.run.history import started_by
from shared.tables import STATE

# run-retention deletes hourly what the reconciler has added to the ledger.
LATE = timedelta(hours=3)


class RetainedHistory(Invariant):
    """Rows of good runs are deleted at their age."""

    name = "retention"

    def final(self) -> None:
        if "run-retention" not in self.world.ticking:
            return
        entries = self.world.entries()
        for row in self.world.dynamodb.shared_rows(STATE.name):
            kind, _, rest = row["pk"]["S"].partition("#")
            job = rest.rpartition("#")[0]
            if kind != "runs" or job not in entries or not row.get("ok", {}).get("BOOL"):
                continue
            age = retention.read(entries[job]["retention"]).completed.age
            if self.age(started_by(row["sk"]["S"])) > age + LATE:
                self.violated(f"the row {row['sk']['S']} of {job} is older than {age} by more than {LATE}")
                return
