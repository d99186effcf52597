"""EventBridge's schedule expressions: `cron` with six fields, `rate` and `at`.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from shared.job.schedule import in_utc
from shared.text.whole_number import is_whole_number

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
NAMES = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}
YEARS = range(1970, 2200)


class ExpressionError(ValueError):
    """AWS would refuse the expression."""


def next_after(expression: str, moment: datetime, zone: str = "UTC") -> datetime | None:
    """First time after `moment`, in UTC; None if there is none."""
    kind, _, inner = expression.strip().removesuffix(")").partition("(")
    if not expression.strip().endswith(")") or kind not in ("cron", "rate", "at"):
        raise ExpressionError(f"{expression!r} is neither cron(...), rate(...) nor at(...)")
    if kind == "rate":
        return _next_of_rate(inner, moment)
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ExpressionError(f"{zone!r} is not a time zone") from error
    if kind == "at":
        once = datetime.fromisoformat(inner).replace(tzinfo=place).astimezone(UTC)
        return once if once > moment else None
    local = moment.astimezone(place).replace(tzinfo=None)
    return next(in_utc(_cron(inner, local), place, moment), None)


def _next_of_rate(text: str, moment: datetime) -> datetime:
    # Counted from 1970, on AWS from the rule's creation: a restart must not shift it.
    match = re.fullmatch(r"([1-9][0-9]{0,8}) (minute|hour|day)(s?)", text.strip())
    if not match or (match[1] == "1") == bool(match[3]):
        raise ExpressionError(f"rate({text}): a whole number and its unit, as in rate(1 hour) and rate(5 minutes)")
    step = int(match[1]) * UNITS[match[2]]
    return EPOCH + ((moment - EPOCH) // step + 1) * step


def _cron(text: str, after: datetime) -> Iterator[datetime]:
    """Wall clock times later than `after`, both naive."""
    sim, fits, years = _parsed(" ".join(text.split()).upper())
    try:
        for wall in CronSim(sim, after):
            if wall.year > max(years):
                return
            if wall.year in years and fits(wall.date()):
                yield wall
    except CronSimError as error:
        raise ExpressionError(f"cron({text}): {error}") from error


@lru_cache(maxsize=4096)
def _parsed(text: str) -> tuple[str, Callable[[date], bool], frozenset[int]]:
    """Fields for cronsim, a condition on the day that it lacks, years."""
    fields = text.split()
    if len(fields) != 6:
        raise ExpressionError(f"cron({text}) has {len(fields)} fields; minute hour day month weekday year are six")
    minute, hour, day, month, weekday, year = fields
    if (day == "?") == (weekday == "?"):
        raise ExpressionError(f"cron({text}): exactly one of day of month and day of week is ?")
    near = re.fullmatch(r"([0-9]{1,2})W", day)
    days = "*" if day == "?" or near else day
    weekdays = "*" if weekday == "?" else ",".join(_weekday(part, text) for part in weekday.split(","))
    fits = partial(_is_nearest_weekday, int(near[1])) if near else _any_day
    return f"{minute} {hour} {days} {month} {weekdays}", fits, _years(year, text)


def _weekday(part: str, text: str) -> str:
    """Convert EventBridge's weekdays, 1 to 7, to cronsim's 0 to 6."""
    if part in ("*", "L"):
        return "*" if part == "*" else "6"

    def shifted(match: re.Match[str]) -> str:
        number = NAMES.get(match[0]) or (int(match[0]) if is_whole_number(match[0]) else 0)
        if not 1 <= number <= 7:
            raise ExpressionError(f"cron({text}): day of week {match[0]} is not between 1 (Sunday) and 7")
        return str(number - 1)

    head, mark, occurrence = part.partition("#")
    return re.sub(r"[A-Z]{3}|[0-9]+", shifted, head) + mark + occurrence


def _years(text: str, whole: str) -> frozenset[int]:
    years: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        try:
            first = YEARS.start if low == "*" else int(low)
            last = YEARS.stop - 1 if low == "*" or (step and not high) else int(high or low)
            years.update(range(first, last + 1, int(step or 1)))
        except ValueError:
            raise ExpressionError(f"cron({whole}): year {text} is not between 1970 and 2199") from None
    if not years or min(years) not in YEARS or max(years) not in YEARS:
        raise ExpressionError(f"cron({whole}): year {text} is not between 1970 and 2199")
    return frozenset(years)


def _any_day(_: date) -> bool:
    return True


def _is_nearest_weekday(target: int, day: date) -> bool:
    """Whether `day` is the weekday nearest to day `target` of its month."""
    last = monthrange(day.year, day.month)[1]
    if target > last:
        return False
    weekday = day.replace(day=target).weekday()
    shift = 0
    if weekday == 5:
        shift = -1 if target > 1 else 2
    elif weekday == 6:
        shift = 1 if target < last else -2
    return day.day == target + shift
