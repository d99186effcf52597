"""Pauses of targets and tenants: a run skips them, and pays for none while nothing is paused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.admin import pause
from shared.admin.pause import PauseRefused
from shared.archetypes.consumer import Consumer, Message
from shared.archetypes.probe import Probe, Verdict
from shared.aws.cloud import Cloud
from shared.http.client import HttpResponse
from shared.job import manifest
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome
from shared.job.schedule import every
from shared.messages.run_batch import run_batch
from shared.run import pauses, status_view
from shared.run.context import RunContext
from shared.run.firing import Batch, Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import NOON, Calls, Lines, VirtualClock, waiting
from tests.support.web_server import Reply, Web


class Digest(Job):
    """Send every organization its digest."""

    name = "digest"
    schedule = every(minutes=5)
    idempotency = natural("a digest that was sent is not found again")

    def work(self, run: RunContext) -> Outcome:
        held = [org for org in ("acme", "globex") if run.paused(tenant=org)]
        return Done({"paused": len(held)}, note=run.paused(tenant="acme"))


class Look(Probe):
    """Look whether a site is there."""

    name = "look"
    schedule = every(minutes=15)
    rate = 1000

    def judge(self, answer: HttpResponse) -> Verdict:
        return Verdict(answer.status == 200)


class Letters(Consumer):
    """Read letters."""

    name = "letters"
    queue = "letters"
    idempotency = natural("reading changes nothing")

    def handle(self, run: RunContext, message: Message) -> None:
        run.log.info("letter_read", note=message.id)


def hold(cloud: Cloud, job: Job, **of: str) -> None:
    pause.pause(cloud, job, pauses.part(**of), "ada", "moving")


def let(cloud: Cloud, job: Job, **of: str) -> None:
    pause.resume(cloud, job, pauses.part(**of), "ada", "moved")


def go(cloud: Cloud, log: Lines, minute: int = 0) -> RunReport:
    return run(Digest(), Firing("digest", NOON.replace(minute=minute)), cloud, log)


def test_a_run_reads_nothing_while_nothing_is_paused(cloud: Cloud, log: Lines) -> None:
    calls = Calls(cloud)
    assert go(cloud, log).counts == {"paused": 0}
    assert calls.made == ["dynamodb:UpdateItem"] * 3


def test_a_run_of_a_partly_paused_job_costs_one_query_more(cloud: Cloud, log: Lines) -> None:
    hold(cloud, Digest(), tenant="acme")
    calls = Calls(cloud)
    report = go(cloud, log)
    assert (report.counts, report.note) == ({"paused": 1}, "ada: moving")
    assert sorted(calls.made) == ["dynamodb:Query", *["dynamodb:UpdateItem"] * 3]


def test_after_the_last_resume_a_run_reads_nothing_again(cloud: Cloud, log: Lines) -> None:
    hold(cloud, Digest(), tenant="acme")
    let(cloud, Digest(), tenant="acme")
    calls = Calls(cloud)
    assert go(cloud, log).counts == {"paused": 0}
    assert "dynamodb:Query" not in calls.made


def test_a_pause_that_comes_while_another_is_resumed_keeps_its_marker(
    cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(cloud, Digest(), tenant="acme")
    plain = pauses.read
    raced: list[str] = []

    def slow(*args: Any) -> Any:
        found = plain(*args)
        if not raced:
            raced.append("once")
            hold(cloud, Digest(), tenant="globex")
        return found

    monkeypatch.setattr(pauses, "read", slow)
    with pytest.raises(PauseRefused, match="changed concurrently"):
        let(cloud, Digest(), tenant="acme")
    monkeypatch.undo()
    assert go(cloud, log).counts == {"paused": 2}
    let(cloud, Digest(), tenant="acme")
    assert go(cloud, log, 5).counts == {"paused": 1}


def test_the_status_names_paused_parts(cloud: Cloud, log: Lines) -> None:
    hold(cloud, Digest(), tenant="acme")
    go(cloud, log)
    shown = status_view.read(cloud, manifest.of([Digest()]))
    assert shown["digest:last"]["pauses"] == {"tenant#acme": "ada: moving"}


@pytest.fixture
def webs() -> Iterator[list[Web]]:
    with Web() as one, Web() as two:
        for web in (one, two):
            web.answers["/"] = Reply(200, "hello")
        yield sorted((one, two), key=lambda web: web.host)


def test_a_probe_leaves_a_paused_host_and_its_status_be(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    hold(cloud, Look(), target=webs[0].host)
    cloud.environment = {"BASE_URLS": json.dumps([web.url for web in webs])}
    report = run(Look(), Firing("look", NOON), cloud, log)
    assert report.counts == {"hosts": 1, "ok": 1, "bad": 0, "invalid": 0, "paused": 1}
    assert report.note == f"1 paused: {webs[0].host} (ada: moving)"
    assert list(status_view.read(cloud, manifest.of([Look()]))) == ["look:last", f"look:last:{webs[1].host}"]


@pytest.fixture
def mail(cloud: Cloud) -> Cloud:
    cloud.sqs.create_queue(QueueName=cloud.names.queue("letters"))
    return cloud


def batch(*orgs: str) -> Batch:
    return Batch(
        "letters",
        tuple(
            {
                "messageId": org,
                "body": json.dumps({"organizationId": org}),
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:nightshift-test-letters",
                "receiptHandle": "r",
                "attributes": {"ApproximateReceiveCount": "5"},
                "messageAttributes": {"kind": {"stringValue": "note", "dataType": "String"}},
            }
            for org in orgs
        ),
    )


def test_a_paused_tenants_message_goes_back_to_its_queue_and_the_others_are_handled(mail: Cloud, log: Lines) -> None:
    hold(mail, Letters(), tenant="acme")
    failed = run_batch(Letters(), batch("acme", "globex"), mail, log, 60)
    assert failed == []
    assert [line["note"] for line in log.said("letter_read")] == ["globex"]
    assert waiting(mail, "letters") == [{"organizationId": "acme"}]
    assert log.said("letters_complete")[0]["result"] == {"handled": 1, "failed": 0, "paused": 1}


def test_every_message_of_a_paused_consumer_goes_back_to_its_queue(mail: Cloud, log: Lines) -> None:
    hold(mail, Letters())
    assert run_batch(Letters(), batch("acme", "globex"), mail, log, 60) == []
    assert len(waiting(mail, "letters")) == 2
    assert log.said("letters_paused")[0]["note"] == "ada: moving"


def test_a_consumer_looks_for_pauses_once_a_minute(mail: Cloud, log: Lines, clock: VirtualClock) -> None:
    calls = Calls(mail)
    for _ in range(3):
        run_batch(Letters(), batch("acme"), mail, log, 60)
    assert calls.made.count("dynamodb:Query") == 1
    hold(mail, Letters(), tenant="acme")
    clock.move(seconds=60)
    log.lines.clear()
    run_batch(Letters(), batch("acme"), mail, log, 60)
    assert not log.said("letter_read")


def test_a_deferred_message_keeps_its_attributes(mail: Cloud, log: Lines) -> None:
    from moto.backends import get_backend

    hold(mail, Letters(), tenant="acme")
    run_batch(Letters(), batch("acme"), mail, log, 60)
    queue = get_backend("sqs")["123456789012"]["us-east-1"].queues[mail.names.queue("letters")]
    [message] = queue._messages
    assert "note" in message.message_attributes["kind"].values()


def test_who_stores_dead_letters_cannot_be_paused(cloud: Cloud) -> None:
    from functions.operations.dead_letters import DeadLetters

    with pytest.raises(PauseRefused, match="cannot be paused"):
        hold(cloud, DeadLetters())
    assert cloud.dynamodb.scan(TableName=cloud.names.table("state"))["Items"] == []
