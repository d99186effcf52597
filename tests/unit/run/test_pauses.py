"""Pauses of targets and tenants: a run skips them, and pays for none while nothing is paused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from shared.admin import pause
from shared.admin.pause import PauseRefused
from shared.archetypes.consumer import Consumer, Message
from shared.archetypes.probe import Probe, Verdict
from shared.aws import attributes
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
from tests.support.moto_backends import queue
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
    hold(mail, Letters(), tenant="acme")
    run_batch(Letters(), batch("acme"), mail, log, 60)
    [message] = queue(mail, "letters")._messages
    assert "note" in message.message_attributes["kind"].values()


def held_until(cloud: Cloud, job: Job, minutes: int, **of: str) -> None:
    until = cloud.clock.now() + timedelta(minutes=minutes)
    pause.pause(cloud, job, pauses.part(**of), "ada", "moving", until)


def items(cloud: Cloud, pk: str) -> dict[str, dict[str, Any]]:
    found = map(attributes.plain, cloud.dynamodb.scan(TableName=cloud.names.table("state"))["Items"])
    return {row["sk"]: row for row in found if row["pk"] == pk}


def test_a_pause_with_an_end_is_over_then_and_costs_nothing_more(cloud: Cloud, log: Lines, clock: VirtualClock) -> None:
    held_until(cloud, Digest(), 2)
    report = go(cloud, log)
    assert (report.outcome, report.note) == ("paused", "ada: moving (until 2026-03-02 12:02 UTC)")
    shown = status_view.read(cloud, manifest.of([Digest()]))["digest:last"]
    assert (shown["paused"], shown["pausedUntil"]) == (report.note, "2026-03-02T12:02:00.000Z")
    clock.move(minutes=2)
    assert "paused" not in status_view.read(cloud, manifest.of([Digest()]))["digest:last"]
    assert pause.of_jobs(cloud, manifest.of([Digest()])) == []
    calls = Calls(cloud)
    assert go(cloud, log, 5).outcome == "done"
    assert calls.made == ["dynamodb:UpdateItem"] * 3
    assert not {"paused", "paused_until"} & items(cloud, "digest:last")["-"].keys()


def test_after_the_end_of_an_organizations_pause_a_run_reads_nothing_again(
    cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    held_until(cloud, Digest(), 2, tenant="acme")
    held_until(cloud, Digest(), 4, tenant="globex")
    assert go(cloud, log).note == "ada: moving (until 2026-03-02 12:02 UTC)"
    shown = status_view.read(cloud, manifest.of([Digest()]))["digest:last"]["pauses"]
    assert shown["tenant#globex"] == "ada: moving (until 2026-03-02 12:04 UTC)"
    clock.move(minutes=2)
    assert go(cloud, log, 5).counts == {"paused": 1}
    assert [each.part for each in pause.of_jobs(cloud, manifest.of([Digest()]))] == ["tenant#globex"]
    clock.move(minutes=2)
    assert "pauses" not in status_view.read(cloud, manifest.of([Digest()]))["digest:last"]
    calls = Calls(cloud)
    assert go(cloud, log, 10).counts == {"paused": 0}
    assert "dynamodb:Query" not in calls.made
    # The next change removes what the pauses left.
    hold(cloud, Digest())
    assert not {"partial_pauses", "partial_pauses_until"} & items(cloud, "digest:last")["-"].keys()


def test_of_a_pause_with_an_end_and_one_without_the_marker_stays(cloud: Cloud, log: Lines, clock: VirtualClock) -> None:
    held_until(cloud, Digest(), 2, tenant="acme")
    hold(cloud, Digest(), tenant="globex")
    clock.move(minutes=2)
    assert go(cloud, log).counts == {"paused": 1}
    let(cloud, Digest(), tenant="globex")
    assert not {"partial_pauses", "partial_pauses_until"} & items(cloud, "digest:last")["-"].keys()


def test_a_pause_that_ends_during_a_run_no_longer_holds_its_work(cloud: Cloud, log: Lines, clock: VirtualClock) -> None:
    held_until(cloud, Digest(), 2, tenant="acme")
    seen: list[str] = []

    class Slow(Digest):
        """Send digests slowly."""

        name = "digest"

        def work(self, run: RunContext) -> Outcome:
            seen.append(run.paused(tenant="acme"))
            clock.move(minutes=2)
            seen.append(run.paused(tenant="acme"))
            return Done()

    run(Slow(), Firing("digest", NOON), cloud, log)
    assert seen == ["ada: moving (until 2026-03-02 12:02 UTC)", ""]


def test_a_consumer_works_on_at_the_end_of_a_pause_that_it_remembers(
    mail: Cloud, log: Lines, clock: VirtualClock
) -> None:
    clock.move(seconds=30)
    held_until(mail, Letters(), 1)
    clock.move(seconds=40)
    run_batch(Letters(), batch("acme"), mail, log, 60)
    assert log.said("letters_paused")[0]["note"] == "ada: moving (until 2026-03-02 12:01 UTC)"
    clock.move(seconds=20)
    run_batch(Letters(), batch("acme"), mail, log, 60)
    assert [line["note"] for line in log.said("letter_read")] == ["acme"]


def test_a_job_is_paused_again_after_the_end_of_its_pause(cloud: Cloud, clock: VirtualClock) -> None:
    held_until(cloud, Digest(), 2)
    with pytest.raises(PauseRefused, match="is paused since 2026-03-02 12:00 UTC until 2026-03-02 12:02 UTC by ada"):
        hold(cloud, Digest())
    clock.move(minutes=2)
    with pytest.raises(PauseRefused, match="digest is not paused; nothing was done"):
        let(cloud, Digest())
    # The row is there until the TTL deletes it.
    assert items(cloud, "pause#digest")["job"]["expires"] == int(clock.now().timestamp())
    hold(cloud, Digest())
    row, claim = items(cloud, "pause#digest")["job"], items(cloud, "digest:last")["-"]
    assert not {"until", "expires"} & row.keys()
    assert (claim["paused"], "paused_until" in claim) == ("ada: moving", False)


def test_of_the_pauses_of_a_job_and_of_its_shard_the_longer_one_holds(
    cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    class Halves(Digest):
        """Send digests in two shards."""

        name = "halves"
        shards = 2

    def ends() -> dict[str, tuple[str, str]]:
        return {
            sk: (item["paused"], item.get("paused_until", "")[11:16])
            for sk, item in items(cloud, "halves:last").items()
            if "paused" in item
        }

    pause.pause(cloud, Halves(), "target#1", "bob", "bad disk", clock.now() + timedelta(minutes=2))
    held_until(cloud, Halves(), 4)
    assert ends() == {"-": ("ada: moving", "12:04"), "0": ("ada: moving", "12:04"), "1": ("ada: moving", "12:04")}
    let(cloud, Halves())
    assert ends() == {"1": ("bob: bad disk", "12:02")}
    hold(cloud, Halves())
    assert ends()["1"] == ("ada: moving", "")
    let(cloud, Halves(), target="1")
    assert ends() == dict.fromkeys(("-", "0", "1"), ("ada: moving", ""))


def test_the_end_of_a_pause_of_a_target_does_not_release_its_brake(cloud: Cloud, clock: VirtualClock) -> None:
    class Halves(Digest):
        """Send digests in two shards."""

        name = "halves"
        shards = 2

    braked = attributes.row({"pk": "halves:last", "sk": "1", "fence": 1, "paused": "brake: 900 due"})
    cloud.dynamodb.put_item(TableName=cloud.names.table("state"), Item=braked)
    held_until(cloud, Halves(), 2, target="1")
    clock.move(minutes=2)
    item = items(cloud, "halves:last")["1"]
    assert (item["paused"], "paused_until" in item) == ("brake: 900 due", False)


@pytest.mark.parametrize("minutes", [0, -5])
def test_a_pause_that_would_be_over_is_refused(cloud: Cloud, minutes: int) -> None:
    with pytest.raises(PauseRefused, match=r"would be over: it is 2026-03-02T12:00:00\.000Z; nothing was done"):
        held_until(cloud, Digest(), minutes)
    assert cloud.dynamodb.scan(TableName=cloud.names.table("state"))["Items"] == []


def test_who_stores_dead_letters_cannot_be_paused(cloud: Cloud) -> None:
    from functions.operations.dead_letters import DeadLetters

    with pytest.raises(PauseRefused, match="cannot be paused"):
        hold(cloud, DeadLetters())
    assert cloud.dynamodb.scan(TableName=cloud.names.table("state"))["Items"] == []


def test_a_pause_by_the_brake_is_in_force_without_a_row(cloud: Cloud) -> None:
    braked = {"-": {"paused": "brake: 100 due, 10 is usual"}}
    whole = pauses.Pause("purge", pauses.WHOLE, "brake: 100 due, 10 is usual")
    assert pauses.in_force(cloud, "purge", braked) == {pauses.WHOLE: whole}
    assert pauses.in_force(cloud, "purge", {"-": {}}) == {}
