"""Retry policies as data (PF-16)."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import timedelta

from shared.job import duration

# SQS delays a message by 15 minutes at most, and jitter is added to the delay.
LONGEST_RUN_DELAY = 900
JITTER = 0.1
ACCEPTED = (
    "use 'exponential 2s, 4 attempts', 'linear 5s, 4 attempts', 'fixed 1s, 2 attempts', 'explicit 1s 5s 1m' or 'none'"
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Delays between the attempts of a run, a message or an item."""

    kind: str
    """exponential, linear, fixed, explicit or none."""
    delays: tuple[int, ...]
    """Seconds before the second attempt, the third, and so on."""

    @property
    def attempts(self) -> int:
        """Number of attempts, the first one included."""
        return len(self.delays) + 1

    def delay(self, attempt: int) -> int | None:
        """Minimum seconds between `attempt` (from 1) and the next one.

        None if there is no next one.
        """
        return self.delays[attempt - 1] if 1 <= attempt <= len(self.delays) else None

    def jittered(self, attempt: int, chance: random.Random | None = None) -> int | None:
        """The delay plus up to 10 % or a second.

        In whole seconds. The jitter spreads the retries of simultaneous failures.
        """
        delay = self.delay(attempt)
        if delay is None:
            return None
        # A second at least: 10 % of a short delay would always round to nothing.
        extra = (chance or random).uniform(0, max(1.0, delay * JITTER))
        return min(delay + round(extra), max(delay, LONGEST_RUN_DELAY))

    def __str__(self) -> str:
        """Text that `parse` reads."""
        if not self.delays:
            return "none"
        delays = self.delays if self.kind == "explicit" else self.delays[:1]
        return f"{self.kind} {' '.join(map(_text, delays))}, {self.attempts} attempts"


NO_RETRY = RetryPolicy("none", ())


def exponential(*, first: int, retries: int) -> RetryPolicy:
    return _policy("exponential", tuple(first * 2**n for n in range(retries)))


def linear(*, step: int, retries: int) -> RetryPolicy:
    return _policy("linear", tuple(step * n for n in range(1, retries + 1)))


def fixed(*, delay: int, retries: int) -> RetryPolicy:
    return _policy("fixed", (delay,) * retries)


def explicit(*delays: int) -> RetryPolicy:
    return _policy("explicit", delays)


def parse(text: str) -> RetryPolicy:
    """`exponential 2s, 4 attempts`; `explicit` needs no number of attempts. Raises ValueError."""
    words = " ".join(text.lower().split())
    if words == "none":
        return NO_RETRY
    match = re.fullmatch(r"([a-z]+)((?: [0-9]{1,9}[dhms])+)(?: ?, ?([0-9]{1,2}) attempts?)?", words, re.ASCII)
    if not match or match[1] not in ("exponential", "linear", "fixed", "explicit"):
        raise ValueError(ACCEPTED)
    kind, delays = match[1], tuple(int(duration.parse(word).total_seconds()) for word in match[2].split())
    retries = int(match[3]) - 1 if match[3] else len(delays)
    if kind == "explicit":
        if retries != len(delays):
            raise ValueError(f"{len(delays)} delays are {len(delays) + 1} attempts, the first one included")
        return explicit(*delays)
    if len(delays) > 1 or not match[3]:
        raise ValueError(ACCEPTED)
    if retries < 1:
        raise ValueError("a retry needs 2 attempts or more; for no retries use 'none'")
    return _of_kind(kind, delays[0], retries)


def _of_kind(kind: str, seconds: int, retries: int) -> RetryPolicy:
    if kind == "exponential":
        return exponential(first=seconds, retries=retries)
    if kind == "linear":
        return linear(step=seconds, retries=retries)
    return fixed(delay=seconds, retries=retries)


def _policy(kind: str, delays: tuple[int, ...]) -> RetryPolicy:
    return RetryPolicy(kind, delays) if delays else NO_RETRY


def _text(seconds: int) -> str:
    return duration.text(timedelta(seconds=seconds)) if seconds else "0s"
