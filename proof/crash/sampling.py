"""Samples of crash points and of their pairs, by a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from proof.world.fault import CrashPoint, FaultKind


@dataclass(frozen=True, slots=True)
class Scope:
    """Which plans of a job are tried."""

    #: Crash points of each job; None for all.
    sample: int | None = None
    #: Pairs of faults of each job.
    pairs: int = 0
    seed: int = 1

    def points(self, job: str, calls: int) -> list[CrashPoint]:
        """The crash points of a job, by the number of its calls."""
        return [*points(calls)] if self.sample is None else sampled_points(job, calls, self.sample, self.seed)

    def pairs_of(self, job: str, calls: int) -> list[CrashPoint]:
        """The pairs of a job, by the number of its calls."""
        return pairs(job, calls, self.pairs, self.seed)


EVERYTHING = Scope()


def points(calls: int) -> Iterator[CrashPoint]:
    """Yield every fault at every call."""
    for number in range(1, calls + 1):
        for kind in FaultKind:
            yield CrashPoint(number, kind)


def sampled_points(job: str, calls: int, count: int, seed: int) -> list[CrashPoint]:
    """Draw crash points; each kind of fault is among them.

    Each is drawn once, in the order of calls. All are returned where there are fewer than `count`.
    """
    every = [*points(calls)]
    if count >= len(every):
        return every
    drawn = random.Random(f"{seed} {job}")
    chosen = {CrashPoint(drawn.randint(1, calls), kind): None for kind in FaultKind}
    drawn.shuffle(every)
    for point in every:
        if len(chosen) >= count:
            break
        chosen[point] = None
    return sorted(chosen, key=_order)


def pairs(job: str, calls: int, count: int, seed: int) -> list[CrashPoint]:
    """Draw pairs of faults.

    The second one meets a call after the first.
    """
    if not calls:
        return []
    drawn, kinds = random.Random(f"{seed} {job} pairs"), [*FaultKind]
    return sorted(
        (
            CrashPoint(drawn.randint(1, calls), drawn.choice(kinds), drawn.randint(1, calls), drawn.choice(kinds))
            for _ in range(count)
        ),
        key=_order,
    )


def _order(point: CrashPoint) -> tuple[int, str, int]:
    return point.call, point.kind.name, point.then
