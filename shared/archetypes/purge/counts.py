"""Counts of one purge run, by what happened to each row."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class PurgeCounts:
    """Progress of one run."""

    left: int
    """Rows that the run may still act on."""
    more: bool = False
    """Whether expired rows are left."""
    taken: int = 0
    """Rows that the run has read."""
    words: Counter[str] = field(default_factory=Counter)
    """Rows by outcome word."""
