"""Tables that become cards on narrow screens, and lists of facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from htpy import Element, Node, caption, code, dd, div, dl, dt, p, table, tbody, td, th, thead, tr

# Columns of free text.
WIDE = ("what", "note", "error", "newest error", "why", "on", "meaning")


def listing(title: str, columns: Sequence[str], rows: Iterable[Sequence[Node]], empty: Node) -> Element:
    """A table, or a sentence where it would be empty."""
    shown = list(rows)
    if not shown:
        return p(".empty")[empty]
    return div(".scroll", tabindex="0", role="region", aria_label=title)[
        table[
            caption[title],
            thead[tr[(th(scope="col")[column] for column in columns)]],
            tbody[(_row(columns, row) for row in shown)],
        ]
    ]


def facts(pairs: Iterable[tuple[str, Node]]) -> Element:
    """Names with their values, without those that have none."""
    return dl(".facts")[((dt[name], dd[value]) for name, value in pairs if value not in ("", None))]


def command(text: str) -> Element:
    """A command to copy."""
    return code(".command", tabindex="0")[text]


def _row(columns: Sequence[str], row: Sequence[Node]) -> Element:
    first, *others = row
    return tr(data_row=True)[
        th(scope="row", data_label=columns[0])[first],
        (
            td(data_label=column, class_="wide" if column in WIDE else None)[value]
            for column, value in zip(columns[1:], others, strict=True)
        ),
    ]
