"""What a job may do and cost in a day or a month: declared, and said otherwise by `<ENV>_BUDGET`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.job.settings import Setting

ITEMS, MICROS = "items", "micros"
# Money is counted in millionths of a dollar, so that sums are exact.
MICRO = 1_000_000
# How a period is written; later ones are greater as text.
PERIODS = {"day": "%Y-%m-%d", "month": "%Y-%m"}
# A claim item has room for no longer text.
MOST_ITEMS, MOST_DOLLARS = 10**9, 10**6
TEXT = re.compile(r"(?:(\d+) items?)?(?:(?<=s|m), )?(?:(\d+(?:\.\d+)?) dollars?)? per (\w+)")
FORM = "'1000 items per day', '2.50 dollars per month', or '1000 items, 2.50 dollars per day'"


@dataclass(frozen=True, slots=True)
class Budget:
    """items: pieces of work, dollars: what they cost, both as the job tells `tick.spend`. per: day or month, of UTC."""

    items: int | None = None
    dollars: float | None = None
    per: str = "day"

    def __str__(self) -> str:
        parts = [told(unit, limit) for unit, limit in self.limits.items()]
        return f"{', '.join(parts)} per {self.per}"

    @property
    def limits(self) -> dict[str, int]:
        """Of those units that are bounded: items, and micros, millionths of a dollar."""
        found = {ITEMS: self.items, MICROS: None if self.dollars is None else round(self.dollars * MICRO)}
        return {unit: limit for unit, limit in found.items() if limit is not None}

    @property
    def fault(self) -> str:
        """What is wrong with it, as a sentence; empty where nothing is."""
        if self.per not in PERIODS:
            return f"per is {self.per!r}; say day or month"
        if self.items is None and self.dollars is None:
            return "bounds nothing; say items, dollars, or both"
        if self.items is not None and not 1 <= self.items <= MOST_ITEMS:
            return f"items is {self.items}; say 1 to {MOST_ITEMS}"
        if self.dollars is not None and not 1 / MICRO <= self.dollars <= MOST_DOLLARS:
            return f"dollars is {self.dollars}; say 0.000001 to {MOST_DOLLARS}"
        return ""

    def share(self, count: int) -> Budget:
        """An equal part of it; at least the smallest there is."""
        if count == 1:
            return self
        parts = {unit: max(1, limit // count) for unit, limit in self.limits.items()}
        dollars = parts[MICROS] / MICRO if MICROS in parts else None
        return Budget(parts.get(ITEMS), dollars, self.per)

    def period(self, now: datetime) -> str:
        """`2026-11-22`, or `2026-11`."""
        return now.strftime(PERIODS[self.per])

    def setting(self, env: str, name: str) -> Setting:
        meaning = (
            f"Most that {name} works on and pays for: items, dollars or both per day or month; docs/operate/pauses.md"
        )
        return Setting(f"{env}_BUDGET", str(self), meaning, parse)


def parse(text: str) -> Budget:
    """`1000 items, 2.50 dollars per day`. Raises ValueError."""
    found = TEXT.fullmatch(" ".join(text.split()))
    if not found:
        raise ValueError(f"say it as in {FORM}")
    items, dollars, per = found.groups()
    made = Budget(int(items) if items else None, float(dollars) if dollars else None, per)
    if made.fault:
        raise ValueError(made.fault)
    return made


def told(unit: str, amount: int) -> str:
    """`1000 items`, `2.5 dollars`."""
    if unit == ITEMS:
        return f"{amount} items"
    return f"{amount / MICRO:.6f}".rstrip("0").rstrip(".") + " dollars"


def figures(spent: Mapping[str, int], limits: Mapping[str, int]) -> str:
    """`1004 of 1000 items, 0.31 of 5 dollars`."""
    return ", ".join(f"{told(unit, spent[unit]).split()[0]} of {told(unit, limit)}" for unit, limit in limits.items())


def end(period: str) -> datetime:
    """The first instant after it."""
    first = datetime.fromisoformat(f"{period}-01"[:10] + "T00:00:00+00:00")
    if len(period) == len("2026-11-22"):
        return first + timedelta(days=1)
    return (first + timedelta(days=31)).replace(day=1)
