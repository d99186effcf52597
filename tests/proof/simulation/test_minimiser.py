"""A shortened plan still fails, and nothing of it can be left out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from proof.simulation.minimiser import minimise


@pytest.mark.parametrize("needed", [[3], [1, 12], [2, 5, 9], [7, 8], list(range(1, 13))])
def test_exactly_the_needed_ones_are_left(needed: list[int]) -> None:
    tried = 0

    def fails(numbers: Sequence[int]) -> bool:
        nonlocal tried
        tried += 1
        return {*needed} <= {*numbers}

    assert minimise(range(1, 13), fails) == needed
    assert tried <= 12 * 12


def test_nothing_is_left_where_nothing_is_needed() -> None:
    assert minimise([1, 2, 3], lambda _: True) == []


def test_either_of_two_is_enough() -> None:
    assert len(minimise([1, 2, 3, 4], lambda numbers: bool({1, 4} & {*numbers}))) == 1
