"""Samples: each kind of fault is in them, and the seed decides."""

from __future__ import annotations

from itertools import pairwise

import pytest

from proof.crash.sampling import Scope, pairs, points, sampled_points
from proof.world.fault import CrashPoint, FaultKind


def test_a_sample_has_each_kind_of_fault_and_no_point_twice() -> None:
    sample = sampled_points("usage", 40, 20, seed=1)
    assert len(sample) == len(set(sample)) == 20
    assert {point.kind for point in sample} == {*FaultKind}


def test_a_sample_as_large_as_all_points_is_all_points() -> None:
    assert sampled_points("usage", 2, 100, seed=1) == [*points(2)]


def test_a_job_without_calls_has_no_points() -> None:
    scope = Scope(sample=9, pairs=9)
    assert scope.points("usage", 0) == scope.pairs_of("usage", 0) == []


def test_the_seed_and_the_job_decide() -> None:
    for draw in (Scope.points, Scope.pairs_of):
        drawn = [draw(Scope(9, 5, seed), job, 50) for job in ("usage", "audit") for seed in (1, 2)]
        assert drawn[0] == draw(Scope(9, 5, 1), "usage", 50)
        assert all(one != other for one, other in pairwise(drawn))


def test_pairs_are_read_from_their_texts() -> None:
    drawn = pairs("usage", 9, 30, seed=3)
    assert len(drawn) == 30
    assert [CrashPoint.parse(str(pair)) for pair in drawn] == drawn


@pytest.mark.parametrize(
    ("text", "made", "left"),
    [
        # The process ends at its fault: the next one meets the second fault.
        ("3:dies_after+2:freezes", 3, CrashPoint(2, FaultKind.FREEZES, second=True)),
        # It ended before its fault.
        ("3:dies_after+2:freezes", 2, None),
        ("3:dies_after", 3, None),
    ],
)
def test_the_second_fault_is_left_to_the_next_process(text: str, made: int, left: CrashPoint | None) -> None:
    assert CrashPoint.parse(text).rest(made) == left


def test_what_a_process_did_not_reach_counts_down() -> None:
    assert CrashPoint(5, FaultKind.NO_REPLY, second=True).rest(2) == CrashPoint(3, FaultKind.NO_REPLY, second=True)
