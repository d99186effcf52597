"""Watermark: timestamp up to which a job has processed recorded rows.

Key: `watermark#<job>` / `-`.

A window is pinned before anything of it is written, so that a run after a crash processes the same window.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock, tables
from shared.aws import permissions
from shared.aws.names import STATE
from shared.aws.permissions import Grant
from shared.store import keys, table
from shared.store.fencing import Fenced
from shared.store.transaction import Update

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.aws.cloud import Cloud


@dataclass(frozen=True, slots=True)
class Watermark:
    """Timestamps as `clock.iso` writes them, empty if there is none."""

    #: Everything that was recorded by then is processed.
    upto: str = ""
    #: The end of the window that is being processed.
    closing: str = ""

    @property
    def furthest(self) -> str:
        """End of the last window, whether it is processed or not."""
        return max(self.upto, self.closing)


def reading(job: str) -> Grant:
    """Permission to read another job's watermark.

    For a job that waits for the other one.
    """
    return permissions.read_rows(STATE, keys.watermark(job).pk)


def writing(job: str) -> Grant:
    """Permission to move the watermark of a job."""
    return permissions.update_rows(STATE, keys.watermark(job).pk)


def closed(cloud: Cloud, job: str) -> datetime | None:
    """Read the timestamp up to which a job has processed everything.

    None before its first window, and where it is ahead of the clock: what was recorded since is not processed.
    """
    upto = read(cloud, job).upto
    return clock.parse(upto) if upto and not is_ahead(cloud, Watermark(upto)) else None


def is_ahead(cloud: Cloud, mark: Watermark) -> bool:
    """Whether a run under a wrong clock moved the mark ahead.

    A window ends a settling time before the clock of its run. Where it ends after this clock, the clocks differ by more
    than the settling time, and rows are recorded before the mark that no window has read.
    """
    return mark.furthest > clock.iso(cloud.clock.now())


def read(cloud: Cloud, job: str) -> Watermark:
    return _from_row(table.get(cloud, tables.STATE, keys.watermark(job)))


def pin(cloud: Cloud, job: str, mark: Watermark, end: str) -> Watermark:
    """Record that the window up to `end` is being processed.

    Raises Fenced where another run has moved the mark.
    """
    pinned = Watermark(mark.upto, end)
    if pinned != mark:
        _write(cloud, job, "SET closing = :end", f"attribute_not_exists(closing) AND {_unmoved(mark)}", mark, pinned)
    return pinned


def close(cloud: Cloud, job: str, mark: Watermark, end: str) -> Watermark:
    """Record that everything up to `end` is processed.

    Raises Fenced where another run has moved the mark.
    """
    pinned = "closing = :end" if mark.closing else "attribute_not_exists(closing)"
    _write(cloud, job, "SET upto = :end REMOVE closing", f"{pinned} AND {_unmoved(mark)}", mark, Watermark(end))
    return Watermark(end)


def _write(cloud: Cloud, job: str, expression: str, condition: str, before: Watermark, after: Watermark) -> None:
    values = {":end": after.closing or after.upto, ":upto": before.upto or None}
    if not table.update_if(
        cloud,
        tables.STATE,
        keys.watermark(job),
        expression,
        values,
        condition,
        won=lambda row: _from_row(row) == after,
    ):
        raise Fenced(f"{job}: another run moved its watermark; this one has nothing more to write")


def _unmoved(mark: Watermark) -> str:
    return "upto = :upto" if mark.upto else "attribute_not_exists(upto)"


def _pinned(mark: Watermark) -> str:
    return "closing = :closing" if mark.closing else "attribute_not_exists(closing)"


def _from_row(row: Mapping[str, Any]) -> Watermark:
    return Watermark(row.get("upto", ""), row.get("closing", ""))


def moved_back(job: str, mark: Watermark, to: str) -> Update:
    """Write that sets a mark back, unless a run moved it.

    A pinned window ends with it: its rows belong to the next windows.
    """
    return Update(
        tables.STATE,
        keys.watermark(job),
        "SET upto = :to REMOVE closing",
        condition=f"{_unmoved(mark)} AND {_pinned(mark)}",
        values={":to": to, **{f":{name}": end for name, end in asdict(mark).items() if end}},
    )
