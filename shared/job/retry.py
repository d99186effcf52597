"""Retry policies as data (catalogue, section 6)."""

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
    "say 'exponential 2s, 4 attempts', 'linear 5s, 4 attempts', 'fixed 1s, 2 attempts', 'explicit 1s 5s 1m' or 'none'"
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Seconds to wait before the second attempt, the third, and so on. The first attempt counts as one."""

    kind: str
    delays: tuple[int, ...]

    @property
    def attempts(self) -> int:
        return len(self.delays) + 1

    def delay(self, attempt: int) -> int | None:
        """The least number of seconds between `attempt` (1 is the first) and the next; None when used up."""
        return self.delays[attempt - 1] if 1 <= attempt <= len(self.delays) else None

    def jittered(self, attempt: int, chance: random.Random | None = None) -> int | None:
        """The delay with up to 10 % on top, in whole seconds, so that a crowd of failures does not return as one."""
        delay = self.delay(attempt)
        if delay is None:
            return None
        extra = (chance or random).uniform(0, delay * JITTER)
        return min(delay + round(extra), max(delay, LONGEST_RUN_DELAY))

    def __str__(self) -> str:
        """As `parse` reads it."""
        if not self.delays:
            return "none"
        told = self.delays if self.kind == "explicit" else self.delays[:1]
        return f"{self.kind} {' '.join(map(_text, told))}, {self.attempts} attempts"


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
    """`exponential 2s, 4 attempts`; of `explicit` the attempts need not be said. Raises ValueError."""
    words = " ".join(text.lower().split())
    if words == "none":
        return NO_RETRY
    found = re.fullmatch(r"([a-z]+)((?: \d+[dhms])+)(?: ?, ?(\d{1,2}) attempts?)?", words, re.ASCII)
    if not found or found[1] not in ("exponential", "linear", "fixed", "explicit"):
        raise ValueError(ACCEPTED)
    kind, delays = found[1], tuple(int(duration.parse(word).total_seconds()) for word in found[2].split())
    retries = int(found[3]) - 1 if found[3] else len(delays)
    if kind == "explicit":
        if retries != len(delays):
            raise ValueError(f"{len(delays)} delays are {len(delays) + 1} attempts, the first one included")
        return explicit(*delays)
    if len(delays) > 1 or not found[3]:
        raise ValueError(ACCEPTED)
    if retries < 1:
        raise ValueError("a retry needs 2 attempts or more; without any, say 'none'")
    return _derived(kind, delays[0], retries)


def _derived(kind: str, seconds: int, retries: int) -> RetryPolicy:
    if kind == "exponential":
        return exponential(first=seconds, retries=retries)
    if kind == "linear":
        return linear(step=seconds, retries=retries)
    return fixed(delay=seconds, retries=retries)


def _policy(kind: str, delays: tuple[int, ...]) -> RetryPolicy:
    return RetryPolicy(kind, delays) if delays else NO_RETRY


def _text(seconds: int) -> str:
    return duration.text(timedelta(seconds=seconds)) if seconds else "0s"
