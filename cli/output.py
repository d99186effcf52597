"""What commands print: one JSON document or tables on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import IO, TYPE_CHECKING, Any

from shared import clock, redaction

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# Where nothing says how wide the paper is.
PAPER = 120


def document(data: Any) -> None:
    print(json.dumps(_filtered(data), indent=2, ensure_ascii=False))


def say(line: str) -> None:
    print(redaction.text(line), file=sys.stderr, flush=True)


def console(file: IO[str] | None = None) -> Console:
    """Colour and width as the terminal has them; without a terminal no colour, and COLUMNS or 120 wide."""
    from rich.console import Console

    out = file or sys.stdout
    width = None if out.isatty() else int(os.environ.get("COLUMNS") or PAPER)
    return Console(file=out, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], spare: Sequence[str] = ()) -> None:
    """Left-aligned text, right-aligned numbers; a cell that is too long is folded, the first of a row never is.

    A cell is text, a number, None (shown empty), or a pair of text and a rich style. Where the paper is too narrow,
    `spare` columns are left out, the first of them first.
    """
    from rich.measure import Measurement

    paper = console()
    cells = [list(row) for row in rows]
    left_out = list(spare)
    shown = list(range(len(columns)))
    while True:
        made = _table([columns[number] for number in shown], [[row[number] for number in shown] for row in cells])
        wide = Measurement.get(paper, paper.options.update(max_width=10_000), made).maximum
        if wide <= paper.width or not left_out:
            break
        shown.remove(columns.index(left_out.pop(0)))
    with paper.capture() as captured:
        paper.print(made)
    # rich pads each line to the table's width.
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        numeric = any(isinstance(row[number], int | float) for row in rows)
        justify: Any = "right" if numeric else "left"
        made.add_column(column, justify=justify, overflow="fold", no_wrap=number == 0, header_style="bold")
    for row in rows:
        made.add_row(
            *(Text(_shown(cell[0]), cell[1]) if isinstance(cell, tuple) else Text(_shown(cell)) for cell in row)
        )
    return made


def fields(values: Mapping[str, Any]) -> str:
    """`job=pricing status=done note="2 of 3 hosts"`: a line that people and grep read alike."""
    shown = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in _filtered(dict(values)).items()
    }
    return " ".join(
        f"{name}={value if value and ' ' not in value and chr(34) not in value else json.dumps(value)}"
        for name, value in shown.items()
    )


def verdict(outcome: str, ok: bool) -> tuple[str, str]:
    """A table's cell: red for what is wrong, green for what was done, yellow for what honestly was not.

    A run that was done and found something wrong is `bad`, so that the word tells it where there is no colour.
    """
    if not ok:
        return "bad" if outcome == "done" else outcome, "red"
    return outcome, "green" if outcome.startswith(("done", "running")) else "yellow"


def span(length: timedelta) -> str:
    """`1 hour`, `7 days`."""
    for unit, size in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        if length >= size:
            count = length // size
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return f"{length.total_seconds():.0f} s"


def until(instant: datetime, now: datetime) -> str:
    """`22:15 in 3 min`, `Tue 04:00 in 11 h`, in UTC."""
    left = instant - now
    if left < timedelta(hours=1):
        return f"{instant:%H:%M} in {max(1, round(left.total_seconds() / 60))} min"
    if left < timedelta(days=1):
        return f"{instant:%H:%M} in {round(left.total_seconds() / 3600)} h"
    if left < timedelta(days=6):
        return f"{instant:%a %H:%M}"
    return f"{instant:%Y-%m-%d %H:%M}"


def _shown(cell: Any) -> str:
    return "" if cell is None else redaction.text(str(cell))


def _filtered(data: Any) -> Any:
    """As JSON data, without what must not be shown."""
    return redaction.data(json.loads(json.dumps(data, default=_plain)))


def _plain(value: Any) -> str:
    return clock.iso(value) if isinstance(value, datetime) else str(value)
