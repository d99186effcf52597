"""An effect happens once, or its outcome is listed as unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from shared.admin import audit, effects
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.duration import days
from shared.job.effect import LONGEST_KEY, Confirmed, Effect, NotDone, NotPerformed, UncertainOutcome, Unknown
from shared.job.idempotency import keyed
from shared.job.outcome import Done, Outcome
from shared.run.claim import LEASE_MARGIN
from shared.run.context import RunContext
from shared.run.effect_results import INLINE_RESULT, token
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from shared.store import keys
from tests.conftest import Calls, Lines, VirtualClock
from tests.support.receiver import Receiver

Answer = Confirmed | NotDone | Unknown


class Greet(Job):
    """Greet everybody."""

    name = "greet"
    timeout = 60
    effects: ClassVar[timedelta | None] = days(30)
    idempotency = keyed("each greeting is an effect")

    def __init__(
        self, work: Callable[[RunContext], Any], answer: Callable[[Effect], Answer] = lambda _: Unknown()
    ) -> None:
        self.body = work
        self.answer = answer
        self.given: list[Any] = []
        self.asked: list[Effect] = []

    def work(self, run: RunContext) -> Outcome:
        self.given.append(self.body(run))
        return Done()

    def reconcile(self, effect: Effect) -> Answer:
        self.asked.append(effect)
        return self.answer(effect)


Go = Callable[..., RunReport]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def go(cloud: Cloud, log: Lines, clock: VirtualClock) -> Go:
    """Run the job for the tick of the next minute, or `minutes` later."""

    def go(job: Job, minutes: int = 1, **firing: Any) -> RunReport:
        clock.move(minutes=minutes)
        return run(job, Firing("greet", clock.now(), retried=False, **firing), cloud, log)

    return go


def row(cloud: Cloud, key: str = "ada") -> dict[str, Any]:
    found = cloud.dynamodb.get_item(
        TableName=cloud.names.table("state"), Key=attributes.row(keys.effect("greet", key).attributes)
    )
    return attributes.plain(found.get("Item"))


def greeting(receiver: Receiver) -> Callable[[RunContext], Any]:
    return lambda tick: tick.effect("ada", receiver.do)


def failing(error: BaseException) -> Callable[[RunContext], Any]:
    def do(_: str) -> Any:
        raise error

    return lambda tick: tick.effect("ada", do)


def dying(clock: VirtualClock) -> Callable[[RunContext], Any]:
    """Start the effect and do not confirm it, as a run that is killed in its call; its lease expires."""

    def do(_: str) -> Any:
        raise KeyboardInterrupt

    def work(run: RunContext) -> Any:
        run.cloud.dynamodb.meta.events.register_first("before-call.dynamodb.UpdateItem", die, unique_id="dead")
        try:
            run.effect("ada", do)
        finally:
            run.cloud.dynamodb.meta.events.unregister("before-call.dynamodb.UpdateItem", die, unique_id="dead")

    def die(**_: Any) -> None:
        raise KeyboardInterrupt

    return work


def left_behind(go: Go, clock: VirtualClock) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(Greet(dying(clock)))
    clock.move(seconds=60 + LEASE_MARGIN + 1)


def test_an_effect_costs_two_calls_and_two_write_units(go: Go, cloud: Cloud, receiver: Receiver) -> None:
    calls = Calls(cloud)
    go(Greet(greeting(receiver)))
    assert calls.made.count("dynamodb:PutItem") == 1
    assert len(calls.made) == 3 + 2
    assert attributes.size(attributes.row(row(cloud))) <= 1024


def test_a_duplicate_is_given_the_same_answer_for_one_call(go: Go, cloud: Cloud, receiver: Receiver) -> None:
    job = Greet(greeting(receiver))
    go(job)
    calls = Calls(cloud)
    go(job)
    assert len(calls.made) == 3 + 1
    assert job.given == [{"id": f"done-{token(cloud.names, 'greet', 'ada')}"}] * 2
    assert receiver.did.total() == 1


def test_the_idempotency_key_is_the_same_on_every_attempt_and_another_one_elsewhere(go: Go, cloud: Cloud) -> None:
    sent: list[str] = []

    def do(given: str) -> None:
        sent.append(given)
        if len(sent) == 1:
            raise NotPerformed("the receiver said no")

    job = Greet(lambda tick: tick.effect("ada", do))
    go(job)
    go(job)
    assert sent == [token(cloud.names, "greet", "ada")] * 2
    others = [
        token(replace(cloud.names, stage="prod"), "greet", "ada"),
        token(cloud.names, "part", "ada"),
        token(cloud.names, "greet", "bob"),
    ]
    assert len({*sent, *others}) == 4


def test_what_did_nothing_for_certain_is_free_again(go: Go, cloud: Cloud, receiver: Receiver) -> None:
    assert go(Greet(failing(NotPerformed("no such mailbox")))).note == "NotPerformed: no such mailbox"
    assert row(cloud) == {}
    go(Greet(greeting(receiver)))
    assert receiver.did.total() == 1


def test_a_call_that_ends_with_nobody_knowing_is_never_repeated_blindly(
    go: Go, cloud: Cloud, receiver: Receiver, log: Lines
) -> None:
    go(Greet(failing(TimeoutError("no answer within 10 s"))))
    job = Greet(greeting(receiver))
    report = go(job)
    assert report.outcome == "failed"
    assert (
        report.note == "UncertainOutcome: the outcome of effect 'ada' is unknown; "
        "resolve it: python jobs.py effects greet --aws --stage test"
    )
    assert receiver.did.total() == 0
    [asked] = job.asked
    assert (asked.key, asked.error) == ("ada", "TimeoutError: no answer within 10 s")
    [waiting] = effects.uncertain_effects(cloud, "greet")
    assert (waiting["key"], waiting["error"]) == ("ada", "TimeoutError: no answer within 10 s")
    assert log.said("effect_uncertain")


def test_an_uncertain_effect_holds_up_no_other_and_stands_in_the_status(
    go: Go, cloud: Cloud, receiver: Receiver
) -> None:
    go(Greet(failing(TimeoutError())))

    def work(run: RunContext) -> None:
        for name in ("ada", "bob", "cyd"):
            try:
                run.effect(name, receiver.do)
            except UncertainOutcome:
                continue

    report = go(Greet(work))
    assert receiver.did.total() == 2
    assert (report.outcome, report.note) == (
        "done",
        "1 effects are uncertain: python jobs.py effects greet --aws --stage test",
    )


def test_it_is_marked_and_listed_once_however_often_it_is_met(go: Go, cloud: Cloud, receiver: Receiver) -> None:
    go(Greet(failing(TimeoutError())))
    go(Greet(greeting(receiver)))
    calls = Calls(cloud)
    go(Greet(greeting(receiver)))
    assert "dynamodb:TransactWriteItems" not in calls.made
    assert len([*effects.uncertain_effects(cloud, "greet")]) == 1


def test_an_intent_of_an_interrupted_run_is_reconciled_by_the_job(
    go: Go, cloud: Cloud, clock: VirtualClock, receiver: Receiver
) -> None:
    left_behind(go, clock)
    job = Greet(greeting(receiver), lambda _: Confirmed({"id": "m-7"}))
    go(job)
    assert job.given == [{"id": "m-7"}]
    assert job.asked[0].run.startswith("20260302T120100.000Z-")
    go(job)
    assert (job.given, receiver.did.total(), len(job.asked)) == ([{"id": "m-7"}] * 2, 0, 1)


def test_what_the_job_knows_was_not_done_is_done(go: Go, cloud: Cloud, clock: VirtualClock, receiver: Receiver) -> None:
    left_behind(go, clock)
    job = Greet(greeting(receiver), lambda _: NotDone())
    assert go(job).outcome == "done"
    assert go(job).outcome == "done"
    assert receiver.did.total() == 1
    assert "error" not in row(cloud)


@pytest.mark.parametrize(("answer", "calls"), [(Confirmed(), 3), (NotDone(), 4)])
def test_what_was_left_behind_is_settled_in_four_calls_of_the_store(
    go: Go, cloud: Cloud, clock: VirtualClock, receiver: Receiver, answer: Answer, calls: int
) -> None:
    left_behind(go, clock)
    counted = Calls(cloud)
    go(Greet(greeting(receiver), lambda _: answer))
    assert counted.made.count("s3:GetObject") == 1
    # Besides the run's own calls: two claims, the row and the status of the interrupted run, finish and history.
    assert len(counted.made) == 6 + calls + 1


def test_a_definite_no_costs_two_calls(go: Go, cloud: Cloud) -> None:
    calls = Calls(cloud)
    go(Greet(failing(NotPerformed("no such mailbox"))))
    assert calls.made.count("dynamodb:PutItem") == calls.made.count("dynamodb:DeleteItem") == 1
    assert len(calls.made) == 3 + 2


def test_what_was_uncertain_leaves_the_list_once_the_job_knows(
    go: Go, cloud: Cloud, clock: VirtualClock, receiver: Receiver
) -> None:
    left_behind(go, clock)
    go(Greet(greeting(receiver)))
    assert [*effects.uncertain_effects(cloud, "greet")] != []
    go(Greet(greeting(receiver), lambda _: NotDone()))
    assert [*effects.uncertain_effects(cloud, "greet")] == []


def test_a_run_that_holds_the_lease_of_the_interrupted_one_need_not_wait(
    go: Go, cloud: Cloud, clock: VirtualClock, receiver: Receiver
) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(Greet(dying(clock)))
    # As dispatch does once Lambda has reported the interruption.
    key = attributes.row({"pk": "greet:last", "sk": "-"})
    cloud.dynamodb.update_item(
        TableName=cloud.names.table("state"), Key=key, UpdateExpression="REMOVE holder, lease_until"
    )
    assert go(Greet(greeting(receiver), lambda _: NotDone())).outcome == "done"
    assert receiver.did.total() == 1


def test_a_run_under_another_lease_waits_until_the_effect_must_be_over(
    go: Go, cloud: Cloud, clock: VirtualClock, receiver: Receiver
) -> None:
    for _ in range(3):
        # Its fence is higher, which has no effect here.
        go(Greet(lambda _: None), target="1")
    with pytest.raises(KeyboardInterrupt):
        go(Greet(dying(clock)))
    job = Greet(greeting(receiver), lambda _: NotDone())
    assert "InFlight: effect 'ada' is in progress in another run, for 11 s" in go(job, target="1").note
    assert job.asked == []
    assert go(job, target="1").outcome == "done"


def test_two_deliveries_at_once_are_one_call(go: Go, cloud: Cloud, receiver: Receiver) -> None:
    inner: list[RunReport] = []

    def do(given: str) -> Any:
        inner.append(go(Greet(greeting(receiver)), target="1"))
        return receiver.do(given)

    go(Greet(lambda tick: tick.effect("ada", do)))
    assert inner[0].note.startswith("InFlight")
    assert receiver.did.total() == 1


def test_of_two_who_ask_one_does_it_again(go: Go, cloud: Cloud, clock: VirtualClock, receiver: Receiver) -> None:
    left_behind(go, clock)
    inner: list[str] = []

    def answer(_: Effect) -> Answer:
        if not inner:
            inner.append("")
            inner[0] = go(Greet(greeting(receiver), lambda _: NotDone()), minutes=0, target="1").outcome
        return NotDone()

    job = Greet(greeting(receiver), answer)
    assert go(job).outcome == "done"
    assert (inner, receiver.did.total()) == (["done"], 1)


def test_an_effect_that_another_run_took_over_is_left_to_it(go: Go, clock: VirtualClock, receiver: Receiver) -> None:
    left_behind(go, clock)

    def answer(_: Effect) -> Answer:
        with pytest.raises(KeyboardInterrupt):
            go(Greet(dying(clock), lambda _: NotDone()), minutes=0, target="1")
        return NotDone()

    assert "InFlight" in go(Greet(greeting(receiver), answer)).note
    assert receiver.did.total() == 0


def test_a_row_that_another_transaction_is_at_is_looked_at_again(
    go: Go, cloud: Cloud, clock: VirtualClock, receiver: Receiver
) -> None:
    left_behind(go, clock)
    conflicts: list[Exception] = []

    def conflict(**_: Any) -> None:
        if not conflicts:
            answer: Any = {"Error": {}, "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}]}
            conflicts.append(cloud.dynamodb.exceptions.TransactionCanceledException(answer, "TransactWriteItems"))
            raise conflicts[0]

    cloud.dynamodb.meta.events.register("before-call.dynamodb.TransactWriteItems", conflict)
    assert go(Greet(greeting(receiver), lambda _: NotDone())).outcome == "done"
    assert (len(conflicts), receiver.did.total()) == (1, 1)


def test_a_fenced_run_begins_no_effect(go: Go, cloud: Cloud, clock: VirtualClock, receiver: Receiver) -> None:
    def work(run: RunContext) -> Any:
        clock.move(seconds=60 + LEASE_MARGIN)
        return run.effect("ada", receiver.do)

    assert go(Greet(work)).outcome == "lost"
    assert (row(cloud), receiver.did.total()) == ({}, 0)


def test_a_run_that_freezes_after_its_intent_takes_it_back(
    go: Go, cloud: Cloud, clock: VirtualClock, receiver: Receiver
) -> None:
    def freeze(**_: Any) -> None:
        clock.move(minutes=5)

    cloud.dynamodb.meta.events.register("after-call.dynamodb.PutItem", freeze)
    assert go(Greet(greeting(receiver))).outcome == "lost"
    assert (row(cloud), receiver.did.total()) == ({}, 0)


def test_no_effect_is_begun_once_the_runs_time_is_up(
    go: Go, cloud: Cloud, clock: VirtualClock, receiver: Receiver
) -> None:
    def work(run: RunContext) -> Any:
        clock.move(seconds=56)
        return run.effect("ada", receiver.do)

    assert "NotPerformed" in go(Greet(work)).note
    assert receiver.did.total() == 0


def test_an_effect_taken_over_during_its_call_is_logged(
    go: Go, cloud: Cloud, clock: VirtualClock, receiver: Receiver, log: Lines
) -> None:
    def freeze(given: str) -> Any:
        clock.move(seconds=60 + LEASE_MARGIN)
        go(Greet(greeting(receiver), lambda _: NotDone()))
        return receiver.do(given)

    assert go(Greet(lambda tick: tick.effect("ada", freeze))).outcome == "lost"
    assert log.said("effect_contested")


def test_an_effect_is_remembered_for_as_long_as_its_job_declares(
    go: Go, clock: VirtualClock, receiver: Receiver
) -> None:
    job = Greet(greeting(receiver))
    go(job)
    clock.move(days=29)
    go(job)
    assert receiver.did.total() == 1
    clock.move(days=2)
    go(job)
    assert receiver.did.total() == 2


def test_what_nobody_knows_of_does_not_expire(go: Go, cloud: Cloud, clock: VirtualClock, receiver: Receiver) -> None:
    go(Greet(failing(TimeoutError())))
    clock.move(days=400)
    assert "expires" not in row(cloud)
    assert "UncertainOutcome" in go(Greet(greeting(receiver))).note


def test_a_large_result_lies_in_an_object_and_a_duplicate_gets_it_too(go: Go, cloud: Cloud) -> None:
    large = {"scores": ["x" * 100] * 100}
    paid: list[str] = []

    def do(given: str) -> Any:
        paid.append(given)
        return large

    job = Greet(lambda tick: tick.effect("ada", do))
    go(job)
    assert attributes.size(attributes.row(row(cloud))) <= 1024
    go(job)
    assert (job.given, len(paid)) == ([large] * 2, 1)


def test_a_result_is_kept_in_its_row_up_to_what_an_object_would_cost(go: Go, cloud: Cloud) -> None:
    calls = Calls(cloud)
    go(Greet(lambda tick: tick.effect("ada", lambda _: "x" * (INLINE_RESULT - 2))))
    assert "s3:PutObject" not in calls.made
    go(Greet(lambda tick: tick.effect("bob", lambda _: "x" * (INLINE_RESULT - 1))))
    assert "s3:PutObject" in calls.made


def test_a_large_result_that_was_stored_and_not_confirmed_is_found(
    go: Go, cloud: Cloud, clock: VirtualClock, receiver: Receiver
) -> None:
    def die(**_: Any) -> None:
        raise KeyboardInterrupt

    cloud.s3.meta.events.register("after-call.s3.PutObject", die, unique_id="dead")
    with pytest.raises(KeyboardInterrupt):
        go(Greet(lambda tick: tick.effect("ada", lambda _: ["x" * 10_000])))
    cloud.s3.meta.events.unregister("after-call.s3.PutObject", die, unique_id="dead")
    clock.move(minutes=2)
    job = Greet(greeting(receiver))
    go(job)
    assert (job.given, job.asked, receiver.did.total()) == ([["x" * 10_000]], [], 0)


def test_both_get_the_result_as_json_has_it(go: Go) -> None:
    job = Greet(lambda tick: tick.effect("ada", lambda _: {"pair": (1, 2)}))
    go(job)
    go(job)
    assert job.given == [{"pair": [1, 2]}] * 2


def test_a_result_that_is_no_json_is_an_error_and_the_effect_is_done(go: Go, cloud: Cloud) -> None:
    report = go(Greet(lambda tick: tick.effect("ada", lambda _: timedelta(1))))
    assert report.note == "TypeError: Object of type timedelta is not JSON serializable"
    assert row(cloud)["result"] == "null"


@pytest.mark.parametrize("key", ["", "k" * (LONGEST_KEY + 1)])
def test_a_key_that_cannot_be_kept_is_refused(go: Go, cloud: Cloud, receiver: Receiver, key: str) -> None:
    assert "an effect's key has 1 to 512 bytes" in go(Greet(lambda tick: tick.effect(key, receiver.do))).note
    assert receiver.did.total() == 0


def test_the_longest_key_takes_one_write_unit(go: Go, cloud: Cloud, receiver: Receiver) -> None:
    key = "k" * LONGEST_KEY
    go(Greet(lambda tick: tick.effect(key, receiver.do)))
    assert attributes.size(attributes.row(row(cloud, key))) <= 1024


def test_a_job_that_declares_no_effects_has_none(go: Go, receiver: Receiver) -> None:
    class Mute(Greet):
        """Greet without declared effects."""

        name = "greet"
        effects: ClassVar[timedelta | None] = None

    assert "greet declares no effects" in go(Mute(greeting(receiver))).note
    assert receiver.did.total() == 0


def test_an_operator_resolves_an_effect_as_done_with_its_result(go: Go, cloud: Cloud, receiver: Receiver) -> None:
    go(Greet(failing(TimeoutError())))
    job = Greet(greeting(receiver))
    go(job)
    effects.resolve_manually(cloud, job, "ada", Confirmed({"id": "m-7"}), "grace", "it is in the relay's log")
    assert go(job).outcome == "done"
    assert (job.given, receiver.did.total()) == ([{"id": "m-7"}], 0)
    assert [*effects.uncertain_effects(cloud, "greet")] == []
    [told] = audit.entries(cloud, 1)
    assert (told["what"], told["who"], told["reason"]) == ("effects done", "grace", "it is in the relay's log")
    assert (told["scope"], told["end"]) == ({"job": "greet", "key": "ada"}, "done")


def test_an_operator_resolves_an_effect_as_to_be_repeated(go: Go, cloud: Cloud, receiver: Receiver) -> None:
    go(Greet(failing(TimeoutError())))
    job = Greet(greeting(receiver))
    effects.resolve_manually(cloud, job, "ada", NotDone(), "grace", "the relay has no trace of it")
    go(job)
    assert receiver.did.total() == 1
    assert [told["what"] for told in audit.entries(cloud, 1)] == ["effects redo"]


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (lambda _: None, "greet has begun no effect 'ada'"),
        (lambda tick: tick.effect("ada", lambda _: None), "'ada' was confirmed at 2026-03-02T12:01:00.000Z"),
    ],
)
def test_what_does_not_wait_is_not_settled(
    go: Go, cloud: Cloud, before: Callable[[RunContext], Any], words: str
) -> None:
    job = Greet(before)
    go(job)
    with pytest.raises(effects.NothingToResolve, match=words):
        effects.resolve_manually(cloud, job, "ada", NotDone(), "grace", "to see")
    assert [*audit.entries(cloud, 1)] == []


def test_what_is_being_done_is_not_settled_by_hand(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(Greet(dying(clock)))
    with pytest.raises(effects.NothingToResolve, match="is being done by 20260302T120100"):
        effects.resolve_manually(cloud, Greet(dying(clock)), "ada", NotDone(), "grace", "to see")


def test_what_was_begun_and_never_met_again_is_found_by_looking_at_all(
    go: Go, cloud: Cloud, clock: VirtualClock, receiver: Receiver
) -> None:
    go(Greet(lambda tick: tick.effect("bob", receiver.do)))
    left_behind(go, clock)
    [found] = effects.unconfirmed_effects(cloud, "greet")
    assert (found["key"], found["busy"], found["since"]) == ("ada", False, None)
