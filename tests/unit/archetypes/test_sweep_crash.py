"""Sweeps that crash after any call: one attempt per number, one end per item, one notification."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from shared.archetypes.sweep.attempt import Attempt, AttemptVerdict, RetryLater, Succeeded
from shared.aws.cloud import Cloud
from shared.job.effect import Confirmed, Effect, NotDone
from shared.product.records.outgoing import Delivery
from shared.run.firing import Firing
from shared.run.run import run
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.receiver import Death, Mortal, Receiver
from tests.support.sweeping import all_of, put
from tests.unit.archetypes.test_sweep import Errands

# More than a run of one item has: claim, intent, the attempt, confirmation, settling, finish, history.
CALLS = 9


class Outside(Errands):
    """Sweep whose receiver counts the attempts."""

    name = "errands"

    def __init__(self, receiver: Receiver, verdict: AttemptVerdict) -> None:
        super().__init__()
        self.receiver = receiver
        self.verdict = verdict

    def attempt(self, attempt: Attempt) -> AttemptVerdict:
        self.receiver.do(attempt.token)
        return self.verdict

    def reconcile(self, effect: Effect) -> Confirmed | NotDone:  # type: ignore[override]
        """Look up the outcome at the receiver."""
        if not self.receiver.did[effect.token]:
            return NotDone()
        said: Mapping[str, Any] = {"end": self.verdict.word, "why": self.verdict.why, "noted": {}, "wait": 0}
        return Confirmed({**said, "at": "2026-03-02T12:00:00.000Z"})


@pytest.mark.parametrize("last", range(1, CALLS))
@pytest.mark.parametrize("verdict", [Succeeded("taken"), RetryLater("busy")], ids=["settled", "the last that fails"])
def test_a_death_after_any_call_is_made_good_by_the_next_ticks(
    verdict: AttemptVerdict, last: int, cloud: Cloud, clock: VirtualClock, log: Lines
) -> None:
    put(
        cloud,
        Delivery(
            user="u",
            id="a",
            created_at=NOON,
            next_attempt_at=NOON,
            attempts=4,
            webhook="w",
            event="e",
            body="{}",
        ),
    )
    receiver = Receiver()
    job = Outside(receiver, verdict)
    mortal = Mortal(cloud, receiver, reads=False)
    mortal.until(last)
    with suppress(Death):
        run(job, Firing(job.name, clock.now(), correlation_id="c"), cloud, log)
    mortal.until(0)
    for _ in range(3):
        clock.move(minutes=10)
        run(job, Firing(job.name, clock.now(), correlation_id="c"), cloud, log)
    assert list(receiver.did.values()) == [1]
    [row] = all_of(cloud, "deliveries")
    ended = "sent" if isinstance(verdict, Succeeded) else "failed"
    assert (row["state"], row["attempts"], "due" in row) == (ended, 5, False)
    assert len(all_of(cloud, "notifications")) == (0 if ended == "sent" else 1)
