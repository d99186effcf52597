"""Faults planted into the product: the crash points of one job find each of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from proof.crash.prover import Prover
from proof.world.fault import FaultKind
from shared.job import lease_margin
from shared.messages import run_batch
from shared.run import claim, claim_write
from shared.run.context import RunContext
from shared.store import transaction

ALWAYS = "attribute_exists(pk) OR attribute_not_exists(pk)"
DEATHS = (FaultKind.DIES_AFTER, FaultKind.DIES_BEFORE)


@pytest.fixture(scope="module")
def prover() -> Iterator[Prover]:
    with Prover() as opened:
        yield opened


def unconditional_counter(patch: pytest.MonkeyPatch) -> None:
    """Add to counters also where the batch was counted."""
    request = transaction.Condition.request

    def always(self: transaction.Condition) -> dict[str, Any]:
        made = request(self)
        if condition := made.get("ConditionExpression"):
            made["ConditionExpression"] = f"{condition} OR {ALWAYS}"
        return made

    patch.setattr(transaction.Condition, "request", always)


def missing_fence(patch: pytest.MonkeyPatch) -> None:
    """Write the end of a run whoever holds the lease now."""
    patch.setattr(claim, "HOLDS_LEASE", f"{claim_write.HOLDS_LEASE} OR {ALWAYS}")


def key_with_the_attempt(patch: pytest.MonkeyPatch) -> None:
    """Give each attempt at an effect a key of its own."""
    effect = RunContext.effect

    def keyed(self: RunContext, key: str, do: Callable[[str], Any]) -> Any:
        return effect(self, f"{key}#{secrets.token_hex(4)}", do)

    patch.setattr(RunContext, "effect", keyed)


def status_that_fails_the_batch(patch: pytest.MonkeyPatch) -> None:
    """Let a batch fail whose status could not be written."""
    patch.setattr(run_batch, "_record", lambda run, _what, write, outcome, ms: write(run, outcome, ms))


def early_release(patch: pytest.MonkeyPatch) -> None:
    """Give a lease of a second."""
    patch.setattr(lease_margin, "lease_seconds", lambda *_: 1)


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
