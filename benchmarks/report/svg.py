"""Plots of benchmarks as SVG, without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 380, 70, 56, 42, 190
# Distinguishable with every form of colour blindness (Okabe and Ito), on white and on black.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
FONT = 'font-family="system-ui, sans-serif" font-size="12" fill="#777"'


@dataclass(frozen=True, slots=True)
class Line:
    """A named line of a plot.

    `end` describes its last point, such as the limit reached there.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    end: str = ""


def plot(title: str, x: str, y: str, lines: Sequence[Line], *, logarithmic: bool = True) -> str:
    """A line plot; logarithmic: both axes are."""
    scale = math.log10 if logarithmic else float
    xs = [scale(value) for line in lines for value, _ in line.points]
    ys = [scale(value) for line in lines for _, value in line.points]
    horizontal, vertical = _Axis(xs, LEFT, WIDTH - RIGHT), _Axis(ys, HEIGHT - BOTTOM, TOP)
    parts = [
        f'<text x="{LEFT}" y="22" {FONT} font-weight="600">{escape(title)}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle" {FONT}>{escape(x)}</text>',
        f'<text x="14" y="{TOP - 8}" {FONT}>{escape(y)}</text>',
        *_grid(horizontal, vertical, logarithmic),
    ]
    labels: list[float] = []
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        placed = [(horizontal.place(scale(a)), vertical.place(scale(b))) for a, b in line.points]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in placed]
        at = _free(placed[-1][1], labels)
        words = f"{line.name}: {line.end}" if line.end else line.name
        parts.append(
            f'<text x="{placed[-1][0] + 8:.1f}" y="{at:.1f}" {FONT} style="fill:{colour}">{escape(words)}</text>'
        )
    return _document(title, parts)


def bars(title: str, unit: str, values: Sequence[tuple[str, float, float, float]]) -> str:
    """Horizontal bars of (name, value, low, high), with their intervals."""
    most = max(high for *_, high in values)
    parts = [f'<text x="10" y="22" {FONT} font-weight="600">{escape(title)} ({escape(unit)})</text>']
    for number, (name, value, low, high) in enumerate(values):
        y, wide = TOP + number * 30, (WIDTH - 330) / most
        colour = COLOURS[number % len(COLOURS)]
        parts += [
            f'<text x="200" y="{y + 14}" text-anchor="end" {FONT}>{escape(name)}</text>',
            f'<rect x="208" y="{y}" width="{value * wide:.1f}" height="20" fill="{colour}"/>',
            f'<path d="M{208 + low * wide:.1f} {y + 10}H{208 + high * wide:.1f}" stroke="#777"/>',
            f'<text x="{216 + high * wide:.1f}" y="{y + 14}" {FONT}>{value:,.3g}</text>',
        ]
    return _document(title, parts, TOP + 30 * len(values) + 10)


@dataclass(frozen=True, slots=True)
class _Axis:
    values: Sequence[float]
    start: float
    end: float

    def place(self, value: float) -> float:
        low, high = min(self.values), max(self.values)
        return self.start + (value - low) / ((high - low) or 1) * (self.end - self.start)


def _grid(horizontal: _Axis, vertical: _Axis, logarithmic: bool) -> Iterable[str]:
    for value in _ticks(horizontal.values, logarithmic):
        at = horizontal.place(value)
        yield f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#8884"/>'
        words = _number(10**value if logarithmic else value)
        yield f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" {FONT}>{words}</text>'
    for value in _ticks(vertical.values, logarithmic):
        at = vertical.place(value)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#8884"/>'
        words = _number(10**value if logarithmic else value)
        yield f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end" {FONT}>{words}</text>'


def _ticks(values: Sequence[float], logarithmic: bool) -> list[float]:
    low, high = min(values), max(values)
    if logarithmic:
        return [float(power) for power in range(math.ceil(low), math.floor(high) + 1)] or [low, high]
    return [low + (high - low) * part / 4 for part in range(5)]


def _number(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:.3g}"


def _free(at: float, taken: list[float]) -> float:
    """A height for a label near `at` where no other label is."""
    while any(abs(at - other) < 14 for other in taken):
        at += 14
    taken.append(at)
    return at


def _document(title: str, parts: Iterable[str], height: float = HEIGHT) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(title)}">\n{body}\n</svg>\n'
    )
