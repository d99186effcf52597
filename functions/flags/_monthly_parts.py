"""The part of a usage batch that is counted in one month.

Most batches have one part, those around the end of a month two.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from functions.flags import _periods
from functions.flags._messages import UsageIngestion, require_not_ahead
from shared.job import Rejected

# Counted batches are remembered for longer: a queue keeps a message for 14 days, a dead letter can be redriven for 37.
OLDEST = timedelta(days=60)
# An update expression has at most 300 operators.
MAX_COUNTERS = 150
# Bytes of the hash: two of a million batches of a month collide with a probability of 1 in 10 billion.
HASH_BYTES = 9


class TooOld(Rejected):
    """Whether the batch was counted already is not known any longer."""


class TooWide(Rejected):
    """The batch changes more counters than one write can."""


@dataclass(frozen=True, slots=True)
class MonthlyPart:
    """The units that a batch adds to the counters of a month."""

    month: str
    #: `<day><hour>` of its newest event, and a hash of the batch's id.
    id: str
    #: Units by `<period>#<feature>`.
    counts: Mapping[str, int]


def hour_of(month: str, part_id: str) -> str:
    """Return the hour under which the id of a part is stored."""
    return f"{month}-{part_id[:2]}T{part_id[2:4]}"


def split(payload: UsageIngestion, now: datetime) -> list[MonthlyPart]:
    """Split a batch by month.

    Raises Rejected for timestamps that cannot be counted.
    """
    counts: dict[str, Counter[str]] = {}
    newest: dict[str, datetime] = {}
    for number, event in enumerate(payload.events):
        require_not_ahead(event.at, now, f"events.{number}.at")
        if event.at < now - OLDEST:
            raise TooOld(f"events.{number}.at is more than {OLDEST.days} days ago")
        month = _periods.name(_periods.MONTH, event.at)
        newest[month] = max(event.at, newest.get(month, event.at))
        for kind in _periods.KINDS:
            counts.setdefault(month, Counter())[f"{_periods.name(kind, event.at)}#{event.feature}"] += event.amount
    hashed = base64.urlsafe_b64encode(hashlib.sha256(payload.batch_id.encode()).digest()[:HASH_BYTES]).decode()
    parts = []
    for month, of_month in counts.items():
        if len(of_month) > MAX_COUNTERS:
            raise TooWide(
                f"the batch changes {len(of_month)} counters of features, hours and days; the maximum is "
                f"{MAX_COUNTERS}, so send it in parts"
            )
        parts.append(MonthlyPart(month, f"{newest[month].astimezone(UTC):%d%H}{hashed}", of_month))
    return parts
