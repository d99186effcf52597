"""Ratios of ways that are measured in turn, with confidence intervals.

A loaded machine slows the ways of one round alike, so each ratio is taken within a round. A bound is missed only where
the whole interval is beyond it: noise widens the interval, and does not fail a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median of the rounds' ratios, and its interval of 95 % confidence."""

    median: float
    low: float
    high: float
    rounds: int

    def below(self, least: float) -> bool:
        """Whether it is certainly less than `least`."""
        return self.high < least

    def above(self, most: float) -> bool:
        """Whether it is certainly more than `most`."""
        return self.low > most

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def interleaved(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure each way once a round.

    Rounds begin with another way in turn.
    """
    found: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(ways[name]())
    return found


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Ratio of two ways, measured in the same rounds."""
    return of_samples([one / other for one, other in zip(ours, theirs, strict=True)])


def of_samples(values: Sequence[float]) -> Ratio:
    """Median with the interval of the order statistics, for any distribution.

    Fewer than six values do not determine it: then it is their whole range.
    """
    ordered = sorted(values)
    left_out = _ranks_outside(len(ordered))
    return Ratio(median(ordered), ordered[left_out], ordered[-1 - left_out], len(ordered))


def _ranks_outside(count: int) -> int:
    """Values to leave out on each side.

    The most that keep CONFIDENCE that the median is between the others.
    """
    below, left_out = 0.0, 0
    while True:
        below += math.comb(count, left_out) / 2**count
        if below > (1 - CONFIDENCE) / 2:
            return max(0, left_out - 1)
        left_out += 1
