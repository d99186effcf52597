"""Half of all requests are throttled: no work is lost, and hardly any is done twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proof.crash.amplification import amplification
from proof.crash.prover import Prover
from shared.job import registry

JOBS = sorted(registry.discover({}).jobs)
# Of requests that are performed, beside those that are needed: one call in 256 is refused eight times, and its run or
# message is repeated.
MOST_WORK = 1.15
# Of all requests: half of them are refused, which alone makes two of each.
MOST_REQUESTS = 2 * MOST_WORK


@pytest.fixture(scope="module")
def prover() -> Iterator[Prover]:
    with Prover(merges=False) as opened:
        yield opened


@pytest.mark.parametrize("job", JOBS)
def test_throttling_does_not_multiply_calls(job: str, prover: Prover) -> None:
    found = amplification(prover, prover.jobs[job], range(1, 4))
    assert found.undisturbed > 0
    assert found.lost == ()
    assert found.work <= MOST_WORK
    assert found.total <= MOST_REQUESTS
