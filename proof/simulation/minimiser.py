"""Shorten a plan that violates an invariant (delta debugging)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

# https://www.st.cs.uni-saarland.de/papers/tse2002/tse2002.pdf


def minimise(numbers: Sequence[int], fails: Callable[[Sequence[int]], bool]) -> list[int]:
    """Return the fewest numbers found that still fail.

    None of them can be left out.

    fails: whether a selection fails. It is called about n * log n times, and n * n at most.
    """
    left, parts = list(numbers), 2
    if fails([]):
        return []
    while len(left) >= 2:
        size = max(1, len(left) // parts)
        chunks = [left[start : start + size] for start in range(0, len(left), size)]
        for chunk in chunks:
            rest = [number for number in left if number not in chunk]
            if rest and fails(rest):
                left, parts = rest, max(parts - 1, 2)
                break
        else:
            if size == 1:
                return left
            parts = min(len(left), parts * 2)
    return left
