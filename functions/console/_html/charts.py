"""Charts as inline SVG: strips of ticks, bars over hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from htpy import Element, details, div, figcaption, figure, summary
from markupsafe import Markup, escape

CELL, GAP, HEIGHT = 9, 2, 18


def strip(cells: Sequence[tuple[str, str]], title: str) -> Element:
    """A row of cells, each with a class and its description."""
    step = CELL + GAP
    parts = [
        f'<rect class="c {escape(kind)}" x="{number * step}" y="{_top(kind)}" width="{CELL}" '
        f'height="{HEIGHT - _top(kind)}"><title>{escape(text)}</title></rect>'
        for number, (kind, text) in enumerate(cells)
    ]
    width = max(len(cells) * step, step)
    return _figure(title, width, HEIGHT, parts)


def bars(values: Sequence[tuple[str, int]], title: str, kind: str = "busy") -> Element:
    """Bars over periods, with a table behind them."""
    largest, width, height = max((value for _, value in values), default=0) or 1, 24, 60
    parts = []
    for number, (label, value) in enumerate(values):
        tall = max(round(height * value / largest), 2 if value else 0)
        parts.append(
            f'<rect class="c {escape(kind)}" x="{number * width}" y="{height - tall}" width="{width - 4}" '
            f'height="{tall}"><title>{escape(label)}: {value}</title></rect>'
        )
    return div[_figure(title, len(values) * width, height, parts), _behind(dict(values))]


def timeline(spans: Sequence[tuple[str, float, float, str]], title: str) -> Element:
    """Horizontal bars.

    Each has a class, start and end from 0 to 1, and a description.
    """
    high, wide = 22, 600
    parts = []
    for number, (kind, start, end, text) in enumerate(spans):
        x, width = round(wide * start), max(round(wide * (end - start)), 4)
        parts.append(
            f'<rect class="c {escape(kind)}" x="{min(x, wide - 4)}" y="{number * high + 4}" width="{width}" '
            f'height="{high - 8}"><title>{escape(text)}</title></rect>'
        )
    return _figure(title, wide, len(spans) * high, parts)


def line(marks: Sequence[tuple[str, float, float, str]], title: str) -> Element:
    """One line of marks over time, with the middle marked as now."""
    wide, high = 480, 16
    parts = [f'<rect class="c now" x="{wide // 2}" y="0" width="1" height="{high}"/>']
    for kind, start, end, text in marks:
        x, width = min(round(wide * start), wide - 3), max(round(wide * (end - start)), 3)
        top, tall = (3, 10) if end == start else (6, 4)
        parts.append(
            f'<rect class="c {escape(kind)}" x="{x}" y="{top}" width="{width}" height="{tall}">'
            f"<title>{escape(text)}</title></rect>"
        )
    return _figure(title, wide, high, parts)


def _figure(title: str, width: int, height: int, parts: Sequence[str]) -> Element:
    # Each part is escaped where it is made.
    content = Markup("".join(parts))
    head = f'<svg class="chart" role="img" aria-label="{escape(title)}" viewBox="0 0 {width} {height}" width="{width}">'
    return figure[Markup(head) + content + Markup("</svg>"), figcaption(".sr")[title]]


def _behind(values: Mapping[str, int]) -> Element:
    return details[
        summary["As a list"], div(".list")[", ".join(f"{label}: {value}" for label, value in values.items())]
    ]


def _top(kind: str) -> int:
    """Top of a cell: bad ones are the highest.

    So the shape shows the state.
    """
    return {"bad": 0, "warn": 5, "good": 9, "busy": 5}.get(kind, 13)
