"""A live process that knows an effect's outcome writes it: no failing call leaves it uncertain."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ConnectionClosedError

from shared.admin import effects
from shared.archetypes.consumer import Consumer, Message
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import retry_policies
from shared.job.definition import FINISH_SECONDS, Job
from shared.job.duration import days
from shared.job.effect import Confirmed, Effect, InFlight, NotPerformed, Unknown
from shared.job.idempotency import keyed
from shared.job.outcome import Done, Outcome
from shared.messages.payload import Payload
from shared.messages.run_batch import run_batch
from shared.messages.tenant import Tenant
from shared.run.claim import LEASE_MARGIN
from shared.run.context import RunContext
from shared.run.effect_results import token
from shared.run.firing import Batch, Firing
from shared.run.reconcile import update_open
from shared.run.run import run
from shared.store import keys, table
from shared.tables import STATE
from tests.conftest import Lines, VirtualClock, letters, waiting
from tests.support.failing_calls import CallFault, Fails, failing
from tests.support.receiver import Receiver

LARGE = "x" * 10_000
TIMEOUT = 60


class Mailer(Job):
    """Send two letters."""

    name = "mailer"
    timeout = TIMEOUT
    effects: ClassVar[timedelta | None] = days(30)
    idempotency = keyed("each letter is an effect")

    def __init__(self, receiver: Receiver, large: bool = False) -> None:
        self.receiver = receiver
        self.large = large

    def keys(self, target: str) -> list[str]:
        return [f"{target}/{number}" for number in range(2)]

    def work(self, run: RunContext) -> Outcome:
        for key in self.keys(run.target):
            with suppress(NotPerformed, InFlight):
                run.effect(key, self.send)
        return Done()

    def send(self, given: str) -> Any:
        answer = self.receiver.do(given)
        return {**answer, "copy": LARGE} if self.large else answer

    def reconcile(self, effect: Effect) -> Unknown:
        return Unknown()


class Parcel(Payload):
    text: str


class Carrier(Consumer[Parcel]):
    """Carry a parcel for each message."""

    name = "carrier"
    timeout = TIMEOUT
    queue = "demo:parcels"
    retry = retry_policies.WEBHOOK
    effects: ClassVar[timedelta | None] = days(30)
    idempotency = keyed("each parcel is an effect")

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        return True

    def handle(self, run: RunContext, message: Message[Parcel]) -> None:
        run.effect(message.payload.text, self.receiver.do)

    def reconcile(self, effect: Effect) -> Unknown:
        return Unknown()


class Scene:
    def __init__(self, cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
        self.cloud, self.clock, self.log = cloud, clock, log
        self.receiver = Receiver()
        self.cases = itertools.count()

    def fire(self, job: Mailer, target: str) -> None:
        """Run for the next tick; the lease of the run before has ended."""
        self.clock.move(seconds=TIMEOUT + LEASE_MARGIN + 1)
        with suppress(ConnectionClosedError):
            run(job, Firing(job.name, self.clock.now(), target=target, retried=False), self.cloud, self.log)

    def row(self, job: str, key: str) -> dict[str, Any]:
        found = self.cloud.dynamodb.get_item(
            TableName=self.cloud.names.table("state"), Key=attributes.row(keys.effect(job, key).attributes)
        )
        return attributes.plain(found.get("Item"))

    def faults(self, job: str, names: list[str]) -> list[str]:
        listed = [found["key"] for found in effects.uncertain_effects(self.cloud, job)]
        return [
            f"{name}: {times} times, {'listed' if name in listed else 'not listed'}"
            for name in names
            if (times := self.receiver.did[token(self.cloud.names, job, name)]) != 1
            or name in listed
            or "done" not in self.row(job, name)
        ]


@pytest.fixture
def scene(cloud: Cloud, clock: VirtualClock, log: Lines) -> Scene:
    return Scene(cloud, clock, log)


def during(clock: VirtualClock, number: int, seconds: float) -> Fails:
    """Fail all calls from this number on, until `seconds` after it."""
    began: list[datetime] = []

    def fails(made: int, _: str) -> bool:
        if made < number:
            return False
        began.append(clock.now())
        return clock.now() < began[0] + timedelta(seconds=seconds)

    return fails


# Each: how long the calls fail from one call on; 0 for that call alone.
SPANS = {"one call": 0.0, "a second": 1.0, "until the deadline": float(TIMEOUT - FINISH_SECONDS)}


def every_call(
    scene: Scene, calls: int, act: Callable[[], None], span: float, reply_lost: bool
) -> Iterator[tuple[int, CallFault]]:
    """Act once for each call, which fails."""
    for number in range(1, calls + 1):
        fails: Fails = (
            during(scene.clock, number, span) if span else lambda made, _, number=number: made == number  # type: ignore[misc]
        )
        with failing(scene.cloud, fails, reply_lost=reply_lost) as fault:
            act()
        assert fault.failed
        yield number, fault


@pytest.mark.parametrize("reply_lost", [False, True], ids=["refused", "reply lost"])
@pytest.mark.parametrize("span", SPANS.values(), ids=SPANS)
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_no_failing_call_of_a_job_leaves_an_effect_uncertain(
    scene: Scene, span: float, reply_lost: bool, large: bool
) -> None:
    job = Mailer(scene.receiver, large)
    with failing(scene.cloud, lambda *_: False) as fault:
        scene.fire(job, "counted")
    target = ""

    def act() -> None:
        nonlocal target
        target = f"case-{next(scene.cases)}"
        scene.fire(job, target)

    found = []
    for number, failed in every_call(scene, len(fault.made), act, span, reply_lost):
        scene.fire(job, target)
        found += [f"{number} {failed.failed[0]}: {each}" for each in scene.faults(job.name, job.keys(target))]
    assert found == []


def deliver(scene: Scene, job: Carrier, record: dict[str, Any]) -> list[dict[str, Any]]:
    """Deliver a record; return what is to be delivered next."""
    scene.clock.move(seconds=6 * TIMEOUT)
    sent: list[dict[str, Any]] = []

    def keep(params: Any, **_: Any) -> None:
        if params["QueueUrl"] == scene.cloud.names.queue_url("demo:parcels"):
            sent.append(params)

    clients = (scene.cloud.sqs, scene.cloud.sqs_new_trace)
    for client in clients:
        client.meta.events.register("before-parameter-build.sqs.SendMessage", keep, unique_id="keep")
    try:
        failures = run_batch(job, Batch(job.name, (record,)), scene.cloud, scene.log, TIMEOUT)
    except ConnectionClosedError:
        failures = [record["messageId"]]
    for client in clients:
        client.meta.events.unregister("before-parameter-build.sqs.SendMessage", unique_id="keep")
    again = [{**record, "attributes": {"ApproximateReceiveCount": "2"}}] if failures else []
    return again + [
        {
            **record,
            "messageId": f"id-{next(scene.cases)}",
            "messageAttributes": {
                name: {"dataType": "String", "stringValue": each["StringValue"]}
                for name, each in params["MessageAttributes"].items()
            },
        }
        for params in sent
    ]


@pytest.mark.parametrize("reply_lost", [False, True], ids=["refused", "reply lost"])
@pytest.mark.parametrize("span", SPANS.values(), ids=SPANS)
def test_no_failing_call_of_a_consumer_leaves_an_effect_uncertain(scene: Scene, span: float, reply_lost: bool) -> None:
    scene.cloud.sqs.create_queue(QueueName=scene.cloud.names.queue("demo:parcels"))
    job, outcome = Carrier(scene.receiver), Counter[str]()
    key, left = "", list[dict[str, Any]]()

    def act() -> None:
        nonlocal key, left
        key = f"parcel-{next(scene.cases)}"
        payload = Parcel(organization_id="org_1", correlation_id="c", text=key)
        record = {
            "messageId": key,
            "receiptHandle": "handle",
            "body": payload.model_dump_json(by_alias=True),
            "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{scene.cloud.names.queue('demo:parcels')}",
        }
        record["body"] = f'{{"type": "parcel", "payload": {record["body"]}}}'
        left = deliver(scene, job, record)

    with failing(scene.cloud, lambda *_: False) as fault:
        act()
    found = []
    for number, failed in every_call(scene, len(fault.made), act, span, reply_lost):
        for _ in range(9):
            if not left:
                break
            left = [each for record in left for each in deliver(scene, job, record)]
            assert len(left) < 5
        found += [f"{number} {failed.failed[0]}: {each}" for each in scene.faults(job.name, [key])]
        outcome["left"] += len(left)
    assert (found, outcome["left"], letters(scene.cloud, "firings-dlq")) == ([], 0, [])


def test_an_outcome_that_cannot_be_written_is_carried_to_the_next_run(scene: Scene, log: Lines) -> None:
    job = Mailer(scene.receiver)

    def no_effect(params: Any, **_: Any) -> None:
        if "effect#" in repr(params.get("Key", "")) or "TransactItems" in params:
            raise ConnectionClosedError(endpoint_url="https://aws.test")

    events = scene.cloud.dynamodb.meta.events
    events.register("before-parameter-build.dynamodb", no_effect, unique_id="no-effect")
    scene.fire(job, "a")
    events.unregister("before-parameter-build.dynamodb", unique_id="no-effect")
    assert {line["effect"] for line in log.said("effect_unconfirmed")} == {"a/0"}
    assert "done" not in scene.row(job.name, "a/0")
    scene.fire(job, "a")
    assert scene.faults(job.name, job.keys("a")) == []
    claim = scene.cloud.dynamodb.get_item(
        TableName=scene.cloud.names.table("state"), Key=attributes.row(keys.claim(job.key, "a").attributes)
    )["Item"]
    assert "known_outcomes" not in claim


def listed(scene: Scene, job: Mailer) -> Callable[[], None]:
    """List the effect as uncertain while its call is made, as a run does that finds its lease expired."""

    def mark() -> None:
        row = scene.row(job.name, "a/0")
        marked = {"uncertain": "2026-03-02T12:00:00.000Z"}
        listing = {"begun": row["at"], "run": row["run"], "since": marked["uncertain"]}
        update_open(scene.cloud, job.name, "a/0", row["nonce"], marked, (), listing=listing)
        scene.receiver.after = lambda: None

    return mark


def test_a_late_confirmation_clears_the_list(scene: Scene) -> None:
    job = Mailer(scene.receiver)
    scene.receiver.after = listed(scene, job)
    scene.fire(job, "a")
    assert list(effects.uncertain_effects(scene.cloud, job.name)) == []
    assert scene.faults(job.name, job.keys("a")) == []


def test_an_entry_of_a_confirmed_effect_is_cleared_by_resolving_it(scene: Scene) -> None:
    job = Mailer(scene.receiver)
    scene.fire(job, "a")
    stale = {"begun": "2026-03-02T12:00:00.000Z", "run": "r", "since": "2026-03-02T12:00:00.000Z"}
    table.put(scene.cloud, STATE, {**keys.uncertain_effect(job.name, "a/0").attributes, **stale})
    with pytest.raises(effects.NothingToResolve, match="no longer listed"):
        effects.resolve_manually(scene.cloud, job, "a/0", Confirmed(), "ada", "the relay has it")
    assert list(effects.uncertain_effects(scene.cloud, job.name)) == []


def test_a_reply_of_the_intent_that_is_lost_for_good_leaves_no_intent(scene: Scene) -> None:
    job = Mailer(scene.receiver)
    with failing(scene.cloud, lambda _, name: name == "dynamodb:PutItem", reply_lost=True):
        scene.fire(job, "a")
    assert scene.receiver.did.total() == 0
    assert [scene.row(job.name, key) for key in job.keys("a")] == [{}, {}]
    assert list(effects.unconfirmed_effects(scene.cloud, job.name)) == []


def test_an_uncertain_effect_is_waited_for_without_an_attempt(scene: Scene, log: Lines) -> None:
    scene.cloud.sqs.create_queue(QueueName=scene.cloud.names.queue("demo:parcels"))
    job = Carrier(scene.receiver)

    def fail() -> None:
        raise OSError("connection lost")

    scene.receiver.after = fail
    record: dict[str, Any] = {
        "messageId": "m",
        "receiptHandle": "handle",
        "body": '{"type": "parcel", "payload": {"organizationId": "org_1", "correlationId": "c", "text": "p"}}',
        "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{scene.cloud.names.queue('demo:parcels')}",
    }
    left = deliver(scene, job, record)
    for _ in range(20):
        [record] = left
        left = deliver(scene, job, record)
    assert [found["key"] for found in effects.uncertain_effects(scene.cloud, job.name)] == ["p"]
    assert scene.receiver.did.total() == 1
    assert waiting(scene.cloud) == []
    # The failed call was the one attempt.
    assert record["messageAttributes"]["attempt"]["stringValue"] == "2"
