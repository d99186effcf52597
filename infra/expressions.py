"""EventBridge expressions of a job's schedules, and how often they fire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import pairwise, takewhile

from shared.job.definition import Job

WINDOW_START = datetime(2026, 1, 5, tzinfo=UTC)
WINDOW_END = WINDOW_START + timedelta(days=8)


def expressions(job: Job) -> list[tuple[str, str]]:
    """Expressions and their time zones.

    One Unix cron expression can need two of EventBridge's.
    """
    return [(form, schedule.zone) for schedule in job.schedules() for form in schedule.eventbridge()]


def longest_pause(job: Job) -> int:
    """Longest time in seconds between two ticks, over eight days in winter."""
    times = merge(*(schedule.after(WINDOW_START) for schedule in job.schedules()))
    ticks = [WINDOW_START, *takewhile(lambda tick: tick < WINDOW_END, times), WINDOW_END]
    return max(round((later - tick).total_seconds()) for tick, later in pairwise(ticks))


def ticks_a_month(expression: str) -> float:
    """Ticks of an EventBridge cron expression in an average month."""
    minute, hour, day, month, weekday, _ = expression.removeprefix("cron(").removesuffix(")").split()
    days = 365.25 / 12 * _share(month, 1, 12)
    days *= _share(day, 1, 31) if weekday == "?" else _share(weekday, 1, 7)
    return days * _count(hour, 0, 23) * _count(minute, 0, 59)


def _share(field: str, low: int, high: int) -> float:
    return _count(field, low, high) / (high - low + 1)


def _count(field: str, low: int, high: int) -> int:
    """Values of `*`, `5`, `1-5`, `3/15` and lists of them."""
    values: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        start = low if first == "*" else int(first)
        end = high if step or first == "*" else start
        values.update(range(start, (int(last) if dash else end) + 1, int(step or 1)))
    return len(values)
