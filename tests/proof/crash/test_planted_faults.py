"""Faults planted into the product: the crash points of one job find each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from proof.crash.prover import Prover
from proof.world.fault import FaultKind
from shared.messages import run_batch
from tests.support.planted_faults import early_release, key_with_the_attempt, missing_fence, unconditional_counter

DEATHS = (FaultKind.DIES_AFTER, FaultKind.DIES_BEFORE)


@pytest.fixture(scope="module")
def prover() -> Iterator[Prover]:
    with Prover() as opened:
        yield opened


def status_that_fails_the_batch(patch: pytest.MonkeyPatch) -> None:
    """Let a batch fail whose status could not be written."""
    patch.setattr(run_batch, "_record", lambda run, _what, write, outcome, ms: write(run, outcome, ms))


PLANTS: list[tuple[Callable[[pytest.MonkeyPatch], None], str, tuple[FaultKind, ...]]] = [
    (unconditional_counter, "usage", (FaultKind.FREEZES,)),
    (missing_fence, "notification-delivery", (FaultKind.FREEZES,)),
    (key_with_the_attempt, "welcome-email", DEATHS),
    (status_that_fails_the_batch, "audit", (FaultKind.FAILS_1S, FaultKind.NO_REPLY)),
    (early_release, "notification-delivery", (FaultKind.FREEZES,)),
]


@pytest.mark.parametrize(("plant", "job", "kinds"), PLANTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None],
    job: str,
    kinds: tuple[FaultKind, ...],
    prover: Prover,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected, calls = prover.undisturbed(prover.jobs[job])
    points = [point for point in prover.points(calls) if point.kind in kinds]

    def found() -> list[str]:
        verdicts = (prover.judge(prover.jobs[job], point, expected) for point in points)
        return [text for verdict in verdicts for faults in verdict.faults().values() for text in faults]

    assert found() == []
    plant(monkeypatch)
    assert found()
