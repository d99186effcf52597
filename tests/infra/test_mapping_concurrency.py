"""MaximumConcurrency of consumers from the account's pool."""

from __future__ import annotations

import pytest

from infra.mapping_concurrency import pool_of, sized
from infra.quotas import LimitError

DECLARED = {"usage": 10, "audit": 10, "delivery": 60}


@pytest.mark.parametrize(
    ("pool", "reserved", "expected"),
    [
        (None, 20, DECLARED),
        (1000, 20, DECLARED),
        (120, 20, {"usage": 6, "audit": 6, "delivery": 37}),
        (10, 0, {"usage": 2, "audit": 2, "delivery": 3}),
    ],
)
def test_consumers_together_use_half_of_what_the_urls_leave(
    pool: int | None, reserved: int, expected: dict[str, int]
) -> None:
    assert sized(DECLARED, pool, reserved) == expected


@pytest.mark.parametrize(
    ("pool", "reserved", "refused"),
    [(110, 20, "the URLs reserve 20, and Lambda keeps 100 unreserved"), (5, 0, "3 consumers need at least 2")],
)
def test_a_pool_that_is_too_small_is_refused_with_the_way_out(pool: int, reserved: int, refused: str) -> None:
    with pytest.raises(LimitError, match=refused):
        sized(DECLARED, pool, reserved)


def test_the_pool_is_a_whole_number() -> None:
    assert (pool_of(None), pool_of("1000"), pool_of(10)) == (None, 1000, 10)
    for given in ("many", "0", "-5", "1.5"):
        with pytest.raises(LimitError, match="concurrency-pool="):
            pool_of(given)
