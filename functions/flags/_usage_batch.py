"""A batch of usage: its counters, in pieces for one write each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.flags import _periods
from functions.flags._messages import UsageIngestion, require_not_ahead
from shared.job import Rejected
from shared.product.organization_notification import digest

# Counted batches are remembered for longer: a queue keeps a message for 14 days, a dead letter can be redriven for 37.
OLDEST = timedelta(days=60)
# Counters per write: an expression has at most 4,096 bytes and 300 operators.
MAX_COUNTERS = 99


class TooOld(Rejected):
    """Whether the batch was counted already is not known any longer."""


@dataclass(frozen=True, slots=True)
class UsageBatch:
    """The units that a batch adds to the counters of an organization."""

    id: str
    #: Units by `<period>#<feature>`, split by size alone: the same content has the same pieces.
    pieces: Sequence[Mapping[str, int]]
    #: Hash of the content: an id is only continued with the content that it began with.
    content: str

    @property
    def counts(self) -> dict[str, int]:
        return {name: units for piece in self.pieces for name, units in piece.items()}


def read(payload: UsageIngestion, now: datetime) -> UsageBatch:
    """Add up the events of a batch.

    Raises Rejected for timestamps that cannot be counted.
    """
    counts = Counter[str]()
    for number, event in enumerate(payload.events):
        require_not_ahead(event.at, now, f"events.{number}.at")
        if event.at < now - OLDEST:
            raise TooOld(f"events.{number}.at is more than {OLDEST.days} days ago")
        for kind in _periods.KINDS:
            counts[f"{_periods.name(kind, event.at)}#{event.feature}"] += event.amount
    # By feature and month, so that a piece changes few rows.
    names = sorted(counts, key=lambda name: (feature_of(name), name))
    pieces = [
        {name: counts[name] for name in names[start : start + MAX_COUNTERS]}
        for start in range(0, len(names), MAX_COUNTERS)
    ]
    return UsageBatch(payload.batch_id, pieces, digest(json.dumps(sorted(counts.items()))))


def feature_of(counter: str) -> str:
    return counter.partition("#")[2]


def period_of(counter: str) -> str:
    return counter.partition("#")[0]


def month_of(counter: str) -> str:
    """Return the month whose row has a counter."""
    return counter[:7]
