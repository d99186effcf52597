"""What follows an attempt that failed or was lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.job.retry import NO_RETRY, RetryPolicy, explicit
from shared.run.attempts import NextStep, next_step
from shared.run.firing import Firing
from tests.conftest import NOON

TICK = Firing("sweep", NOON)
TWO = explicit(30)


@pytest.mark.parametrize(
    ("firing", "policy", "final", "step"),
    [
        (TICK, TWO, False, NextStep.RETRY),
        (replace(TICK, attempt=2), TWO, False, NextStep.DEAD_LETTER),
        (TICK, TWO, True, NextStep.DEAD_LETTER),
        (TICK, NO_RETRY, False, NextStep.NOTHING),
        (replace(TICK, part=3), NO_RETRY, False, NextStep.NOTHING),
        (replace(TICK, target="7"), NO_RETRY, False, NextStep.NOTHING),
        (TICK, NO_RETRY, True, NextStep.DEAD_LETTER),
        (replace(TICK, letter="2026-03-02#ab"), NO_RETRY, False, NextStep.DEAD_LETTER),
        (replace(TICK, retried=False), TWO, False, NextStep.NOTHING),
        (replace(TICK, retried=False), TWO, True, NextStep.NOTHING),
    ],
)
def test_what_follows_depends_on_retries_and_not_on_how_the_attempt_ended(
    firing: Firing, policy: RetryPolicy, final: bool, step: NextStep
) -> None:
    assert next_step(firing, policy, final=final) is step
