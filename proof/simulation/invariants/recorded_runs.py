"""Invariant: each run that had a claim is in the history."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from proof.simulation.invariants.invariant import Invariant
from shared.run.history import started_by

if TYPE_CHECKING:
    from proof.world.dynamodb.attribute_values import Item
    from proof.world.dynamodb.keys import Key

# Time after the disturbances in which the row of a run must have been written.
SETTLED = timedelta(hours=2)


class RecordedRuns(Invariant):
    """No run disappears, however it ended."""

    name = "recorded runs"

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        #: Claim item of each run that has no row yet.
        self.open: dict[str, str] = {}
        self._recorded: set[str] = set()

    def changed(self, key: Key, before: Item | None, after: Item | None) -> None:
        if after is None:
            return
        if key.pk.startswith("runs#"):
            if "outcome" in after:
                self._recorded.add(key.sk)
                self.open.pop(key.sk, None)
            return
        holder = after.get("holder", {}).get("S")
        if holder and holder != (before or {}).get("holder", {}).get("S") and holder not in self._recorded:
            self.open[holder] = f"{key.pk}/{key.sk}"

    def hourly(self) -> None:
        # A row is written before a claim in no case: old ones are not asked for again.
        self._recorded.clear()

    def final(self) -> None:
        for run, item in self.open.items():
            if self.age(started_by(run)) > SETTLED:
                self.violated(f"run {run} claimed {item}, and the history has no row of it")
