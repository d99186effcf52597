"""Outcomes: each has a word of the closed set, and whether it is good."""

from __future__ import annotations

from typing import get_args

import pytest

from shared.job.outcome import WORDS, Done, Enqueued, Failed, Lost, Outcome, Reason, Refused, Skipped, Snoozed

EXAMPLES: tuple[Outcome, ...] = (
    *(Done(), Failed("no answer"), Snoozed(60), Lost(), Refused("too many rows"), Enqueued("queue")),
    *(Skipped(reason) for reason in Reason),
)


def test_every_kind_of_outcome_has_a_word_of_the_closed_set_and_no_word_is_unused() -> None:
    assert {type(outcome) for outcome in EXAMPLES} == {*get_args(Outcome)}
    assert sorted(outcome.word for outcome in EXAMPLES) == sorted(WORDS)


def test_failed_lost_and_refused_runs_are_bad() -> None:
    assert [outcome.word for outcome in EXAMPLES if not outcome.ok] == ["failed", "lost", "refused"]


def test_a_bad_verdict_is_still_done() -> None:
    down = Done(ok=False)
    assert (down.ok, down.word) == (False, "done")


def test_an_outcome_does_not_change() -> None:
    with pytest.raises(AttributeError):
        Done().ok = False  # type: ignore[misc]


def test_a_routed_run_names_its_runtime() -> None:
    assert Enqueued("celery").note == "to be run by celery"
