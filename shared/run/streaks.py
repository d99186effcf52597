"""Streaks: bad results in a row, and their records after the end.

The write that ends a streak records it in the same item, in `ended_streaks`. job-monitoring alerts on the records and
removes them, so a streak that begins and ends between two of its runs is alerted too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

ENDED = "ended_streaks"
# Records of one item. More are kept only of longer streaks; the shorter ones matter less.
MOST = 5
# Field of a status with the last results, one character each; no status shows it.
RECENT, GOOD, BAD = "recent", "+", "-"
MOST_RECENT = 30


def recent(before: Mapping[str, Any], *, ok: bool) -> str:
    """Return the last results with one more, the newest last.

    before: the status before that result.
    """
    return f"{before.get(RECENT, '')}{GOOD if ok else BAD}"[-MOST_RECENT:]


def ended(before: Mapping[str, Any], until: str) -> dict[str, Any]:
    """Return the record of the streak that a good result ends.

    Empty without one.

    before: `streak`, `failingSince`, `firstError` and `lastGood` before that result.
    """
    if not before.get("streak"):
        return {}
    names = {"count": "streak", "since": "failingSince", "firstError": "firstError", "lastGood": "lastGood"}
    return {**{name: before[own] for name, own in names.items() if own in before}, "until": until}


def added(records: Iterable[Mapping[str, Any]], record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the records with one more.

    The shortest streak is left out if there are too many.
    """
    every = [*records, record]
    if len(every) > MOST:
        every.remove(min(every, key=lambda each: int(each["count"])))
    return every


@dataclass(frozen=True, slots=True)
class StreakUpdate:
    """Part of an update that counts a result in its item."""

    sets: str
    values: Mapping[str, Any]
    removes: str = ""
    #: Holds while the streak is as it was read.
    condition: str = ""

    def expression(self, sets: str) -> str:
        """The whole update, with these assignments."""
        return f"SET {sets}, {self.sets}{self.removes}"

    def under(self, condition: str) -> str:
        return f"({condition}) AND {self.condition}" if self.condition else condition


def bad(at: str, note: str) -> StreakUpdate:
    """Count a bad result; it begins a streak or continues it."""
    return StreakUpdate(
        "streak = if_not_exists(streak, :zero) + :one, firstError = if_not_exists(firstError, :note), "
        "failingSince = if_not_exists(failingSince, :since)",
        {":zero": 0, ":one": 1, ":note": note, ":since": at},
    )


def good(at: str, item: Mapping[str, Any]) -> StreakUpdate:
    """End the streak that the item has, if any.

    item: as it was read, empty if it was not read: then the update is refused if there is a streak.
    """
    removes = " REMOVE firstError, failingSince"
    sets, values = "streak = :zero, lastGood = :good", {":zero": 0, ":good": at}
    record = ended(item, at)
    if not record:
        return StreakUpdate(sets, values, removes, "(attribute_not_exists(streak) OR streak = :zero)")
    records = item.get(ENDED, [])
    unchanged = f"{ENDED} = :records" if records else f"attribute_not_exists({ENDED})"
    values |= {":ended": added(records, record), ":streak": item["streak"]}
    values |= {":records": records} if records else {}
    return StreakUpdate(f"{sets}, {ENDED} = :ended", values, removes, f"streak = :streak AND {unchanged}")


def changed(item: Mapping[str, Any], since: Mapping[str, Any]) -> bool:
    """Whether the streak differs from the one that was read."""
    return (item.get("streak", 0), item.get(ENDED, [])) != (since.get("streak", 0), since.get(ENDED, []))
