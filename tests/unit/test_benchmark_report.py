"""Intervals of ratios, and the pages of docs/performance."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from xml.etree import ElementTree

import pytest

from benchmarks.report import pages
from benchmarks.report.figures import PAGES, Figures, Section, stored
from benchmarks.report.ratio import interleaved, of_samples, ratio
from benchmarks.report.svg import Line, bars, plot


@pytest.mark.parametrize(("count", "rank"), [(3, 0), (6, 0), (8, 0), (9, 1), (12, 2), (20, 5), (30, 9)])
def test_the_interval_of_a_median_has_the_ranks_of_the_binomial_table(count: int, rank: int) -> None:
    found = of_samples([float(value) for value in range(count)])
    assert (found.low, found.high) == (rank, count - 1 - rank)


def test_a_bound_is_missed_only_where_the_whole_interval_is_beyond_it() -> None:
    found = ratio([1, 2, 3, 4, 5, 6, 7, 8, 9], [1.0] * 9)
    assert (found.low, found.median, found.high) == (2, 5, 8)
    assert not found.below(6)
    assert found.below(9)
    assert not found.above(4)
    assert found.above(1)


def test_rounds_begin_with_another_way_in_turn() -> None:
    called: list[str] = []

    def way(name: str) -> float:
        called.append(name)
        return 1.0

    ways: dict[str, Callable[[], float]] = {name: partial(way, name) for name in "ab"}
    assert interleaved(ways, 3) == {"a": [1, 1, 1], "b": [1, 1, 1]}
    assert "".join(called) == "abbaab"


def test_plots_are_valid_and_name_their_lines() -> None:
    lines = [Line("ours", ((1, 10), (10, 1000)), "limit <1>"), Line("theirs", ((1, 20), (10, 20)))]
    for text in (plot("A & B", "x", "y", lines), bars("A & B", "share", [("ours", 0.5, 0.4, 0.6)])):
        assert ElementTree.fromstring(text).get("aria-label") == "A & B"
    assert "limit &lt;1&gt;" in plot("A", "x", "y", lines)


def test_a_page_has_the_command_the_machine_and_the_peers() -> None:
    figures = Figures(
        "a", "Title", "python -m benchmarks.a", "Text", peers=["Theirs is smaller"], machine="2 processors"
    )
    figures.sections.append(Section("Table", "", ["x"], [["1"]]))
    files = pages.pages([figures])
    assert all(words in files["a.md"] for words in ("python -m benchmarks.a", "2 processors", "| 1 |", "Theirs is"))
    assert "- Theirs is smaller" in files["README.md"]


def test_the_pages_are_those_of_the_stored_figures() -> None:
    written = {path.name: path.read_text() for path in PAGES.glob("*.*")}
    assert written == pages.pages(stored())
