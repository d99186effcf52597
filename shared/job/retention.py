"""How much of a job's run history is kept: a class, or ages and counts of its own (catalogue, PF-21)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from shared.job import duration

# The ledger folds the rows of an hour at once, and itself remembers for 90 days.
SHORTEST, LONGEST = timedelta(hours=1), timedelta(days=90)
# Each hour, every row that stays is read once.
MOST = 100_000
ACCEPTED = "say high-volume, standard, critical, or ages and counts as in 'completed 1d 1000, failed 7d 5000'"


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows younger than `age`, the newest `count` of them: both hold."""

    age: timedelta
    count: int

    def __str__(self) -> str:
        return f"{duration.text(self.age)} {self.count}"


@dataclass(frozen=True, slots=True)
class Retention:
    """Of runs that ended well, and of those that did not."""

    completed: Kept
    failed: Kept

    def of(self, ok: bool) -> Kept:
        return self.completed if ok else self.failed

    def __str__(self) -> str:
        return f"completed {self.completed}, failed {self.failed}"


CLASSES = {
    "high-volume": Retention(Kept(duration.hours(1), 100), Kept(duration.days(1), 1000)),
    "standard": Retention(Kept(duration.days(1), 1000), Kept(duration.days(7), 5000)),
    "critical": Retention(Kept(duration.days(7), 10_000), Kept(duration.days(30), 10_000)),
}


@lru_cache(maxsize=256)
def read(text: str) -> Retention:
    """`standard`, or `completed 1d 1000, failed 7d 5000`. Raises ValueError."""
    words = " ".join(text.lower().split())
    if words in CLASSES:
        return CLASSES[words]
    found = re.fullmatch(r"completed (\d+[dhms]) (\d+) ?, ?failed (\d+[dhms]) (\d+)", words, re.ASCII)
    if not found:
        raise ValueError(ACCEPTED)
    completed, failed = _kept("completed", *found.groups()[:2]), _kept("failed", *found.groups()[2:])
    if failed.age < completed.age:
        # Success rates are counted over a time from which all rows are there.
        raise ValueError("failed runs must be kept at least as long as completed ones")
    return Retention(completed, failed)


def checked(text: str) -> str:
    """The same text, where it can be read."""
    read(text)
    return text


def _kept(which: str, age: str, count: str) -> Kept:
    kept = Kept(duration.parse(age), int(count))
    if not SHORTEST <= kept.age <= LONGEST:
        raise ValueError(f"{which} {age}: {duration.text(SHORTEST)} to {duration.text(LONGEST)} are possible")
    if not 1 <= kept.count <= MOST:
        raise ValueError(f"{which} {count}: 1 to {MOST} rows are possible")
    return kept
