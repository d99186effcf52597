"""Retry policies as data (catalogue, section 6)."""

from __future__ import annotations

import random
from dataclasses import dataclass

# SQS delays a message by 15 minutes at most, and jitter is added to the delay.
LONGEST_RUN_DELAY = 900
JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Policy:
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
        return f"{self.attempts} attempts, {self.kind}: {', '.join(map(_span, self.delays))}" if self.delays else "none"


def _span(seconds: int) -> str:
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def exponential(*, first: int, retries: int) -> Policy:
    return Policy("exponential", tuple(first * 2**n for n in range(retries)))


def linear(*, step: int, retries: int) -> Policy:
    return Policy("linear", tuple(step * n for n in range(1, retries + 1)))


def fixed(*, delay: int, retries: int) -> Policy:
    return Policy("fixed", (delay,) * retries)


def explicit(*delays: int) -> Policy:
    return Policy("explicit", delays)


NONE = Policy("none", ())
DEFAULT = exponential(first=2, retries=3)
EMAIL = exponential(first=5, retries=2)
EXTERNAL_API = exponential(first=2, retries=2)
DATABASE = fixed(delay=1, retries=1)
LLM = exponential(first=10, retries=2)
WEBHOOK = exponential(first=30, retries=4)
AUDIT = USAGE = exponential(first=1, retries=5)
NOTIFICATIONS = linear(step=5, retries=3)
AUTO_ACTIONS = exponential(first=1, retries=3)
MAINTENANCE = NONE
PLUGIN = exponential(first=2, retries=2)

# Per item, kept as `next_attempt_at` and swept every minute; they never ride on a queue's delay.
FORWARDING_ITEM = explicit(1 * 3600, 6 * 3600, 24 * 3600, 48 * 3600)
WEBHOOK_ITEM = explicit(60, 5 * 60, 30 * 60, 2 * 3600)
