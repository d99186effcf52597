"""Waves of a canary that an operator releases one by one.

The state is that of the letters' rows: nothing else is stored, so a wave that another operator sent counts too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.dead_letters.letter import RESOLVED, DeadLetter

# One, then ten, then the rest; the rest in parts that one request can send.
FIRST, SECOND, LARGEST = 1, 10, 100


@dataclass(frozen=True, slots=True)
class CanaryWaves:
    """How far the retries of a group have come."""

    #: Letters that can be sent: open, the oldest first.
    open_letters: tuple[DeadLetter, ...]
    resolved: int
    retrying: int
    #: Failed again after a retry, with the same error.
    repeated: int

    @property
    def waiting(self) -> int:
        return len(self.open_letters)

    @property
    def stopped(self) -> str:
        """Why no larger wave may be sent; else empty."""
        if self.retrying:
            return ""
        if self.repeated:
            return f"{self.repeated} failed again with the same error: retry one after the cause is mended."
        return ""

    @property
    def next_size(self) -> int:
        """Size of the next wave; 0 while one is in progress."""
        if self.retrying or not self.waiting:
            return 0
        if self.stopped or not self.resolved:
            return FIRST
        return min(self.waiting, SECOND if self.resolved <= FIRST else LARGEST)

    @property
    def wave(self) -> tuple[DeadLetter, ...]:
        """The letters of the next wave."""
        return self.open_letters[: self.next_size]


def of(letters: Sequence[DeadLetter], now: str) -> CanaryWaves:
    """The state of a group. now: timestamp."""
    retrying = [letter for letter in letters if letter.is_retrying(now)]
    opened = [letter for letter in letters if letter.state != RESOLVED and letter not in retrying]
    return CanaryWaves(
        # Those that have failed again are the last: a mended cause shows at the others.
        tuple(sorted(opened, key=lambda letter: (letter.failed_redrives, letter.at))),
        sum(letter.state == RESOLVED for letter in letters),
        len(retrying),
        _repeated_since_success(letters, opened),
    )


def _repeated_since_success(letters: Sequence[DeadLetter], opened: Sequence[DeadLetter]) -> int:
    """Letters that failed again later than the last one was resolved."""
    last = max((str(letter.row.get("resolvedAt", "")) for letter in letters), default="")
    return sum(bool(letter.failed_redrives) and letter.failed_at > last for letter in opened)
