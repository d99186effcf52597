"""Laws that hold for every job of the registry, a new one included."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.commands import heatmap
from local.demo.site import DemoSite, start
from shared import clock as clocks
from shared.archetypes.consumer import Consumer
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import manifest, registry
from shared.job.definition import Job
from shared.job.outcome import Done, Outcome, Rejected
from shared.messages.run_batch import run_batch
from shared.run import firing as event
from shared.run.claim import LEASE_MARGIN
from shared.run.context import RunContext
from shared.run.firing import Batch, Firing, parse_firing
from shared.run.run import run
from tests.conftest import Lines, VirtualClock, letters, waiting

ROOT = Path(__file__).parents[2]
JOBS = registry.jobs()
TICKED = {name: job for name, job in JOBS.items() if not isinstance(job, Consumer)}
CONSUMERS = {name: job for name, job in JOBS.items() if isinstance(job, Consumer)}
CANARY = "tok" + "en=canary-4711-sings"


ticked = pytest.mark.parametrize("job", TICKED.values(), ids=TICKED)
every = pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)


@pytest.fixture(scope="module")
def site() -> Iterator[DemoSite]:
    running = start()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def surroundings(cloud: Cloud, site: DemoSite) -> None:
    """Environment of the jobs: every job enabled, and the hosts of a demo site."""
    enabled = {f"{job.env}_ENABLE": "true" for job in JOBS.values()}
    hosts = ",".join(url.partition("//")[2] for url in site.base_urls)
    named = {
        setting.name: hosts for job in JOBS.values() for setting in job.settings if setting.name.endswith("_HOSTS")
    }
    cloud.environment = {"BASE_URLS": json.dumps(list(site.base_urls)), **enabled, **named}


def sample(job: Job) -> Any:
    return json.loads((ROOT / "events" / f"{job.place.partition(':')[0]}.json").read_text())


def fired(job: Job, clock: VirtualClock) -> Firing:
    """The sample event, at the clock's time."""
    given = sample(job)
    if "time" in given:
        given["time"] = f"{clock.now():%Y-%m-%dT%H:%M:%SZ}"
    firing = event.parse(job.name, given, clock.now())
    return firing if isinstance(firing, Firing) else Firing(job.name, clock.now(), correlation_id="c")


def breaking(monkeypatch: pytest.MonkeyPatch, job: Job, error: Exception) -> None:
    def work(_job: Job, _tick: RunContext) -> Outcome:
        raise error

    monkeypatch.setattr(type(job), "work", work)


def state(cloud: Cloud) -> list[Any]:
    found = cloud.dynamodb.scan(TableName=cloud.names.table("state"))["Items"]
    return sorted(found, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


@every
def test_it_has_a_sample_event_that_is_read(job: Job, clock: VirtualClock) -> None:
    given = sample(job)
    read = event.parse(job.name, given, clocks.parse(given["time"]) if "time" in given else clock.now())
    assert isinstance(read, Batch) == isinstance(job, Consumer)


def test_no_minute_of_a_month_has_more_jobs_than_may_share_one() -> None:
    assert heatmap.crowded(JOBS.values(), datetime(2026, 11, 20, tzinfo=UTC)) == {}


@every
def test_it_says_its_purpose_and_its_guarantee_in_sentences(job: Job) -> None:
    assert job.purpose().endswith(".")
    assert job.idempotency is not None
    assert len(job.idempotency.why.split()) >= 4


@every
def test_it_stands_in_the_manifest_as_json(job: Job) -> None:
    assert json.loads(json.dumps(manifest.of([job])))[job.name]["key"] == job.key


@ticked
def test_its_sample_runs_and_the_same_again_does_nothing(
    job: Job, cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    if job.name == "crash":
        pytest.skip("crashes on purpose; its own test sees to it")
    firing = fired(job, clock)
    first = run(job, firing, cloud, log)
    assert first.outcome == "done", first.note
    monkeypatch.setattr(type(job), "work", lambda *_: pytest.fail("worked twice"))
    assert run(job, firing, cloud, log).outcome == "deduplicated"


@ticked
def test_its_dry_run_leaves_no_trace(job: Job, cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    before = state(cloud)
    lines = job.plan(RunContext(job, fired(job, clock), cloud, "dry", clock.now(), log, dry=True))
    assert all(isinstance(line, str) for line in lines)
    assert state(cloud) == before
    assert cloud.s3.list_objects_v2(Bucket=cloud.names.bucket).get("Contents", []) == []
    assert waiting(cloud) == []


@ticked
def test_what_it_raises_is_retried_and_then_dead_lettered_with_the_reason(
    job: Job, cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, job, ValueError("the disk is full"))
    firing, attempts = fired(job, clock), []
    while True:
        attempts.append(firing.attempt)
        assert run(job, firing, cloud, log).outcome == "failed"
        sent = waiting(cloud)
        if not sent:
            break
        clock.move(minutes=15)
        firing = parse_firing(sent[0]["firing"], clock.now(), job.name)
    assert attempts == list(range(1, job.retry.attempts + 1))
    dead = letters(cloud, "firings-dlq")
    assert [letter["dead"]["error"] for letter in dead] == ["ValueError: the disk is full"] * bool(job.retry.delays)


@ticked
def test_what_can_never_succeed_is_not_retried(
    job: Job, cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, job, Rejected("no such table"))
    run(job, fired(job, clock), cloud, log)
    assert waiting(cloud) == []
    assert len(letters(cloud, "firings-dlq")) == 1


@ticked
def test_a_held_lease_keeps_it_out_and_a_zombies_finish_is_refused(
    job: Job, cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    firing = fired(job, clock)
    inner: list[str] = []

    def again() -> str:
        return run(job, replace(firing, at=clock.now().replace(second=0)), cloud, log).outcome

    def work(_job: Job, _tick: RunContext) -> Outcome:
        if not inner:
            # The lease outlives the job's timeout by its margin, and not longer.
            clock.move(seconds=job.timeout)
            inner.append(again())
            clock.move(seconds=LEASE_MARGIN + 60)
            inner.append(again())
        return Done({"worked": 1})

    monkeypatch.setattr(type(job), "work", work)
    clock.move(seconds=30)
    assert run(job, firing, cloud, log).outcome == "lost"
    assert inner == ["locked" if job.timeout >= 60 else "deduplicated", "done"]
    key = attributes.row({"pk": f"{job.key}:last", "sk": "-"})
    item = attributes.plain(cloud.dynamodb.get_item(TableName=cloud.names.table("state"), Key=key)["Item"])
    assert item["status"]["outcome"] == "done"


@ticked
def test_its_logs_carry_the_required_fields(
    job: Job, cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, job, ValueError("x"))
    run(job, fired(job, clock), cloud, log)
    [started], [failed] = log.said(f"{job.name}_started"), log.said(f"{job.name}_failed")
    assert {"job", "jobId", "entityId", "timestamp", "correlationId", "status"} <= started.keys()
    assert {"job", "jobId", "entityId", "error", "duration", "stack", "correlationId", "status"} <= failed.keys()


@ticked
def test_no_canary_of_its_errors_gets_out(
    job: Job, cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, job, ValueError(f"refused with {CANARY}"))
    run(job, fired(job, clock), cloud, log)
    told = json.dumps([log.lines, state(cloud), waiting(cloud), letters(cloud, "firings-dlq")])
    assert "canary-4711" not in told


@pytest.mark.parametrize("job", CONSUMERS.values(), ids=CONSUMERS)
def test_a_consumer_answers_a_message_that_makes_no_sense_with_a_dead_letter(
    job: Job, cloud: Cloud, log: Lines
) -> None:
    if job.collector:
        pytest.skip("takes whatever comes: that is what it is for")
    record = {
        "messageId": "m1",
        "body": "\x00 no sense",
        "receiptHandle": "r",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{cloud.names.queue(job.queue or '')}",
    }
    assert run_batch(job, Batch(job.name, (record,)), cloud, log, 60) == []
    [letter] = letters(cloud, "firings-dlq")
    assert letter["dead"]["job"] == job.name


@pytest.mark.parametrize("file", sorted((ROOT / "events" / "bad").glob("*.json")), ids=lambda file: file.stem)
def test_a_hostile_event_is_refused_by_every_job_before_it_touches_a_tick(
    file: Path, cloud: Cloud, clock: VirtualClock, log: Lines
) -> None:
    given = json.loads(file.read_text())
    for job in TICKED.values():
        assert answered(job, given, cloud, clock, log) in ("refused", "failed", "forbidden", "done")


def answered(job: Job, given: Any, cloud: Cloud, clock: VirtualClock, log: Lines) -> str:
    try:
        read = event.parse(job.name, given, clock.now())
    except event.MalformedEvent as error:
        return "refused" if job.name in str(error) else f"refused without a name: {error}"
    return run(job, read, cloud, log).outcome if isinstance(read, Firing) else "taken for a batch"
