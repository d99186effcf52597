"""Output of commands.

One JSON document or tables on stdout, notices on stderr, all of it redacted.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import IO, TYPE_CHECKING, Any

from shared import clock, redaction
from shared.job.outcome import verdict_word
from shared.text.printable import UNSAFE, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# Our own sequences: colours, and erasing a line.
OWN = re.compile(r"(\x1b\[[0-9;]{0,20}[mK]|\r)")
# Columns of output that goes to no terminal, unless COLUMNS is set.
WIDTH = 120
# Spaces between two columns of a table.
GAP = 2
# Width below which a folded cell of a table is hard to read.
READABLE_CELL = 30


def document(data: Any) -> None:
    """Print data as one JSON document."""
    shown = json.dumps(_redacted(data), indent=2, ensure_ascii=False)
    # Line feeds are between the tokens only; in texts, JSON escapes control characters of ASCII.
    print(UNSAFE.sub(lambda found: found[0] if found[0] == "\n" else json.dumps(found[0])[1:-1], shown))


def notice(line: str) -> None:
    """Print a line on stderr."""
    print(printable(redaction.text(line), multiline=True), file=sys.stderr, flush=True)


def console(file: IO[str] | None = None) -> Console:
    """A console with the colour and width of the terminal.

    Without one, no colour and COLUMNS or 120 wide.
    """
    from rich.console import Console

    out = file or sys.stdout
    width = None if out.isatty() else int(os.environ.get("COLUMNS") or WIDTH)
    return Console(file=out, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], spare: Sequence[str] = (), optional: Sequence[str] = ()
) -> None:
    """Print a table.

    Long cells are folded, except for those of the first column. Where folding would make cells unreadable, each row is
    printed as a block of lines instead.

    A cell is text, a number, None (shown empty), or a pair of text and a rich style. `spare` columns are left out, in
    this order, until the table fits the width. `optional` columns are left out where all their cells are empty.
    """
    target = console()
    cells = [list(row) for row in rows]
    used = [
        number
        for number, name in enumerate(columns)
        if name not in optional or any(_plain_cell(row[number]) for row in cells)
    ]
    columns, cells = [columns[number] for number in used], [[row[number] for number in used] for row in cells]
    left_out = [name for name in spare if name in columns]
    if cells and _narrowest([name for name in columns if name not in spare], columns, cells) > target.width:
        _blocks(target, columns, cells)
        return
    shown = list(range(len(columns)))
    widths = [
        max(map(_width, (name, *(_plain_cell(row[number]) for row in cells)))) for number, name in enumerate(columns)
    ]
    while left_out and sum(widths[number] + GAP for number in shown) - GAP > target.width:
        shown.remove(columns.index(left_out.pop(0)))
    laid_out = _table([columns[number] for number in shown], [[row[number] for number in shown] for row in cells])
    with target.capture() as captured:
        target.print(laid_out)
    # rich pads each line to the table's width.
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _width(text: str) -> int:
    """Columns of the widest line on a terminal."""
    from rich.cells import cell_len

    return max(map(cell_len, text.split("\n")), default=0)


def _narrowest(shown: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[Any]]) -> int:
    """Return the least width at which the table is readable."""
    numbers = [columns.index(name) for name in shown]
    widths = [max(len(columns[number]), *(len(_plain_cell(row[number])) for row in cells)) for number in numbers]
    return widths[0] + sum(min(width, READABLE_CELL) + 2 for width in widths[1:])


def _blocks(target: Console, columns: Sequence[str], cells: Sequence[Sequence[Any]]) -> None:
    """Print a line for each cell that is not empty."""
    from rich.padding import Padding
    from rich.text import Text

    with target.capture() as captured:
        for row in cells:
            target.print(Text(_plain_cell(row[0]), "bold", overflow="fold"))
            for name, cell in zip(columns[1:], row[1:], strict=True):
                if text := _plain_cell(cell):
                    value = Text(text, cell[1] if isinstance(cell, tuple) else "")
                    label = f"{name}: " if name else ""
                    target.print(Padding(Text.assemble(label, value, overflow="fold"), (0, 0, 0, 2)))
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _plain_cell(cell: Any) -> str:
    return _text(cell[0] if isinstance(cell, tuple) else cell)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    laid_out = Table(box=None, pad_edge=False, show_edge=False, padding=(0, GAP, 0, 0))
    for number, column in enumerate(columns):
        numeric = any(isinstance(row[number], int | float) for row in rows)
        justify: Any = "right" if numeric else "left"
        laid_out.add_column(column, justify=justify, overflow="fold", no_wrap=number == 0, header_style="bold")
    for row in rows:
        laid_out.add_row(
            *(Text(_text(cell[0]), cell[1]) if isinstance(cell, tuple) else Text(_text(cell)) for cell in row)
        )
    return laid_out


def fields(values: Mapping[str, Any]) -> str:
    """`job=pricing status=done note="2 of 3 hosts"`.

    One line that both people and grep can read.
    """
    shown = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in _redacted(dict(values)).items()
    }
    return printable(
        " ".join(
            f"{name}={value if value and ' ' not in value and chr(34) not in value else json.dumps(value)}"
            for name, value in shown.items()
        )
    )


class PrintableStream:
    """A stream that escapes control characters.

    On a terminal, our own styles are kept.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._own = OWN if stream.isatty() else None

    def write(self, text: str) -> int:
        pieces = self._own.split(text) if self._own else [text]
        # Every second piece is one of our own sequences.
        self._stream.write("".join(each if n % 2 else printable(each, multiline=True) for n, each in enumerate(pieces)))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def printable_streams() -> Iterator[None]:
    """Escape control characters in everything that a command prints."""
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = PrintableStream(out), PrintableStream(err)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err


def verdict(outcome: str, ok: bool) -> tuple[str, str]:
    """The cell of an outcome.

    Red for a failure or a bad finding, green for done or running, yellow for skipped.

    The outcome `done` with a bad finding is shown as `bad`, since output without colour needs a word of its own.
    """
    if not ok:
        return verdict_word(outcome, ok), "red"
    return outcome, "green" if outcome.startswith(("done", "running")) else "yellow"


def span(length: timedelta) -> str:
    """`1 hour`, `7 days`: whole units, rounded down."""
    for unit, size in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        if length >= size:
            count = length // size
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return f"{length.total_seconds():.0f} s"


def age(timestamp: str, now: datetime) -> str:
    """The age of a timestamp: `4 min ago`, empty without one."""
    if not timestamp:
        return ""
    seconds = max(0, int((now - clock.parse(timestamp)).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def time_until(at: datetime, now: datetime) -> str:
    """`22:15 in 3 min`, `Tue 04:00` or `2026-11-21 22:05`, in UTC."""
    left = at - now
    if left < timedelta(hours=1):
        return f"{at:%H:%M} in {max(1, round(left.total_seconds() / 60))} min"
    if left < timedelta(days=1):
        return f"{at:%H:%M} in {round(left.total_seconds() / 3600)} h"
    if left < timedelta(days=6):
        return f"{at:%a %H:%M}"
    return f"{at:%Y-%m-%d %H:%M}"


def to_second(timestamp: str) -> str:
    """`2026-11-21 22:05:00` of an ISO 8601 timestamp."""
    return timestamp[:19].replace("T", " ")


def to_minute(timestamp: str) -> str:
    """`2026-11-21 22:05` of an ISO 8601 timestamp."""
    return timestamp[:16].replace("T", " ")


def _text(cell: Any) -> str:
    return "" if cell is None else printable(redaction.text(str(cell)), multiline=True)


def _redacted(data: Any) -> Any:
    """The data as JSON types, with sensitive values redacted."""
    return redaction.data(json.loads(json.dumps(data, default=_plain)))


def _plain(value: Any) -> str:
    return clock.iso(value) if isinstance(value, datetime) else str(value)
