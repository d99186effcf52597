"""Retention of run history: a named class, or ages and counts.

Requirement PF-21.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from shared.job import duration

# The ledger reads the rows of an hour at once, and is itself retained for 90 days.
SHORTEST, LONGEST = timedelta(hours=1), timedelta(days=90)
# Every retained row is read once an hour.
MAX_COUNT = 100_000
# How long the TTL leaves a row beyond its age. run-retention deletes it at its age, once the ledger has its tick.
# Without the reserve a row could expire while the reconciler cannot run, and a tick that ran would look missed.
RESERVE = timedelta(days=3)
ACCEPTED = "use high-volume, standard, critical, or ages and counts: 'completed 1d 1000, failed 7d 5000'"


@dataclass(frozen=True, slots=True)
class Limit:
    """Limits of the retained rows; both apply."""

    age: timedelta
    """Age at which a row is deleted."""
    count: int
    """Number of newest rows that are retained."""

    @property
    def expires(self) -> timedelta:
        """Age at which the TTL deletes a row that run-retention has not."""
        return self.age + RESERVE

    def __str__(self) -> str:
        return f"{duration.text(self.age)} {self.count}"


@dataclass(frozen=True, slots=True)
class Retention:
    """Limits for successful runs, and for all others."""

    completed: Limit
    failed: Limit

    def of(self, ok: bool) -> Limit:
        return self.completed if ok else self.failed

    def __str__(self) -> str:
        return f"completed {self.completed}, failed {self.failed}"


CLASSES = {
    "high-volume": Retention(Limit(duration.hours(1), 100), Limit(duration.days(1), 1000)),
    "standard": Retention(Limit(duration.days(1), 1000), Limit(duration.days(7), 5000)),
    "critical": Retention(Limit(duration.days(7), 10_000), Limit(duration.days(30), 10_000)),
}


@lru_cache(maxsize=256)
def read(text: str) -> Retention:
    """`standard`, or `completed 1d 1000, failed 7d 5000`. Raises ValueError."""
    words = " ".join(text.lower().split())
    if words in CLASSES:
        return CLASSES[words]
    match = re.fullmatch(
        r"completed ([0-9]{1,9}[dhms]) ([0-9]{1,9}) ?, ?failed ([0-9]{1,9}[dhms]) ([0-9]{1,9})", words, re.ASCII
    )
    if not match:
        raise ValueError(ACCEPTED)
    completed, failed = _limit("completed", *match.groups()[:2]), _limit("failed", *match.groups()[2:])
    if failed.age < completed.age:
        # Success rates are computed over a period from which all rows are retained.
        raise ValueError("failed runs must be retained at least as long as completed ones")
    return Retention(completed, failed)


def checked(text: str) -> str:
    """The same text if it is valid. Raises ValueError."""
    read(text)
    return text


def _limit(which: str, age: str, count: str) -> Limit:
    limit = Limit(duration.parse(age), int(count))
    if not SHORTEST <= limit.age <= LONGEST:
        raise ValueError(f"{which} {age}: {duration.text(SHORTEST)} to {duration.text(LONGEST)} are possible")
    if not 1 <= limit.count <= MAX_COUNT:
        raise ValueError(f"{which} {count}: 1 to {MAX_COUNT} rows are possible")
    return limit
