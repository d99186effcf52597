"""Effects under interruptions after each call: none happens twice, and each is done or listed."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ConnectionClosedError

from shared.admin import effects
from shared.archetypes.consumer import Consumer, Message
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.duration import days
from shared.job.effect import Confirmed, Effect, NotDone, UncertainOutcome, Unknown
from shared.job.idempotency import keyed
from shared.job.outcome import Done, Outcome
from shared.messages.run_batch import run_batch
from shared.run.claim import LEASE_MARGIN
from shared.run.context import RunContext
from shared.run.effect_results import token
from shared.run.firing import Batch, Firing
from shared.run.run import run
from shared.store import keys
from tests.conftest import Lines, VirtualClock
from tests.support.receiver import Death, Mortal, Receiver

EFFECTS = 5
# Two interruptions meet in one effect or in two neighbours; five effects take fifteen times as long and show no more.
PAIRED = int(os.environ.get("NIGHTSHIFT_TEST_PAIRED_EFFECTS", "2"))
LARGE = "x" * 10_000


class Letters(Job):
    """Send a few letters."""

    name = "letters"
    timeout = 60
    effects: ClassVar[timedelta | None] = days(30)
    idempotency = keyed("each letter is an effect")

    def __init__(self, receiver: Receiver, *, looks: Container[int], large: bool = False, count: int = EFFECTS) -> None:
        self.receiver = receiver
        self.count = count
        self.looks = looks
        self.large = large

    def keys(self, target: str) -> list[str]:
        return [f"{target}/{number}" for number in range(self.count)]

    def knows(self, key: str) -> bool:
        """Whether the job can look up the outcome of that letter."""
        return int(key.partition("/")[2]) in self.looks

    def work(self, run: RunContext) -> Outcome:
        for key in self.keys(run.target):
            with suppress(UncertainOutcome):
                run.effect(key, self.send)
        return Done()

    def send(self, given: str) -> Any:
        answer = self.receiver.do(given)
        return {**answer, "copy": LARGE} if self.large else answer

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        if not self.knows(effect.key):
            return Unknown()
        return Confirmed(self.receiver.did[effect.token]) if self.receiver.did[effect.token] else NotDone()


class Scene:
    """One cloud for all cases, each under a target of its own."""

    def __init__(self, cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
        self.cloud = cloud
        self.clock = clock
        self.log = log
        self.receiver = Receiver()
        self.mortal = Mortal(cloud, self.receiver)
        self.cases = itertools.count()

    def run_until(self, job: Job, target: str, last: int) -> None:
        """One run, interrupted after its `last` call, or not with 0; the next run may have the lease."""
        self.clock.move(seconds=60 + LEASE_MARGIN + 1)
        self.mortal.until(last)
        with suppress(Death):
            run(job, Firing(job.name, self.clock.now(), target=target, retried=False), self.cloud, self.log)

    def calls(self, job: Letters) -> int:
        """The number of calls of a run without an interruption."""
        self.run_until(job, f"case-{next(self.cases)}", 0)
        return self.mortal.made

    def interrupted(self, job: Letters, *deaths: int) -> tuple[str, bool]:
        """Interrupt runs of a new target after these numbers of calls, then let one end.

        Returns the target, and whether all of them were interrupted.
        """
        target, all_interrupted = f"case-{next(self.cases)}", True
        for last in deaths:
            self.run_until(job, target, last)
            all_interrupted = all_interrupted and self.mortal.dead
        self.run_until(job, target, 0)
        return target, all_interrupted

    def unknown(self, job: Job, target: str) -> list[str]:
        """The keys of uncertain effects."""
        return [found["key"] for found in effects.uncertain_effects(self.cloud, job.name) if target in found["key"]]

    def state(self, job: Letters, target: str) -> Iterator[tuple[str, int, bool]]:
        """Key, number of calls and confirmation of each effect."""
        for key in job.keys(target):
            found = self.cloud.dynamodb.get_item(
                TableName=self.cloud.names.table("state"), Key=attributes.row(keys.effect(job.name, key).attributes)
            )
            yield key, self.receiver.did[token(self.cloud.names, job.name, key)], "done" in found.get("Item", {})


@pytest.fixture
def scene(cloud: Cloud, clock: VirtualClock, log: Lines) -> Scene:
    return Scene(cloud, clock, log)


def faults(scene: Scene, job: Letters, target: str, deaths: tuple[int, ...]) -> list[str]:
    found = []
    for key, times, confirmed in scene.state(job, target):
        if times > 1:
            found.append(f"{deaths}: {key} happened {times} times")
        if not (confirmed and times == 1) and key not in scene.unknown(job, target):
            found.append(f"{deaths}: {key} happened {times} times, and is not listed")
        if job.knows(key) and (times, confirmed) != (1, True):
            found.append(f"{deaths}: {key} is not done")
    return found


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("looks", [(), range(EFFECTS)], ids=["blind", "looks"])
def test_no_interruption_after_any_call_repeats_or_loses_an_effect(
    scene: Scene, looks: Container[int], large: bool
) -> None:
    job = Letters(scene.receiver, looks=looks, large=large)
    # The claim, five times intent, call and confirmation, the end and its row; a large result is an object more.
    calls = scene.calls(job)
    assert calls == 1 + EFFECTS * (4 if large else 3) + 2
    found = []
    for last in range(1, calls + 1):
        target, all_interrupted = scene.interrupted(job, last)
        assert all_interrupted
        found += faults(scene, job, target, (last,))
    assert found == []


@pytest.mark.timeout(600)
def test_no_two_interruptions_in_a_row_repeat_or_lose_an_effect(scene: Scene) -> None:
    # The job can look up the outcome of the first letter, and not of the second.
    job = Letters(scene.receiver, looks=range(PAIRED - PAIRED // 2), count=PAIRED)
    found, pairs, calls = [], 0, scene.calls(job)
    for first in range(1, calls + 1):
        for second in itertools.count(1):
            target, all_interrupted = scene.interrupted(job, first, second)
            found += faults(scene, job, target, (first, second))
            if not all_interrupted:
                # The run makes fewer calls.
                break
            pairs += 1
    assert found == []
    # A run that continues an interrupted one makes the claim, the rest of the work, the end and its row.
    assert pairs > 6 * calls


def losing(cloud: Cloud, number: int, times: int) -> Callable[[], None]:
    """Lose the replies of one AWS call and its repeats, `times` times. Returns a function that stops it."""
    made: dict[str, int] = {}

    def lose(request: Any, **_: Any) -> None:
        # A repeat by the SDK has the same invocation id.
        call = request.headers["amz-sdk-invocation-id"]
        made[call] = made.get(call, 0) + 1
        if list(made).index(call) == number - 1 and made[call] <= times:
            raise ConnectionClosedError(endpoint_url=request.url)

    clients = (cloud.dynamodb, cloud.s3)
    for client in clients:
        client.meta.events.register_last("before-send", lose, unique_id="lose")

    def stop() -> None:
        for client in clients:
            client.meta.events.unregister("before-send", lose, unique_id="lose")

    return stop


@pytest.mark.parametrize("looks", [(), range(EFFECTS)], ids=["blind", "looks"])
@pytest.mark.parametrize("times", [1, 9], ids=["once", "for good"])
def test_no_reply_that_is_lost_does_an_effect_twice_or_loses_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, looks: Container[int], times: int
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    job = Letters(scene.receiver, looks=looks)
    found = []
    for number in range(1, 1 + 2 * EFFECTS + 2 + 1):
        stop = losing(scene.cloud, number, times)
        target = f"case-{next(scene.cases)}"
        try:
            with suppress(ConnectionClosedError):
                scene.run_until(job, target, 0)
        finally:
            stop()
        scene.run_until(job, target, 0)
        scene.run_until(job, target, 0)
        unknown = [
            waiting["key"] for waiting in effects.uncertain_effects(scene.cloud, job.name) if target in waiting["key"]
        ]
        if times == 1 or job.knows("/0"):
            assert unknown == [], number
        for key, happened, confirmed in scene.state(job, target):
            if happened > 1 or not ((happened == 1 and confirmed) or key in unknown):
                found.append(f"{number}: {key} happened {happened} times, confirmed: {confirmed}")
    assert found == []


@pytest.mark.parametrize("answer", [Unknown(), NotDone(), Confirmed("by then")])
def test_a_reply_lost_while_the_job_reconciles_settles_the_effect_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    monkeypatch.setattr(Letters, "reconcile", lambda _job, _effect: answer)
    job = Letters(scene.receiver, looks=())
    for number in range(1, 18):
        target = f"case-{next(scene.cases)}"
        # Interrupted after its first intent, before the call.
        scene.run_until(job, target, 2)
        stop = losing(scene.cloud, number, 1)
        try:
            scene.run_until(job, target, 0)
        finally:
            stop()
        first, *others = scene.state(job, target)
        assert [state[1:] for state in others] == [(1, True)] * (EFFECTS - 1)
        listed = first[0] in [waiting["key"] for waiting in effects.uncertain_effects(scene.cloud, job.name)]
        told = (first[1], first[2], listed)
        expected = {Unknown: (0, False, True), NotDone: (1, True, False), Confirmed: (0, True, False)}
        assert told == expected[type(answer)], number


class Post(Consumer):
    """Send a letter for each message."""

    name = "post"
    timeout = 60
    queue = "demo:post"
    effects: ClassVar[timedelta | None] = days(30)
    idempotency = keyed("each letter is an effect")

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver

    def handle(self, run: RunContext, message: Message) -> None:
        run.effect(str(message.body), self.receiver.do)


def test_a_consumers_effects_survive_an_interruption_after_any_call(scene: Scene) -> None:
    job = Post(scene.receiver)

    def deliver(bodies: list[str], last: int) -> list[str]:
        records = tuple({"messageId": body, "body": body, "receiptHandle": "r"} for body in bodies)
        scene.clock.move(seconds=6 * 60)
        scene.mortal.until(last)
        try:
            return run_batch(job, Batch(job.name, records), scene.cloud, scene.log, 60)
        except Death:
            return bodies

    for last in range(1, 3 * EFFECTS + 2):
        bodies = [f"{last}/{number}" for number in range(EFFECTS)]
        left = deliver(deliver(bodies, last), 0)
        scene.mortal.until(0)
        unknown = [found["key"] for found in effects.uncertain_effects(scene.cloud, job.name) if found["key"] in bodies]
        assert left == unknown
        for body in bodies:
            times = scene.receiver.did[token(scene.cloud.names, job.name, body)]
            assert times == 1 or (times == 0 and body in unknown)
