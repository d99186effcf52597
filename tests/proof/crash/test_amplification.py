"""Half of all requests are throttled: no work is lost, and hardly any is done twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proof.crash.amplification import amplification
from proof.crash.prover import Prover

# One job of each archetype.
JOBS = ("auto-actions", "session-cleanup", "forwarding-retry", "account-export", "bandwidth-rollup", "pricing")
# Of requests that are performed, beside those that are needed.
MOST_WORK = 1.2
# Of all requests: half of them are refused.
MOST_REQUESTS = 2.3


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
