"""Fields of a Unix cron expression, and EventBridge's form of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# `int` and `isdecimal` take the digits of every script, cron takes ASCII.
NUMBER = re.compile(r"[0-9]{1,4}")


class ScheduleError(ValueError):
    """An invalid cron expression, or one that never fires."""


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()

    def parse(self, text: str) -> frozenset[int]:
        """Values of `*`, `5`, `1-5`, `*/15`, `3-59/15`, and lists of them."""
        values: set[int] = set()
        for part in text.split(","):
            span, slash, step = part.partition("/")
            if slash and (not NUMBER.fullmatch(step) or int(step) == 0):
                raise ScheduleError(f"{self.name} {text!r}: the step {step!r} is not a whole number above 0")
            if slash and int(step) > self.high - self.low + 1:
                # Crons accept it, and fire once in each round of the field.
                raise ScheduleError(f"{self.name} {text!r}: the step {step} is larger than the field; name one value")
            first, dash, last = span.partition("-")
            if span == "*":
                low, high = self.low, self.high
            else:
                low = self.value(first, text)
                high = self._end(last, low, text) if dash else (self.high if step else low)
            if low > high:
                raise ScheduleError(f"{self.name} {text!r}: {span} runs backwards")
            values.update(range(low, high + 1, int(step or 1)))
        return frozenset(values)

    def value(self, text: str, whole: str) -> int:
        if text.lower() in self.words:
            return self.words.index(text.lower()) + self.low
        if not NUMBER.fullmatch(text) or not self.low <= int(text) <= self.high:
            raise ScheduleError(f"{self.name} {whole!r}: {text!r} is not between {self.low} and {self.high}")
        return int(text)

    def _end(self, text: str, first: int, whole: str) -> int:
        """Value of a range's end; `sun` ends a week as day 7."""
        value = self.value(text, whole)
        return self.high if first > 0 and text.lower() == DAYS[0] and self.words is DAYS else value

    def eventbridge(self, values: frozenset[int], shift: int = 0) -> str:
        """Shortest EventBridge field with exactly these values.

        `*`, `start/step` or a list of ranges.
        """
        ordered = sorted(values)
        if len(ordered) == self.high - self.low + 1:
            return "*"
        if len(ordered) > 2:
            step = ordered[1] - ordered[0]
            if ordered == list(range(ordered[0], self.high + 1, step)) and step > 1:
                return f"{ordered[0] + shift}/{step}"
        return values_text(frozenset(value + shift for value in values))


MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY = Field("day of month", 1, 31)
MONTH = Field("month", 1, 12, MONTHS)
# 7 is Sunday too in Unix cron.
WEEKDAY = Field("day of week", 0, 7, DAYS)


def _ranges(ordered: list[int]) -> Iterator[tuple[int, int]]:
    start = previous = ordered[0]
    for value in [*ordered[1:], -2]:
        if value != previous + 1:
            yield start, previous
            start = value
        previous = value


def values_text(values: frozenset[int]) -> str:
    """`1-5,7` for these values."""
    return ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in _ranges(sorted(values)))
