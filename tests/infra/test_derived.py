"""Cache of values that are derived from sources."""

from __future__ import annotations

import os
from pathlib import Path

from infra.derived import derived, digest_of


def test_a_value_is_made_once_for_the_same_inputs(tmp_path: Path) -> None:
    made = []

    def value(*inputs: str) -> object:
        def make() -> list[int]:
            made.append(inputs)
            return [len(inputs)]

        return derived("sum", inputs, make, tmp_path)

    assert [value("a", "b"), value("a", "b"), value("a", "c")] == [[2], [2], [2]]
    assert made == [("a", "b"), ("a", "c")]


def test_inputs_that_join_to_the_same_text_are_different() -> None:
    assert digest_of("x", ["ab", "c"]) != digest_of("x", ["a", "bc"])
    assert digest_of("x", ["a"]) != digest_of("y", ["a"])


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    derived("sum", ["a"], lambda: 1, tmp_path)
    next(tmp_path.glob("*.json")).write_text("{")
    assert derived("sum", ["a"], lambda: 2, tmp_path) == 2


def test_values_that_no_synthesis_reads_are_removed(tmp_path: Path) -> None:
    derived("sum", ["old"], lambda: 1, tmp_path)
    old = next(tmp_path.glob("*.json"))
    os.utime(old, (0, 0))
    derived("sum", ["new"], lambda: 1, tmp_path)
    assert not old.exists()
