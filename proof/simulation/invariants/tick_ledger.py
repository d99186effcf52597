"""Invariant: the ledger has the true outcome of each tick."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from proof.simulation.invariants.invariant import Invariant, Observed
from shared import clock
from shared.ledger import daily, expected_since
from shared.ledger.ledger import TickOutcome

if TYPE_CHECKING:
    from proof.world.dynamodb.attribute_values import Item
    from proof.world.dynamodb.keys import Key

# Age of a tick from which the ledger must have its outcome, after the disturbances.
SETTLED = timedelta(hours=1)
# Outcomes of which none is an answer.
SILENT = (TickOutcome.UNKNOWN, TickOutcome.AWAITED)
DONE = (TickOutcome.RAN, TickOutcome.LATE)


class TickLedger(Invariant):
    """Each expected tick ran, was refused, was lost or was missed."""

    name = "tick ledger"

    def __init__(self, observed: Observed) -> None:
        super().__init__(observed)
        #: Ticks whose success was written to the claim item, by status key of the job.
        self.done: dict[str, set[datetime]] = {}

    def changed(self, key: Key, before: Item | None, after: Item | None) -> None:
        if after is None or not key.pk.endswith(":last") or key.sk != "-":
            return
        last = after.get("last", {}).get("S", "")
        if last != (before or {}).get("last", {}).get("S", "") and last.endswith("#00"):
            self.done.setdefault(key.pk.removesuffix(":last"), set()).add(clock.parse(last.partition("#")[0]))

    def final(self) -> None:
        entries = self.world.entries()
        until = self.world.clock.now() - SETTLED
        with self.world.operator.cloud() as cloud:
            since = expected_since.read(cloud)
            for job, fired in self.observed.rules.fired.items():
                first = expected_since.since(since, job)
                if first is None:
                    self.violated(f"no tick of {job} is expected, though it has a schedule")
                    continue
                found = daily.read(cloud, job, entries[job], min(fired, default=first), until)
                for tick in sorted(fired):
                    if first <= tick < until:
                        record = found.get(tick)
                        self._judge(job, tick, fired[tick], record.outcome if record else None)

    def _judge(self, job: str, tick: datetime, deliveries: int, outcome: TickOutcome | None) -> None:
        at, ran = clock.minute(tick), tick in self.done.get(self.world.jobs[job].key, ())
        if outcome is None or outcome in SILENT:
            self.violated(f"the tick {at} of {job}, delivered {deliveries} times, is {outcome or 'not in the ledger'}")
        elif ran and outcome not in DONE:
            self.violated(f"the tick {at} of {job} was done, and the ledger says {outcome}")
        elif outcome in DONE and not ran:
            self.violated(f"the tick {at} of {job} was not done, and the ledger says {outcome}")
