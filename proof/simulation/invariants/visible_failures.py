"""Invariant: each failure is in the index of failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proof.simulation.invariants.invariant import Invariant
from shared.tables import FAILURES

if TYPE_CHECKING:
    from proof.world.dynamodb.attribute_values import Item
    from proof.world.dynamodb.keys import Key


class VisibleFailures(Invariant):
    """Rows of bad runs have the keys of the index."""

    name = "visible failures"

    def changed(self, key: Key, before: Item | None, after: Item | None) -> None:
        if after is None or not key.pk.startswith("runs#") or "outcome" not in after:
            return
        good = after.get("ok", {}).get("BOOL", False)
        if not good and not {FAILURES.pk, FAILURES.sk} <= after.keys():
            self.violated(f"the row {key.pk} {key.sk} ({after['outcome']['S']}) is in no index")
        if good and before and before.get("ok", {}).get("BOOL") is False:
            self.violated(f"the row {key.pk} {key.sk} was bad, and is good now")
