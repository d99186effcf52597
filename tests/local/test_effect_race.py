"""Concurrent attempts at one effect, on an engine that serves them in parallel."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from shared.admin import audit, effects
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.duration import days
from shared.job.effect import Confirmed, Effect, InFlight, NotDone, UncertainOutcome, Unknown
from shared.job.idempotency import keyed
from shared.job.outcome import Done, Outcome
from shared.observability.log import Log
from shared.run.context import RunContext
from shared.run.firing import Firing

WORKERS = 16


class Send(Job):
    """Send a letter."""

    name = "send-letter"
    timeout = 60
    effects: ClassVar[timedelta | None] = days(30)
    idempotency = keyed("a letter is an effect")

    def __init__(self, answer: Confirmed | NotDone | Unknown) -> None:
        self.answer = answer

    def work(self, run: RunContext) -> Outcome:
        return Done()

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        return self.answer


@pytest.fixture
def engine(apart: Cloud) -> Cloud:
    return apart


def tick(cloud: Cloud, job: Job, number: int = 0) -> RunContext:
    """A run of a batch, which has no lease."""
    now = cloud.clock.now()
    return RunContext(job, Firing(job.name, now), cloud, f"run-{number}", now, Log(lambda _: None))


def at_once(cloud: Cloud, job: Job, do: Callable[[str], Any]) -> Counter[str]:
    """Perform one key in all workers; the outcome of each."""
    gate = threading.Barrier(WORKERS)

    def one(number: int) -> str:
        mine = tick(cloud, job, number)
        gate.wait()
        try:
            return str(mine.effect("ada", do))
        except (InFlight, UncertainOutcome) as error:
            return type(error).__name__

    with ThreadPoolExecutor(WORKERS) as pool:
        return Counter(pool.map(one, range(WORKERS)))


def left_behind(cloud: Cloud, job: Job) -> None:
    def fail(_: str) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        tick(cloud, job).effect("ada", fail)


class Letters(list[str]):
    """Requests by idempotency key."""

    def do(self, given: str) -> str:
        time.sleep(0.05)
        self.append(given)
        return "sent"


def test_one_of_many_performs_it_and_the_others_wait_or_get_its_result(engine: Cloud) -> None:
    sent = Letters()
    ends = at_once(engine, Send(Unknown()), sent.do)
    assert len(sent) == 1
    assert ends["sent"] >= 1
    assert ends["sent"] + ends["InFlight"] == WORKERS
    assert at_once(engine, Send(Unknown()), sent.do) == {"sent": WORKERS}
    assert len(sent) == 1


def test_one_of_many_repeats_an_interrupted_effect(engine: Cloud) -> None:
    job, sent = Send(NotDone()), Letters()
    left_behind(engine, job)
    ends = at_once(engine, job, sent.do)
    assert len(sent) == 1
    assert ends["sent"] + ends["InFlight"] == WORKERS


def test_an_uncertain_effect_is_listed_once_and_resolved_once(engine: Cloud) -> None:
    job, sent = Send(Unknown()), Letters()
    left_behind(engine, job)
    assert at_once(engine, job, sent.do) == {"UncertainOutcome": WORKERS}
    assert [found["key"] for found in effects.uncertain_effects(engine, "send-letter")] == ["ada"]

    def decide(number: int) -> str:
        try:
            effects.resolve_manually(engine, job, "ada", Confirmed("by hand"), f"operator-{number}", "looked")
        except effects.NothingToResolve:
            return "refused"
        return "settled"

    with ThreadPoolExecutor(WORKERS) as pool:
        assert Counter(pool.map(decide, range(WORKERS))) == {"settled": 1, "refused": WORKERS - 1}
    assert len([*audit.entries(engine, 1)]) == 1
    assert at_once(engine, job, sent.do) == {"by hand": WORKERS}
    assert ([*effects.uncertain_effects(engine, "send-letter")], sent) == ([], [])
