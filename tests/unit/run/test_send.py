"""Firings and dead letters are sent to the queue of their runtime, within the limits of SQS and of Lambda."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.job.definition import QUEUE, WORKER, Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome
from shared.job.retry import NO_RETRY
from shared.job.setting import SettingError
from shared.job.validation import MAX_HOPS
from shared.run import send
from shared.run.context import RunContext
from shared.run.firing import MAX_PARTS, Firing, parse_firing
from tests.conftest import NOON, Calls, VirtualClock, waiting

FIRING = Firing("sweep", NOON, correlation_id="corr-1")


class Sweep(Job):
    """Sweep."""

    name = "sweep"
    idempotency = natural("a swept row is not found again")
    retry = NO_RETRY

    def work(self, run: RunContext) -> Outcome:
        return Done()


@pytest.mark.parametrize(("by", "queue"), [("", "firings"), (QUEUE, "firings"), (WORKER, "work")])
def test_a_firing_goes_to_the_queue_of_its_runtime(by: str, queue: str, cloud: Cloud) -> None:
    send.send(cloud, replace(FIRING, by=by))
    assert waiting(cloud, queue) == [{"firing": replace(FIRING, by=by).data()}]


def test_a_delay_is_at_most_what_sqs_allows(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(cloud.sqs, "send_message", lambda **message: sent.append(message))
    send.send(cloud, FIRING, 3600)
    send.send(cloud, FIRING, 60)
    assert [message["DelaySeconds"] for message in sent] == [900, 60]


@pytest.mark.parametrize("hours", [1, 5, 50])
def test_a_longer_delay_is_completed_at_each_receipt(
    cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    sent: list[Any] = []
    for client in (cloud.sqs, cloud.sqs_new_trace):
        monkeypatch.setattr(client, "send_message", lambda **message: sent.append(message))
    due = clock.now() + timedelta(hours=hours)
    send.send(cloud, FIRING, hours * 3600)
    clock.move(seconds=sent[-1]["DelaySeconds"])
    while send.deferred_again(cloud, last := received(sent[-1])):
        clock.move(seconds=sent[-1]["DelaySeconds"])
    assert clock.now() == due
    assert len(sent) == hours * 4
    assert replace(last, not_before="") == FIRING


def test_what_follows_a_deferred_firing_is_not_deferred(cloud: Cloud) -> None:
    deferred = replace(FIRING, not_before="2026-03-03T12:00:00.000Z")
    for following in (deferred.retry("no answer", NOON), deferred.continuation()):
        send.send(cloud, following, 0)
    assert ["not_before" in body["firing"] for body in waiting(cloud)] == [False, False]


def received(message: dict[str, Any]) -> Firing:
    return parse_firing(json.loads(message["MessageBody"])["firing"], NOON)


def test_a_runtime_that_is_not_installed_is_an_error_of_the_setting(cloud: Cloud) -> None:
    with pytest.raises(SettingError, match="is to be run by nowhere, and that is not installed here"):
        send.send(cloud, replace(FIRING, by="nowhere"))


def test_shards_are_sent_ten_a_call(cloud: Cloud) -> None:
    calls = Calls(cloud)
    send.send_shards(cloud, FIRING, 12)
    assert calls.made == ["sqs:SendMessageBatch"] * 2
    assert sorted(int(body["firing"]["target"]) for body in waiting(cloud)) == list(range(12))


def test_a_shard_that_sqs_did_not_accept_is_an_error(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {"Failed": [{"Id": "1", "Code": "InternalError"}]}
    monkeypatch.setattr(cloud.sqs, "send_message_batch", lambda **_: refused)
    with pytest.raises(RuntimeError, match="sweep: 1 shards were not sent"):
        send.send_shards(cloud, FIRING, 2)


def test_a_dead_letter_has_the_firing_its_attempts_and_a_redacted_error(cloud: Cloud) -> None:
    failed = FIRING.retry("no answer", NOON)
    send.send_dead_letter(cloud, failed, "run-1", "all attempts used up", "password=hunter2secret")
    [letter] = waiting(cloud, "firings-dlq")
    assert (letter["dead"]["job"], letter["dead"]["run"], letter["dead"]["attempts"]) == ("sweep", "run-1", 2)
    assert letter["dead"]["firing"] == failed.data()
    assert "hunter2secret" not in str(letter)


def test_a_dead_letter_of_an_event_names_the_letter_that_it_redrives_only_where_there_is_one(cloud: Cloud) -> None:
    send.send_dead_letter_for_event(cloud, "sweep", "rejected", "no shop", {"id": 1})
    send.send_dead_letter_for_event(cloud, "sweep", "rejected", "no shop", {"id": 1}, letter="l1")
    first, second = (body["dead"] for body in waiting(cloud, "firings-dlq"))
    assert "letter" not in first
    assert (second["letter"], second["event"]) == ("l1", {"id": 1})


def test_the_last_part_of_a_tick_has_no_continuation() -> None:
    assert send.may_continue(FIRING)
    assert not send.may_continue(replace(FIRING, part=MAX_PARTS - 1))


def test_a_firing_is_deferred_within_the_limit_of_invocations() -> None:
    """Without retries the rest of the chain is dispatch, the run, and the dead-letter store."""
    assert max(hop for hop in range(1, 30) if send.may_defer(Sweep(), replace(FIRING, hop=hop))) == MAX_HOPS - 3


def test_a_part_that_does_not_fit_into_its_chain_begins_another_with_its_own_trace(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, Any]] = []
    for name in ("sqs", "sqs_new_trace"):
        record = partial(lambda name, **message: sent.append((name, message)), name)
        monkeypatch.setattr(getattr(cloud, name), "send_message", record)
    firing = FIRING
    for _ in range(MAX_PARTS - 1):
        send.send_continuation(cloud, Sweep(), firing.continuation())
        firing = Firing(**{**json.loads(sent[-1][1]["MessageBody"])["firing"], "at": firing.at})
    hops = [json.loads(message["MessageBody"])["firing"]["hop"] for _, message in sent]
    assert max(hops) <= MAX_HOPS
    # The hop count starts again where the trace does, and nowhere else.
    assert {name for (name, _), hop in zip(sent, hops, strict=True) if hop == 1} == {"sqs_new_trace"}
    assert {name for (name, _), hop in zip(sent, hops, strict=True) if hop > 1} == {"sqs"}
    assert {message["DelaySeconds"] for name, message in sent if name == "sqs_new_trace"} == {send.CHAIN_DELAY}
    assert firing.part == MAX_PARTS - 1
    assert not send.may_continue(firing)
