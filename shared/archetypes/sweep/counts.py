"""Counts of one sweep run, by outcome of each item."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class SweepCounts:
    """Progress of one run."""

    left: int
    """Items that the run may still read."""
    ended: int = 0
    """Items that the run has finished with."""
    more: bool = False
    """Whether due items are left."""
    words: Counter[str] = field(default_factory=Counter)
    """Items by outcome word."""
