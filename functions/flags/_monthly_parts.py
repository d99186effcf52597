"""What a batch of usage adds to the counters of a month: most batches have one such share, those at its end two."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from functions.flags import _periods
from functions.flags._messages import UsageIngestion, not_ahead
from shared.job.outcome import Rejected

# Batches are remembered for longer: a queue keeps a message for 14 days, and a dead letter may be sent again for 37.
OLDEST = timedelta(days=60)
# An update's expression takes 300 operators.
MOST_COUNTERS = 150
# Of a hash, in bytes: among a million batches of a month two share it with a chance of 1 in 10 billion.
HASHED = 9


class TooOld(Rejected):
    """Nobody knows any more whether it was counted."""


class TooWide(Rejected):
    """It touches more counters than one write can."""


@dataclass(frozen=True, slots=True)
class Share:
    """id: `<day><hour>` of its newest event, and a hash of the batch's id. counts: by `<period>#<feature>`."""

    month: str
    id: str
    counts: Mapping[str, int]

    @property
    def slot(self) -> str:
        return slot(self.month, self.id)


def slot(month: str, share: str) -> str:
    """The hour under which it is remembered."""
    return f"{month}-{share[:2]}T{share[2:4]}"


def of(payload: UsageIngestion, now: datetime) -> list[Share]:
    """The batch in parts, one for each month. Raises Rejected for instants that cannot be counted."""
    counts: dict[str, Counter[str]] = {}
    newest: dict[str, datetime] = {}
    for number, event in enumerate(payload.events):
        not_ahead(event.at, now, f"events.{number}.at")
        if event.at < now - OLDEST:
            raise TooOld(f"events.{number}.at is more than {OLDEST.days} days ago")
        month = _periods.name(_periods.MONTH, event.at)
        newest[month] = max(event.at, newest.get(month, event.at))
        for kind in _periods.KINDS:
            counts.setdefault(month, Counter())[f"{_periods.name(kind, event.at)}#{event.feature}"] += event.amount
    hashed = base64.urlsafe_b64encode(hashlib.sha256(payload.batch_id.encode()).digest()[:HASHED]).decode()
    shares = []
    for month, found in counts.items():
        if len(found) > MOST_COUNTERS:
            raise TooWide(
                f"{len(found)} counters of features, hours and days; {MOST_COUNTERS} are the most, send parts"
            )
        shares.append(Share(month, f"{newest[month].astimezone(UTC):%d%H}{hashed}", found))
    return shares
