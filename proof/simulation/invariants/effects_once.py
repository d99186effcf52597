"""Invariant: an effect arrives once, or is listed as uncertain."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from proof.simulation.invariants.invariant import Invariant
from proof.simulation.traffic import ORGANIZATION
from shared.tables import STATE

if TYPE_CHECKING:
    from proof.world.dynamodb.attribute_values import Item
    from proof.world.dynamodb.keys import Key


class EffectsOnce(Invariant):
    """Mails, requests and paid answers, by receiver and key."""

    name = "effects once"

    def changed(self, key: Key, before: Item | None, after: Item | None) -> None:
        if not key.pk.startswith("effect#") or before is None or after is None:
            return
        if "done" in before and before.get("nonce") != after.get("nonce"):
            self.violated(f"the confirmed effect {key.pk} {key.sk} was begun again")

    def hourly(self) -> None:
        self._look()

    def final(self) -> None:
        self._look()

    def _look(self) -> None:
        keys_of: dict[tuple[str, str], set[str]] = defaultdict(set)
        paid: Counter[tuple[str, str]] = Counter()
        for effect, count in self.observed.received().items():
            keys_of[effect.kind, effect.to].add(effect.key)
            if effect.kind == "model":
                paid[effect.to, effect.key] += count
        welcomed = {each.address for each in self.observed.traffic.of("welcome-email")}
        deliveries = sum(1 for _ in self.observed.traffic.of("webhook-delivery"))
        for (kind, to), found in keys_of.items():
            if kind == "mail" and to in welcomed and len(found) > 1:
                self._report(f"{to} was welcomed {len(found)} times")
            if kind == "request" and ORGANIZATION in to and len(found) > deliveries:
                self._report(f"{to} received {len(found)} deliveries of {deliveries} events")
        for (to, key), count in paid.items():
            if count > 1 and not self._uncertain():
                self._report(f"the model {to} was paid {count} times for {key}")

    def _uncertain(self) -> bool:
        rows = self.world.dynamodb.shared_rows(STATE.name)
        return any(row["pk"]["S"].startswith("uncertain#") for row in rows)

    def _report(self, text: str) -> None:
        if all(each.text != text for each in self.violations):
            self.violated(text)
