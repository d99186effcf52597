"""Budget of a job: a limit on items or dollars.

The period is a day or a month. It is declared, or set by `<ENV>_BUDGET`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.job.setting import Setting

ITEMS, MICROS = "items", "micros"
# Dollars are counted in millionths, so that sums are exact.
MICRO = 1_000_000
# Format of each period's text, in which a later period is greater.
PERIODS = {"day": "%Y-%m-%d", "month": "%Y-%m"}
# Limits of a budget: the claim item has room for no longer text.
MAX_ITEMS, MAX_DOLLARS = 10**9, 10**6
TEXT = re.compile(
    r"(?:([0-9]{1,18}) items?)?(?:(?<=s|m), )?(?:([0-9]{1,12}(?:\.[0-9]{1,12})?) dollars?)? per ([a-z]{1,10})"
)
FORM = "'1000 items per day', '2.50 dollars per month', or '1000 items, 2.50 dollars per day'"


@dataclass(frozen=True, slots=True)
class Budget:
    """Limit per period, as the job reports its use by `run.spend`.

    At least one of items and dollars is set.
    """

    items: int | None = None
    """Items per period. Default: no limit."""
    dollars: float | None = None
    """Dollars per period. Default: no limit."""
    per: str = "day"
    """day or month, in UTC. Default: day."""

    def __str__(self) -> str:
        parts = [amount_text(unit, limit) for unit, limit in self.limits.items()]
        return f"{', '.join(parts)} per {self.per}"

    @property
    def limits(self) -> dict[str, int]:
        """Limit of each limited unit: items, and micros, millionths of a dollar."""
        limits = {ITEMS: self.items, MICROS: None if self.dollars is None else round(self.dollars * MICRO)}
        return {unit: limit for unit, limit in limits.items() if limit is not None}

    @property
    def fault(self) -> str:
        """The error in it; empty if it is valid."""
        if self.per not in PERIODS:
            return f"per is {self.per!r}; it must be day or month"
        if self.items is None and self.dollars is None:
            return "it limits nothing; set items, dollars, or both"
        if self.items is not None and not 1 <= self.items <= MAX_ITEMS:
            return f"items is {self.items}; it must be 1 to {MAX_ITEMS}"
        if self.dollars is not None and not 1 / MICRO <= self.dollars <= MAX_DOLLARS:
            return f"dollars is {self.dollars}; it must be 0.000001 to {MAX_DOLLARS}"
        return ""

    def share(self, count: int) -> Budget:
        """One of `count` equal parts, each at least the smallest valid budget."""
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
    match = TEXT.fullmatch(" ".join(text.split()))
    if not match:
        raise ValueError(f"write it as {FORM}")
    items, dollars, per = match.groups()
    budget = Budget(int(items) if items else None, float(dollars) if dollars else None, per)
    if budget.fault:
        raise ValueError(budget.fault)
    return budget


def amount_text(unit: str, amount: int) -> str:
    """`1000 items`, `2.5 dollars`."""
    if unit == ITEMS:
        return f"{amount} items"
    return f"{amount / MICRO:.6f}".rstrip("0").rstrip(".") + " dollars"


def figures(spent: Mapping[str, int], limits: Mapping[str, int]) -> str:
    """`1004 of 1000 items, 0.31 of 5 dollars`."""
    return ", ".join(
        f"{amount_text(unit, spent[unit]).split()[0]} of {amount_text(unit, limit)}" for unit, limit in limits.items()
    )


def end(period: str) -> datetime:
    """End of a period: the start of the next one."""
    first = datetime.fromisoformat(f"{period}-01"[:10] + "T00:00:00+00:00")
    if len(period) == len("2026-11-22"):
        return first + timedelta(days=1)
    return (first + timedelta(days=31)).replace(day=1)
