"""A redriven dead letter is processed like any run, and its row has the result."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from shared import clock as clocks
from shared.admin import redrive
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.dead_letters.letter import RECEIVES, VISIBILITY, DeadLetter, DeadLetterRefused, RedriveInProgress
from shared.job import manifest
from shared.job.outcome import Snoozed
from shared.messages import envelope
from shared.messages.run_batch import run_batch
from shared.run import lost_runs
from shared.run.claim import Claim, Claims
from shared.run.firing import Batch, Firing
from shared.run.manual import ManualRequest
from shared.run.run import run
from tests.conftest import NOON, Calls, Lines, VirtualClock, letters, waiting
from tests.functions.operations.conftest import ENTRIES
from tests.functions.operations.world import INTAKE, World, tick

WHO = "ada"


@pytest.fixture
def world(cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(manifest, "load", lambda: {**ENTRIES, "intake": INTAKE})
    cloud.sqs.create_queue(QueueName=cloud.names.queue("demo:intake"))
    return World(cloud, log)


def retry(cloud: Cloud, letter: DeadLetter, who: str = WHO) -> str:
    return redrive.send(cloud, redrive.prepare(cloud, letter), who)


def test_a_redriven_dead_letter_is_resolved_by_the_run_that_succeeds(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    world.sweep.mended = {"*"}
    retry(cloud, world.letter())
    assert world.letter().state == "retrying"
    [report] = world.settle()
    found = world.letter()
    assert (report.outcome, found.state, found.row["resolvedBy"]) == ("done", "resolved", report.run_id)


def test_a_redrive_keeps_tick_first_failure_and_correlation_id(world: World, cloud: Cloud) -> None:
    world.kill(tick(correlation_id="cor"))
    letter = world.letter()
    retry(cloud, letter)
    [body] = waiting(cloud)
    firing = body["firing"]
    assert (firing["at"], firing["target"], firing["correlation_id"]) == (clocks.iso(NOON), "shop-00", "cor")
    assert firing["first_failed_at"] == letter.row["firstFailedAt"]
    assert (firing["attempt"], firing["hop"], firing["letter"], firing["redrive"]) == (1, 2, letter.key, 1)


def test_a_redrive_has_all_attempts_and_then_is_the_same_dead_letter_again(
    world: World, cloud: Cloud, clock: VirtualClock
) -> None:
    world.kill(tick())
    before = world.letter()
    clock.move(hours=1)
    retry(cloud, before)
    assert [report.outcome for report in world.settle()] == ["failed"] * 3
    after = world.letter()
    assert (after.id, after.state, after.failed_redrives, after.retries) == (before.id, "dead", 1, 1)
    assert after.at == before.at
    assert after.failed_at > before.failed_at
    assert json.loads(store.read_payload(cloud, after))["dead"]["firing"]["redrive"] == 1


def test_the_payload_of_the_earlier_failure_is_deleted(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    retry(cloud, world.letter())
    world.settle()
    listed = cloud.s3.list_objects_v2(Bucket=cloud.names.bucket, Prefix="dead/")["Contents"]
    assert [found["Key"] for found in listed] == [world.letter().payload]


def test_each_failure_for_good_is_alerted_once(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    retry(cloud, world.letter())
    redriven = waiting(cloud)
    run(world.sweep, Firing(**{**redriven[0]["firing"], "at": NOON, "attempt": 3}), cloud, world.log)
    [body] = letters(cloud, "firings-dlq")
    world.collect(body, body)
    assert world.letter().failed_redrives == 1
    assert len(world.log.said("JOB_PERMANENTLY_FAILED")) == 2


def test_a_crash_between_row_and_alert_of_a_failed_redrive_does_not_lose_the_alert(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    retry(cloud, world.letter())
    [redriven] = waiting(cloud)
    run(world.sweep, Firing(**{**redriven["firing"], "at": NOON, "attempt": 3}), cloud, world.log)
    [body] = letters(cloud, "firings-dlq")
    cloud.sns.delete_topic(TopicArn=cloud.names.topic_arn("alerts"))
    with pytest.raises(AssertionError):
        world.collect(body)
    assert "alerted" not in world.letter().row
    cloud.sns.create_topic(Name=cloud.names.topic("alerts"))
    world.collect(body)
    assert "alerted" in world.letter().row
    assert world.letter().failed_redrives == 1


def test_a_redrive_superseded_by_a_newer_success_is_resolved(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    world.sweep.mended = {"*"}
    run(world.sweep, tick(at=NOON + timedelta(minutes=15)), cloud, world.log)
    worked = len(world.sweep.worked)
    retry(cloud, world.letter())
    assert [report.outcome for report in world.settle()] == ["superseded"]
    assert len(world.sweep.worked) == worked
    assert (world.letter().state, world.letter().row["outcome"]) == ("resolved", "superseded")


def test_a_redrive_is_resolved_by_a_manual_run_of_its_tick(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    world.sweep.mended = {"*"}
    by_hand = run(world.sweep, tick(attempt=4), cloud, world.log)
    assert by_hand.outcome == "done"
    retry(cloud, world.letter())
    assert [report.outcome for report in world.settle()] == ["deduplicated"]
    assert (world.letter().state, world.letter().row["resolvedBy"]) == ("resolved", by_hand.run_id)


def test_manual_attempts_do_not_make_a_redrive_a_duplicate(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    run(world.sweep, tick(attempt=15, retried=False), cloud, world.log)
    world.sweep.mended = {"*"}
    retry(cloud, world.letter())
    assert [report.outcome for report in world.settle()] == ["done"]


@pytest.mark.parametrize("times", [2, 11])
def test_a_dead_letter_can_be_redriven_up_to_the_maximum(world: World, cloud: Cloud, times: int) -> None:
    world.kill(tick())
    for _ in range(times):
        retry(cloud, world.letter())
        assert [report.outcome for report in world.settle()] == ["failed"] * 3
    assert (world.letter().failed_redrives, world.letter().retries) == (times, times)


def test_a_second_delivery_of_a_redrive_does_not_change_its_row(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    retry(cloud, world.letter())
    [body] = waiting(cloud)
    firing = Firing(**{**body["firing"], "at": NOON})
    assert run(world.sweep, firing, cloud, world.log).outcome == "failed"
    assert run(world.sweep, firing, cloud, world.log).outcome == "deduplicated"
    assert world.letter().state == "retrying"


def test_a_redrive_skipped_by_a_closed_gate_is_dead_as_before(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    before = world.letter()
    cloud.environment = {"SWEEP_ENABLE": "false"}
    retry(cloud, before)
    assert [report.outcome for report in world.settle()] == ["disabled"]
    after = world.letter()
    assert (after.state, after.failed_redrives, after.payload) == ("dead", 0, before.payload)
    assert after.row["note"] == "was not run: disabled; SWEEP_ENABLE is false"


def test_a_resolved_dead_letter_stays_resolved_when_a_late_delivery_is_skipped(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    world.sweep.mended = {"*"}
    retry(cloud, world.letter())
    [body] = waiting(cloud)
    firing = Firing(**{**body["firing"], "at": NOON})
    assert run(world.sweep, firing, cloud, world.log).outcome == "done"
    cloud.environment = {"SWEEP_ENABLE": "false"}
    assert run(world.sweep, firing, cloud, world.log).outcome == "disabled"
    assert (world.letter().state, "note" in world.letter().row) == ("resolved", False)


def test_a_paused_job_stays_paused(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    cloud.dynamodb.update_item(
        TableName=cloud.names.table("state"),
        Key=attributes.row({"pk": "sweep:last", "sk": "shop-00"}),
        UpdateExpression="SET paused = :why",
        ExpressionAttributeValues=attributes.row({":why": "by ada: migration"}),
    )
    retry(cloud, world.letter())
    assert [report.outcome for report in world.settle()] == ["paused"]
    assert "by ada: migration" in world.letter().row["note"]


def test_a_redrive_is_not_too_late_for_a_short_grace(
    world: World, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(world.sweep), "grace", 60)
    world.kill(tick())
    world.sweep.mended = {"*"}
    clock.move(days=3)
    retry(cloud, world.letter())
    assert [report.outcome for report in world.settle()] == ["done"]


def test_a_redriven_manual_run_keeps_its_request_which_shows_the_new_end(world: World, cloud: Cloud) -> None:
    asked = tick(manual=True, id="asked-by-ada")
    world.kill(asked)
    world.sweep.mended = {"asked-by-ada"}
    retry(cloud, world.letter())
    assert [report.outcome for report in world.settle()] == ["done"]
    assert world.letter().state == "resolved"
    assert world.sweep.worked == ["asked-by-ada"] * 4
    refusal = ManualRequest(cloud, world.sweep, asked).take("another")
    assert refusal is not None


def test_a_second_delivery_of_a_redriven_manual_run_is_deduplicated(world: World, cloud: Cloud) -> None:
    world.kill(tick(manual=True, id="asked-by-ada"))
    retry(cloud, world.letter())
    [body] = waiting(cloud)
    firing = Firing(**{**body["firing"], "at": NOON})
    assert run(world.sweep, firing, cloud, world.log).outcome == "failed"
    assert run(world.sweep, firing, cloud, world.log).outcome == "deduplicated"


def test_a_held_lease_defers_a_redrive(world: World, cloud: Cloud, clock: VirtualClock) -> None:
    world.kill(tick())
    taken = Claims(cloud, world.sweep, "shop-00").take(tick(at=NOON + timedelta(minutes=15)), "other", "r")
    assert isinstance(taken, Claim)
    retry(cloud, world.letter())
    [body] = waiting(cloud)
    assert run(world.sweep, Firing(**{**body["firing"], "at": NOON}), cloud, world.log).outcome == "snoozed"
    assert world.letter().state == "retrying"
    [later] = waiting(cloud)
    assert later["firing"]["letter"] == world.letter().key


def test_a_redrive_deferred_too_often_is_dead_as_before(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.kill(tick())
    monkeypatch.setattr(type(world.sweep), "work", lambda *_: Snoozed(60, "not yet"))
    retry(cloud, world.letter())
    assert {report.outcome for report in world.settle()} == {"snoozed"}
    assert (world.letter().state, world.letter().row["note"]) == ("dead", "was deferred too often; not yet")


def test_a_redrive_that_fails_without_a_retry_policy_is_a_dead_letter_again(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.job.retry import NO_RETRY

    world.kill(tick())
    monkeypatch.setattr(type(world.sweep), "retry", NO_RETRY)
    retry(cloud, world.letter())
    world.settle()
    assert (world.letter().state, world.letter().failed_redrives) == ("dead", 1)


def test_a_run_interrupted_after_its_end_resolves_its_dead_letter(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.kill(tick())
    world.sweep.mended = {"*"}
    retry(cloud, world.letter())
    [body] = waiting(cloud)
    firing = Firing(**{**body["firing"], "at": NOON})
    with monkeypatch.context() as crash:
        crash.setattr("shared.run.history.History.write", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(world.sweep, firing, cloud, world.log, "request-1")
    assert world.letter().state == "retrying"
    assert lost_runs.next_attempt(cloud, world.log, "sweep", ENTRIES["sweep"], firing, "request-1", "died") is None
    assert world.letter().state == "resolved"


def test_an_interrupted_redrive_counts_as_an_attempt_and_keeps_its_dead_letter(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    retry(cloud, world.letter())
    [body] = waiting(cloud)
    firing = Firing(**{**body["firing"], "at": NOON})
    onward = lost_runs.next_attempt(cloud, world.log, "sweep", ENTRIES["sweep"], firing, "request-1", "died")
    assert onward is not None
    assert (onward.attempt, onward.letter, onward.redrive) == (2, world.letter().key, 1)


def test_a_continuation_does_not_serve_the_dead_letter() -> None:
    firing = replace(tick(), letter="x", redrive=2)
    assert (firing.continuation().letter, firing.shard(3, 4).letter) == ("", "")
    assert firing.retry("e", NOON).letter == firing.deferred().letter == firing.routed("worker").letter == "x"


# Consumers


def test_a_redriven_message_is_sent_to_its_queue_unchanged(world: World, cloud: Cloud) -> None:
    body = '{ "b": 1.50, "a": "\\u00e9" }'
    world.reject(body)
    letter = world.letter()
    assert letter.job == "intake"
    retry(cloud, letter)
    [message] = cloud.sqs.receive_message(QueueUrl=world.queue, MessageAttributeNames=["All"])["Messages"]
    assert message["Body"] == body
    assert message["MessageAttributes"]["dead-letter"]["StringValue"] == letter.key


def test_a_redriven_message_resolves_its_dead_letter_or_is_the_same_one_again(world: World, cloud: Cloud) -> None:
    world.reject("one", "two")
    world.intake.mended = {"two"}
    for letter in world.letters():
        retry(cloud, letter)
    world.settle()
    assert [(letter.state, letter.failed_redrives) for letter in world.letters()] == [("dead", 1), ("resolved", 0)]


def test_a_redriven_message_received_too_often_keeps_its_dead_letter(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.collect("raw text", queue="demo:intake-dlq")
    first = world.letter()
    assert (first.job, first.reason) == ("intake", "received too often")
    retry(cloud, first)
    [message] = cloud.sqs.receive_message(QueueUrl=world.queue, MessageAttributeNames=["All"])["Messages"]
    assert message["Body"] == "raw text"
    world.collect("raw text", queue="demo:intake-dlq", letter=first.key)
    assert (world.letter().id, world.letter().failed_redrives) == (first.id, 1)


def test_a_message_at_its_last_receive_becomes_a_dead_letter_with_its_reason(world: World, cloud: Cloud) -> None:
    def fault(_: str) -> str:
        raise ValueError("no route to the store")

    world.intake.fault = fault
    # Without room for a copy with its attempt, it stays in its queue until its receives are used up.
    body = "x" * envelope.MESSAGE_LIMIT
    assert world.deliver(body, receives=5) == []
    world.settle()
    letter = world.letter()
    assert (letter.job, letter.reason) == ("intake", "all 4 attempts used up")
    assert letter.error == "ValueError: no route to the store"
    assert store.read_payload(cloud, letter).count(body) == 1
    assert world.deliver(body, receives=5, letter=letter.key) == []
    world.settle()
    assert world.letter().failed_redrives == 1


def test_the_collector_of_dead_letters_sends_none_to_itself(world: World, cloud: Cloud) -> None:
    cloud.s3.delete_bucket(Bucket=cloud.names.bucket)
    record = world.record("plain text", "firings-dlq", "", receives=5)
    assert run_batch(world.collector, Batch("dead-letters", (record,)), cloud, world.log, 60) == ["m1"]
    assert letters(cloud, "firings-dlq") == []


@pytest.mark.parametrize(
    ("named", "asked"), [("../../x", 0), ("2026-03-02T12:00:00.000Z#0123456789abcdef", 1), ("x" * 2000, 0)]
)
def test_a_dead_letter_that_names_an_unknown_one_is_a_new_dead_letter(
    world: World, cloud: Cloud, named: str, asked: int
) -> None:
    calls = Calls(cloud)
    world.collect("raw text", queue="demo:intake-dlq", letter=named)
    assert world.letter().failed_redrives == 0
    # Before it is alerted; an invalid key is not read.
    assert calls.made[: calls.made.index("sns:Publish")].count("dynamodb:UpdateItem") == asked


# Events of all kinds


def undelivered(firing: Firing) -> list[Any]:
    event = {"source": "aws.events", "time": "2026-03-02T12:00:00Z", "id": "e1"}
    envelope = {
        "requestContext": {"functionArn": "arn:aws:lambda:us-east-1:1:function:nightshift-test-sweep:$LATEST"},
        "requestPayload": event,
    }
    rule = {**event, "resources": ["arn:aws:events:us-east-1:1:rule/nightshift-test-sweep"]}
    schedule = {"source": "nightshift.schedule", "job": "sweep", "time": "2026-03-02T12:00:00Z"}
    return [{"firing": firing.data()}, envelope, rule, schedule]


@pytest.mark.parametrize("number", range(4))
def test_every_kind_of_event_can_be_redriven(world: World, cloud: Cloud, number: int) -> None:
    world.collect(undelivered(tick())[number])
    world.sweep.mended = {"*"}
    retry(cloud, world.letter())
    [report] = world.settle()
    assert (report.outcome, report.tick) == ("done", "2026-03-02T12:00Z#00")
    assert world.letter().state == "resolved"


# Refusals: nothing is sent, nothing is written


def refused(world: World, letter: DeadLetter, says: str) -> None:
    before = world.letters()
    with pytest.raises(DeadLetterRefused, match=says):
        redrive.prepare(world.cloud, letter)
    assert world.letters() == before
    assert waiting(world.cloud) == []


def test_a_dead_letter_without_its_payload_is_refused(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    cloud.s3.delete_object(Bucket=cloud.names.bucket, Key=world.letter().payload)
    refused(world, world.letter(), f"its payload s3://{cloud.names.bucket}/dead/sweep/")


def test_a_dead_letter_of_a_removed_job_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.kill(tick())
    monkeypatch.setattr(manifest, "load", lambda: {"intake": INTAKE})
    refused(world, world.letter(), "of 'sweep', and there is no such job")


def test_a_dead_letter_of_an_unknown_job_is_refused(world: World) -> None:
    world.collect("plain text")
    refused(world, world.letter(), "of 'unknown', and there is no such job")


def test_a_dead_letter_without_a_firing_is_refused(world: World) -> None:
    world.collect({"dead": {"job": "sweep", "reason": "malformed event", "error": "e", "event": {"hello": "world"}}})
    refused(world, world.letter(), "contains no firing that can be run")


def test_a_dead_letter_of_messages_for_a_job_without_a_queue_is_refused(world: World) -> None:
    world.collect({"dead": {"job": "sweep", "reason": "r", "error": "e", "event": {"Records": []}}})
    refused(world, world.letter(), "contains messages")


def test_a_dead_letter_of_a_consumer_without_a_message_is_refused(world: World) -> None:
    world.collect({"dead": {"job": "intake", "reason": "r", "error": "e", "event": {"hello": "world"}}})
    refused(world, world.letter(), "contains no message")


def test_a_dead_letter_of_a_tick_too_old_to_run_is_refused(world: World) -> None:
    world.collect({"firing": tick(at=NOON - timedelta(days=61)).data()})
    refused(world, world.letter(), "older than 60 days")


def test_a_resolved_dead_letter_is_refused(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    world.sweep.mended = {"*"}
    retry(cloud, world.letter())
    world.settle()
    refused(world, world.letter(), "is resolved, by run ")


# Two operators at once, and crashes


def test_only_one_of_two_concurrent_operators_redrives(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    both = [redrive.prepare(cloud, world.letter()) for _ in range(2)]
    redrive.send(cloud, both[0], "ada")
    with pytest.raises(RedriveInProgress, match="redriven by ada"):
        redrive.send(cloud, both[1], "bob")
    assert len(waiting(cloud)) == 1
    assert world.letter().retried_by == "ada"


def test_the_later_operator_gets_the_name_of_the_first_and_the_end_of_the_retry(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    until = retry(cloud, world.letter())
    with pytest.raises(RedriveInProgress, match=f"by ada at .*; if it has no result by {until}"):
        redrive.prepare(cloud, world.letter())


def test_a_dead_letter_that_failed_again_since_it_was_read_is_not_redriven(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    read = redrive.prepare(cloud, world.letter())
    retry(cloud, world.letter())
    world.settle()
    with pytest.raises(RedriveInProgress):
        redrive.send(cloud, read, "bob")
    assert waiting(cloud) == []


def test_a_lost_reply_is_not_taken_for_another_operator(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.kill(tick())
    made, write = redrive.prepare(cloud, world.letter()), cloud.dynamodb.update_item

    def twice(**given: Any) -> Any:
        write(**given)
        return write(**given)

    with monkeypatch.context() as lost:
        lost.setattr(cloud.dynamodb, "update_item", twice)
        redrive.send(cloud, made, WHO)
    assert len(waiting(cloud)) == 1


def test_a_crash_before_sending_lets_it_be_redriven_after_the_retry_ends(
    world: World, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    world.kill(tick())
    with monkeypatch.context() as crash:
        crash.setattr(cloud.sqs, "send_message", die)
        with pytest.raises(Killed):
            retry(cloud, world.letter())
    until = clocks.parse(world.letter().retry_ends)
    with pytest.raises(RedriveInProgress):
        redrive.prepare(cloud, world.letter())
    clock.instant = until + timedelta(seconds=1)
    world.sweep.mended = {"*"}
    retry(cloud, world.letter(), "bob")
    world.settle()
    assert (world.letter().state, world.letter().retries) == ("resolved", 2)


def test_a_refusal_by_the_queue_leaves_it_dead(world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(**_: Any) -> None:
        denied: Any = {"Error": {"Code": "AccessDenied", "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(denied, "SendMessage")

    world.kill(tick())
    with monkeypatch.context() as denied:
        denied.setattr(cloud.sqs, "send_message", deny)
        with pytest.raises(ClientError):
            retry(cloud, world.letter())
    assert world.letter().state == "dead"
    retry(cloud, world.letter())


def test_a_timeout_of_the_queue_leaves_it_retrying(world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(**_: Any) -> None:
        raise ReadTimeoutError(endpoint_url="https://sqs")

    world.kill(tick())
    with monkeypatch.context() as silent:
        silent.setattr(cloud.sqs, "send_message", hang)
        with pytest.raises(ReadTimeoutError):
            retry(cloud, world.letter())
    assert world.letter().state == "retrying"


def test_a_redrive_that_fails_after_its_dead_letter_was_deleted_is_a_new_dead_letter(
    world: World, cloud: Cloud
) -> None:
    world.kill(tick())
    letter = world.letter()
    retry(cloud, letter)
    key = attributes.row({"pk": "dead#sweep", "sk": letter.key})
    cloud.dynamodb.delete_item(TableName=cloud.names.table("state"), Key=key)
    world.settle()
    assert world.letter().key != letter.key
    assert world.letter().failed_redrives == 0


# Calls


def test_the_time_limit_covers_every_attempt_at_its_latest() -> None:
    assert redrive.time_limit(ENTRIES["sweep"]) == timedelta(seconds=(30 + 60) * 1.1 + 3 * 70 + 120)


def test_queues_are_declared_as_the_time_limit_assumes() -> None:
    from infra import queues

    assert (RECEIVES, VISIBILITY) == (queues.MAX_RECEIVES, queues.VISIBILITY_FACTOR)


def test_a_run_without_a_dead_letter_has_no_additional_calls(world: World, cloud: Cloud) -> None:
    world.sweep.mended = {"*"}
    calls = Calls(cloud)
    run(world.sweep, tick(), cloud, world.log)
    assert calls.made == ["dynamodb:UpdateItem"] * 3


def test_a_redrive_takes_two_reads_a_write_and_a_message(world: World, cloud: Cloud) -> None:
    world.kill(tick())
    letter, calls = world.letter(), Calls(cloud)
    retry(cloud, letter)
    assert calls.made == ["s3:GetObject", "dynamodb:GetItem", "dynamodb:UpdateItem", "sqs:SendMessage"]
