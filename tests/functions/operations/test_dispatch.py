"""Retries, continuations and shards start when they are due; an interrupted run counts as an attempt."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from functions.operations.dispatch import Dispatch
from shared import clock as clocks
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job.outcome import Done, Failed, Outcome
from shared.run import status
from shared.run.claim import Claim, Claims
from shared.run.firing import Firing
from shared.run.lost_runs import claim_item
from shared.store import keys
from tests.conftest import NOON, Lines, VirtualClock, letters
from tests.functions.operations.conftest import ENTRIES, Functions
from tests.support.moto_backends import queue
from tests.support.sweep_job import Sweep

Deliver = Callable[..., list[str]]
TICK = Firing("sweep", NOON, correlation_id="c")
EVENT = {"source": "aws.events", "time": "2026-03-02T12:00:00Z", "id": "e1"}


def envelope(cloud: Cloud, payload: Any = None, condition: str = "RetriesExhausted", name: str = "sweep") -> Any:
    """Build the envelope of Lambda's on-failure destination."""
    return {
        "version": "1.0",
        "timestamp": clocks.iso(cloud.clock.now()),
        "requestContext": {
            "requestId": "request-1",
            "functionArn": f"arn:aws:lambda:us-east-1:123456789012:function:{cloud.names.function(name)}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": 1,
        },
        "requestPayload": payload or EVENT,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 60.00 seconds"},
    }


def die(cloud: Cloud, firing: Firing = TICK, run: str = "20260302T120000.000Z-aaaaaaaa") -> Claim:
    taken = Claims(cloud, Sweep(), "-").take(firing, run, "request-1")
    assert isinstance(taken, Claim)
    return taken


def lost(cloud: Cloud, run: str = "20260302T120000.000Z-aaaaaaaa") -> dict[str, Any]:
    key = attributes.row(keys.run("sweep", run).attributes)
    return attributes.plain(cloud.dynamodb.get_item(TableName=cloud.names.table("state"), Key=key).get("Item"))


def test_a_due_retry_starts_its_job(deliver: Deliver, functions: Functions, cloud: Cloud) -> None:
    firing = replace(TICK, attempt=2, hop=3)
    assert deliver(Dispatch(), {"firing": firing.data()}) == []
    assert functions.started == [("nightshift-test-sweep", {"firing": firing.data()})]


def test_a_firing_that_is_not_due_is_sent_back_and_starts_at_its_time(
    deliver: Deliver, functions: Functions, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(cloud.sqs_new_trace, "send_message", lambda **message: sent.append(message))
    firing = replace(TICK, hop=3, not_before=clocks.iso(clock.now() + timedelta(seconds=1000)))
    assert deliver(Dispatch(), {"firing": firing.data()}) == []
    assert functions.started == []
    assert (sent[0]["DelaySeconds"], json.loads(sent[0]["MessageBody"])) == (900, {"firing": firing.data()})
    clock.move(seconds=1000)
    assert deliver(Dispatch(), {"firing": firing.data()}) == []
    assert [name for name, _ in functions.started] == ["nightshift-test-sweep"]


def test_a_retry_waits_in_the_queue_while_the_lease_is_held(
    deliver: Deliver, functions: Functions, cloud: Cloud
) -> None:
    die(cloud)
    assert len(deliver(Dispatch(), {"firing": replace(TICK, attempt=2).data()})) == 1
    assert functions.started == []
    assert hidden_for(cloud) == 2


def test_a_lease_that_is_not_released_soon_is_waited_for(deliver: Deliver, functions: Functions, cloud: Cloud) -> None:
    die(cloud)
    assert len(deliver(Dispatch(), {"firing": replace(TICK, attempt=2).data()}, receives=2)) == 1
    assert hidden_for(cloud) == 71


def test_a_continuation_read_before_its_sender_has_finished_waits_two_seconds(
    deliver: Deliver, functions: Functions, cloud: Cloud
) -> None:
    die(cloud)
    assert len(deliver(Dispatch(), {"firing": TICK.continuation().data()})) == 1
    assert hidden_for(cloud) == 2


def test_the_last_receive_starts_the_job_despite_a_held_lease(
    deliver: Deliver, functions: Functions, cloud: Cloud
) -> None:
    die(cloud)
    assert deliver(Dispatch(), {"firing": replace(TICK, attempt=2).data()}, receives=4) == []
    assert len(functions.started) == 1


def test_an_interrupted_run_is_recorded_and_its_lease_released(
    deliver: Deliver, functions: Functions, cloud: Cloud, log: Lines
) -> None:
    die(cloud)
    assert len(deliver(Dispatch(), envelope(cloud))) == 1
    assert lost(cloud)["outcome"] == "lost"
    assert lost(cloud)["note"] == "Sandbox.Timedout: Task timed out after 60.00 seconds"
    assert log.said("sweep_lost")
    assert hidden_for(cloud) == 30
    taken = Claims(cloud, Sweep(), "-").take(replace(TICK, attempt=2), "b", "request-2")
    assert isinstance(taken, Claim)


def test_an_interrupted_run_is_retried_after_the_delay_as_the_next_attempt(
    deliver: Deliver, functions: Functions, cloud: Cloud, clock: VirtualClock
) -> None:
    die(cloud)
    message = envelope(cloud)
    deliver(Dispatch(), message)
    clock.move(seconds=30)
    assert deliver(Dispatch(), message, receives=2) == []
    [(function, payload)] = functions.started
    assert function == "nightshift-test-sweep"
    assert (payload["firing"]["attempt"], payload["firing"]["hop"]) == (2, 3)
    assert payload["firing"]["last_error"].startswith("Sandbox.Timedout")


def test_a_run_interrupted_before_its_claim_counts_as_an_attempt(
    deliver: Deliver, functions: Functions, cloud: Cloud, clock: VirtualClock
) -> None:
    message = envelope(cloud)
    clock.move(seconds=30)
    assert deliver(Dispatch(), message) == []
    assert functions.started[0][1]["firing"]["attempt"] == 2


def test_an_interrupted_last_attempt_is_a_dead_letter(deliver: Deliver, functions: Functions, cloud: Cloud) -> None:
    third = replace(TICK, attempt=3, hop=5, first_failed_at="2026-03-02T11:58:00.000Z")
    run = "20260302T120000.000Z-cccccccc"
    die(cloud, third, run)
    assert deliver(Dispatch(), envelope(cloud, {"firing": third.data()})) == []
    [letter] = letters(cloud, "firings-dlq")
    assert letter["dead"]["reason"] == "all 3 attempts used up"
    assert letter["dead"]["run"] == run
    assert letter["dead"]["first_failed_at"] == "2026-03-02T11:58:00.000Z"
    assert functions.started == []


@pytest.mark.parametrize("firing", [TICK, TICK.continuation(), replace(TICK, manual=True, id="m1")])
def test_an_interrupted_run_without_retries_is_recorded_and_leaves_no_dead_letter(
    firing: Firing, deliver: Deliver, functions: Functions, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENTRIES["sweep"], "delays", [])
    die(cloud, firing)
    assert deliver(Dispatch(), envelope(cloud, {"firing": firing.data()})) == []
    assert (letters(cloud, "firings-dlq"), functions.started) == ([], [])
    assert lost(cloud)["outcome"] == "lost"
    status = claim_item(cloud, ENTRIES["sweep"], "-")["status"]
    assert (status["outcome"], status["streak"]) == ("lost", 1)


def test_an_interrupted_redrive_without_retries_is_a_dead_letter_again(
    deliver: Deliver, functions: Functions, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENTRIES["sweep"], "delays", [])
    redriven = replace(TICK, letter="2026-03-02#ab", redrive=1)
    die(cloud, redriven)
    deliver(Dispatch(), envelope(cloud, {"firing": redriven.data()}))
    assert len(letters(cloud, "firings-dlq")) == 1


@pytest.mark.parametrize("outcome", [Done(), Failed("no table")])
def test_an_envelope_that_comes_after_the_next_claim_starts_no_attempt_of_a_tick_that_is_done(
    outcome: Outcome, deliver: Deliver, functions: Functions, cloud: Cloud
) -> None:
    held, done = Claims(cloud, Sweep(), "-"), isinstance(outcome, Done)
    held.finish(die(cloud), TICK, status.from_outcome(outcome, NOON, 120, {}), None, success=done)
    later = replace(TICK, at=NOON + timedelta(minutes=15))
    assert isinstance(held.take(later, "20260302T121500.000Z-bbbbbbbb", "request-2"), Claim)
    third = replace(TICK, attempt=3)
    assert deliver(Dispatch(), envelope(cloud, {"firing": third.data()})) == []
    assert functions.started == []
    # A tick that nobody has done is not dropped: it was its last attempt.
    assert len(letters(cloud, "firings-dlq")) == (0 if done else 1)


def test_a_run_that_wrote_its_end_before_its_process_ended_is_not_lost(
    deliver: Deliver, functions: Functions, cloud: Cloud
) -> None:
    held, end = Claims(cloud, Sweep(), "-"), status.from_outcome(Done(), NOON, 120, {})
    held.finish(die(cloud), TICK, end, None, success=True)
    assert deliver(Dispatch(), envelope(cloud)) == []
    assert functions.started == []
    # It may have been interrupted before it wrote its row.
    row = lost(cloud)
    assert (row["outcome"], row["tick"], row["started"], row["ms"]) == ("done", TICK.position, clocks.iso(NOON), 120)


def test_the_row_of_a_lost_run_has_its_tick(deliver: Deliver, functions: Functions, cloud: Cloud) -> None:
    die(cloud)
    deliver(Dispatch(), envelope(cloud))
    assert (lost(cloud)["tick"], lost(cloud)["attempt"]) == (TICK.position, 1)


def never_ran(deliver: Deliver, cloud: Cloud, firing: Firing, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Deliver the record of an event that no function has received.

    Returns the firings that were sent in a trace of their own.
    """
    sent: list[Any] = []
    monkeypatch.setattr(cloud.sqs_new_trace, "send_message", lambda **message: sent.append(message))
    record = envelope(cloud, {"firing": firing.data()}, condition="EventAgeExceeded")
    assert deliver(Dispatch(), record) == []
    return sent


@pytest.mark.parametrize(("deferrals", "delay"), [(0, 60), (1, 120), (6, 900)])
def test_an_event_that_never_ran_is_sent_later_and_counts_no_attempt(
    deferrals: int,
    delay: int,
    deliver: Deliver,
    functions: Functions,
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [later] = never_ran(deliver, cloud, replace(TICK, deferrals=deferrals), monkeypatch)
    assert later["DelaySeconds"] == delay
    # Neither an attempt nor a hop: a function that is stopped for an hour has done nothing.
    expected = replace(TICK, deferrals=deferrals + 1)
    assert json.loads(later["MessageBody"]) == {"firing": expected.data()}
    assert functions.started == []


def test_a_tick_that_no_function_received_for_an_hour_is_left_to_the_reconciler(
    deliver: Deliver, functions: Functions, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert never_ran(deliver, cloud, replace(TICK, deferrals=7), monkeypatch) == []
    assert (letters(cloud, "firings-dlq"), functions.started) == ([], [])


@pytest.mark.parametrize("firing", [replace(TICK, attempt=2), TICK.continuation(), replace(TICK, manual=True, id="m1")])
def test_other_work_that_no_function_received_for_an_hour_is_a_dead_letter(
    firing: Firing, deliver: Deliver, functions: Functions, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert never_ran(deliver, cloud, replace(firing, deferrals=7), monkeypatch) == []
    assert functions.started == []
    [letter] = letters(cloud, "firings-dlq")
    assert letter["dead"]["reason"] == "its function did not receive it for an hour"


def test_another_run_that_holds_the_lease_is_not_marked_lost(
    deliver: Deliver, functions: Functions, cloud: Cloud
) -> None:
    taken = Claims(cloud, Sweep(), "-").take(TICK, "20260302T120000.000Z-bbbbbbbb", "request-2")
    assert isinstance(taken, Claim)
    deliver(Dispatch(), envelope(cloud))
    assert lost(cloud, "20260302T120000.000Z-bbbbbbbb") == {}


@pytest.mark.parametrize(
    "body",
    [
        "not json",
        {"hello": "world"},
        {"firing": {"job": "sweep"}},
        {"firing": {"job": "../../etc/passwd", "at": "2026-03-02T12:00:00Z"}},
        {"firing": [1, 2]},
        {"firing": {**TICK.data(), "attempt": "2"}},
        {"firing": {**TICK.data(), "unknown": 1}},
        {"firing": {**TICK.data(), "at": "tomorrow"}},
        {"requestContext": {"functionArn": "arn:aws:lambda:us-east-1:1:function:somebody-elses"}},
    ],
)
def test_a_message_that_can_never_be_dispatched_is_a_dead_letter_at_once(
    body: Any, deliver: Deliver, functions: Functions, cloud: Cloud
) -> None:
    good = {"firing": replace(TICK, attempt=2).data()}
    assert deliver(Dispatch(), body, good) == []
    [letter] = letters(cloud, "firings-dlq")
    assert (letter["dead"]["job"], letter["dead"]["reason"]) == ("dispatch", "rejected")
    assert len(functions.started) == 1


def test_a_message_that_could_not_be_dispatched_is_retried(deliver: Deliver, functions: Functions) -> None:
    functions.broken = True
    assert len(deliver(Dispatch(), {"firing": replace(TICK, attempt=2).data()})) == 1


def hidden_for(cloud: Cloud) -> int:
    [message] = queue(cloud, "firings")._messages
    assert json.loads(message.body)
    seconds: float = message.visible_at / 1000 - time.time()
    return round(seconds)
