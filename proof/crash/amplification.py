"""Amplification: requests of a job while AWS throttles half of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from proof.crash.prover import Prover
from proof.world.throttling import Throttling
from shared.job.definition import Job

SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Amplification:
    """Requests of a job's scenario, summed over some seeds."""

    job: str
    #: Requests without throttling.
    undisturbed: int
    #: Requests that were performed with it.
    performed: int
    #: Requests that were made with it: refused ones included.
    made: int
    #: Effects and rows that were missing at the end, for people.
    lost: tuple[str, ...]

    @property
    def work(self) -> float:
        """Performed requests for each one that is needed."""
        return self.performed / max(1, self.undisturbed)

    @property
    def total(self) -> float:
        return self.made / max(1, self.undisturbed)


def amplification(prover: Prover, job: Job, seeds: range) -> Amplification:
    """Play a job's scenario without throttling and, for each seed, with it."""
    counts: Counter[str] = Counter()
    expected, _ = prover.undisturbed(job)
    lost: list[str] = []
    for seed in seeds:
        for share in (0, SHARE):
            throttling = prover.world.throttling = Throttling(share, seed)
            try:
                verdict = prover.throttled(job, expected)
            finally:
                prover.world.throttling = None
            if share:
                counts["performed"] += throttling.performed[job.name]
                counts["made"] += throttling.requests[job.name]
                lost += verdict.lost
            else:
                counts["undisturbed"] += throttling.performed[job.name]
    return Amplification(job.name, counts["undisturbed"], counts["performed"], counts["made"], tuple(lost))
