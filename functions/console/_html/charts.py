"""Charts as inline SVG: strips, bars over hours, heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from htpy import Element, details, div, figcaption, figure, p, summary
from markupsafe import Markup, escape

CELL, GAP, HEIGHT = 9, 2, 18
# Shades of a heat map, from the least to the most.
SHADES = 5


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


def results(texts: str, bad: str, title: str) -> Markup:
    """The last results of a job as two dashed lines.

    Short, since each row of a page has them.
    """
    paths, x = {"bad": "", "good": ""}, 0
    for result, same in groupby(texts):
        length = 3 * len(list(same))
        kind, middle = ("bad", 9) if result == bad else ("good", 12)
        paths[kind] += f"M{x} {middle}h{length - 1}"
        x += length
    parts = [f'<path class="s {kind}" d="{path}"/>' for kind, path in paths.items() if path]
    # Its size is that of the style.
    return Markup(f'<svg class="strip" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>')


def heat_map(rows: Mapping[str, Sequence[int]], columns: Sequence[str], title: str) -> Element:
    """A shade for each row and column, with a table behind them."""
    largest, wide, high, left = max((max(row) for row in rows.values()), default=0) or 1, 17, 18, 110
    parts = []
    for line, (name, row) in enumerate(rows.items()):
        parts.append(f'<text class="t" x="0" y="{line * high + 13}">{escape(name[:14])}</text>')
        for number, value in enumerate(row):
            shade = -(-value * SHADES // largest)
            parts.append(
                f'<rect class="c h{shade}" x="{left + number * wide}" y="{line * high}" width="{wide - 1}" '
                f'height="{high - 1}"><title>{escape(name)} {escape(columns[number])}: {value}</title></rect>'
            )
    bottom = len(rows) * high + 13
    parts += [
        f'<text class="t" x="{left + number * wide}" y="{bottom}">{escape(columns[number])}</text>'
        for number in range(0, len(columns), 6)
    ]
    listed = {
        name: ", ".join(f"{column}: {value}" for column, value in zip(columns, row, strict=True) if value)
        for name, row in rows.items()
    }
    return div[
        _figure(title, left + len(columns) * wide, bottom + 5, parts),
        details[summary["As a list"], [p[f"{name}: {texts or 'none'}"] for name, texts in listed.items()]],
    ]


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
    right = len(values) * width
    parts.append(f'<text class="t" x="0" y="{height + 13}">{escape(values[0][0]) if values else ""}</text>')
    if len(values) > 1:
        parts.append(f'<text class="t end" x="{right - 4}" y="{height + 13}">{escape(values[-1][0])}</text>')
    return div[_figure(title, right, height + 18, parts), _behind(dict(values))]


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


def line(marks: Sequence[tuple[str, float, float, str]], title: str) -> Markup:
    """One line of marks over time, with the middle marked as now.

    Marks without an end are a path for each class: many rows of a page have them. Only bad ones have a description.
    """
    wide, high = 480, 16
    parts = [f'<rect class="c now" x="{wide // 2}" y="0" width="1" height="{high}"/>']
    paths: dict[str, str] = {}
    for kind, start, end, text in marks:
        x = min(round(wide * start), wide - 3)
        if end == start and kind != "bad":
            paths[kind] = f"{paths.get(kind, '')}M{x + 1} 3v10"
        else:
            width = max(round(wide * (end - start)), 3)
            parts.append(
                f'<rect class="c {escape(kind)}" x="{x}" y="6" width="{width}" height="4">'
                f"<title>{escape(text)}</title></rect>"
            )
    parts += [f'<path class="m {escape(kind)}" d="{path}"/>' for kind, path in paths.items()]
    return _svg(title, wide, high, parts)


def _figure(title: str, width: int, height: int, parts: Sequence[str]) -> Element:
    return figure[_svg(title, width, height, parts), figcaption(".sr")[title]]


def _svg(title: str, width: int, height: int, parts: Sequence[str]) -> Markup:
    # Each part is escaped where it is made.
    content = Markup("".join(parts))
    head = f'<svg class="chart" role="img" aria-label="{escape(title)}" viewBox="0 0 {width} {height}" width="{width}">'
    return Markup(head) + content + Markup("</svg>")


def _behind(values: Mapping[str, int]) -> Element:
    return details[
        summary["As a list"], div(".list")[", ".join(f"{label}: {value}" for label, value in values.items())]
    ]


def _top(kind: str) -> int:
    """Top of a cell: bad ones are the highest.

    So the shape shows the state.
    """
    return {"bad": 0, "warn": 5, "good": 9, "busy": 5}.get(kind, 13)
