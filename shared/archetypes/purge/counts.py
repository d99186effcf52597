"""What one run of a purge has deleted, warned about and left."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class PurgeCounts:
    """What a run has done. left: how many more it may take on; more: whether there is more; taken: rows looked at."""

    left: int
    more: bool = False
    taken: int = 0
    counts: Counter[str] = field(default_factory=Counter)
