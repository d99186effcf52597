"""Amplification: requests of a job while AWS throttles half of them.

There are two figures. The work is the number of requests that AWS performed, for each one that it performs without
throttling; it is 1 for a job that repeats nothing. The second figure counts requests that were made, refused ones
included. With half of them refused its expectation is 2 for each one that was performed, for every client that repeats
refusals, and the draw of a seed decides about the rest. So the work has a strict limit.
"""

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
    #: Requests that are performed without throttling.
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
        """Requests made for each one that is needed."""
        return self.made / max(1, self.undisturbed)


def amplification(prover: Prover, job: Job, seeds: range) -> Amplification:
    """Play a job's scenario without throttling and, for each seed, with it.

    Its requests are counted while AWS throttles this job alone: the failures of others are further work of a consumer,
    and no repetition of its own. Lost effects and rows are looked for with all jobs throttled too.
    """
    expected, _ = prover.undisturbed(job)
    counts: Counter[str] = Counter()
    lost: list[str] = []

    def play(throttling: Throttling) -> Throttling:
        prover.world.throttling = throttling
        try:
            lost.extend(prover.throttled(job, expected).lost)
        finally:
            prover.world.throttling = None
        return throttling

    undisturbed = play(Throttling(0, 0)).performed[job.name]
    for seed in seeds:
        alone = play(Throttling(SHARE, seed, job.name))
        counts["performed"] += alone.performed[job.name]
        counts["made"] += alone.requests[job.name]
        play(Throttling(SHARE, seed))
    return Amplification(job.name, len(seeds) * undisturbed, counts["performed"], counts["made"], tuple(lost))
