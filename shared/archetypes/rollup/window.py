"""Sums of the rows that were recorded in one window of time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from shared import clock
from shared.archetypes.rollup.periods import Sums, parse_day
from shared.store.age_index import LENGTH, TIMESTAMP, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.store.watermark import Watermark

# A row may count for a time this long before it was recorded; and this long after, as clocks differ.
LATEST = timedelta(days=365)
EARLY = timedelta(hours=1)
# Invalid rows of a window that are logged.
LOGGED = 20
# Bound of a record's counts: a sum of smaller ones is still a DynamoDB number.
COUNT_LIMIT = 2**63


@dataclass(slots=True)
class Window:
    """Rows recorded after `mark.upto`, up to and including `end`."""

    mark: Watermark
    end: str
    owners: dict[str, dict[date, Sums]] = field(default_factory=lambda: defaultdict(dict))
    """Sums by owner and day; the number of rows is the last one."""
    rows: int = 0
    """Rows read."""
    faulty: int = 0
    """Invalid rows, which are not added."""
    faults: list[tuple[Row, str]] = field(default_factory=list)
    """The first invalid rows, with the reason."""

    def add(self, row: Row, when: str, names: Sequence[str]) -> None:
        """Add a row to the sums.

        when: attribute with the time it counts for. names: attributes to add up.
        """
        why = invalid(row, when, names)
        if why:
            self.faulty += 1
            if len(self.faults) < LOGGED:
                self.faults.append((row, why))
            return
        day, days = parse_day(row.item[when][:10]), self.owners[row.pk]
        sums = days.get(day) or days.setdefault(day, [0] * (len(names) + 1))
        for number, name in enumerate(names):
            sums[number] += row.item[name]
        sums[-1] += 1


def invalid(row: Row, when: str, names: Sequence[str]) -> str:
    """Reason that a row is not added; empty if it is valid."""
    at, since = row.item.get(when), row.since
    if not TIMESTAMP.match(since):
        return f"it was recorded at {since!r:.40}, no timestamp"
    if not isinstance(at, str) or not TIMESTAMP.fullmatch(at):
        return f"{when} is {at!r:.40}, no timestamp"
    for name in names:
        value = row.item.get(name)
        if type(value) is not int or not 0 <= value < COUNT_LIMIT:
            return f"{name} is {value!r:.40}, no count"
    try:
        parse_day(at[:10])
        # Most rows are recorded on the day that they count for: comparing text is enough for them.
        if at <= since and at[:10] == since[:10]:
            return ""
        late = clock.parse(since[:LENGTH]) - clock.parse(at)
    except ValueError:
        return f"{when} is {at!r:.40}, recorded at {since!r:.40}: one of them is no timestamp"
    if late < -EARLY:
        return f"{when} is {at}, after it was recorded"
    return f"{when} is {at}, {late.days} days before it was recorded" if late > LATEST else ""
