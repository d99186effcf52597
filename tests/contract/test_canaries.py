"""Canaries (secrets of every kind) enter a run everywhere, and no output contains them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, replace
from typing import Any

import pytest

from cli import output, run_report
from functions.operations.dead_letters import DeadLetters
from functions.operations.job_monitoring import JobMonitoring
from shared import redaction
from shared.archetypes.consumer import Consumer, Message
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome, Rejected
from shared.job.retry import NO_RETRY, explicit
from shared.job.setting import BASE_URLS
from shared.messages import run_batch
from shared.observability import alerts as alert
from shared.observability.log import Log
from shared.run import status
from shared.run.context import RunContext
from shared.run.firing import Batch, Firing
from shared.run.report import RunReport
from shared.run.run import run
from shared.tables import TABLES
from tests.conftest import NOON, VirtualClock, letters
from tests.corpus.canaries import CANARIES, Canary
from tests.support.moto_backends import published

# Every kind of secret and every context once, for tests that need a run per canary. The other tests use all canaries.
SAMPLE = CANARIES[::29]
TICK = Firing("leaky", NOON, correlation_id="c")


class Leaky(Job):
    """Write a canary."""

    name = "leaky"
    retry = explicit(2)
    idempotency = natural("it only talks")
    settings = (BASE_URLS,)

    def __init__(self, say: Callable[[RunContext], Outcome]) -> None:
        self.say = say

    def work(self, run: RunContext) -> Outcome:
        return self.say(run)

    def plan(self, run: RunContext) -> list[str]:
        return [canary.said for canary in SAMPLE]


class Leaking(Consumer):
    """Raise an error with the message body."""

    name = "leaking"
    queue = "demo:leaking"
    retry = NO_RETRY
    idempotency = natural("it only talks")

    def handle(self, run: RunContext, message: Message) -> None:
        raise (Rejected if message.receives > 1 else ValueError)(message.body)


@pytest.fixture
def printed() -> list[str]:
    return []


@pytest.fixture
def log(printed: list[str], clock: VirtualClock) -> Log:
    return Log(printed.append, clock)


@pytest.fixture
def go(cloud: Cloud, log: Log) -> Callable[..., RunReport]:
    def go(say: Callable[[RunContext], Outcome], firing: Firing = TICK) -> RunReport:
        return run(Leaky(say), firing, cloud, log)

    return go


def ticks() -> Iterator[Firing]:
    for number in range(10_000):
        yield replace(TICK, at=NOON.replace(hour=0, minute=0), part=0, target=str(number))


def raising(error: Exception) -> Callable[[RunContext], Outcome]:
    def say(run: RunContext) -> Outcome:
        raise error

    return say


def leaves(data: Any) -> Iterator[str]:
    match data:
        case Mapping():
            for name, value in data.items():
                yield str(name)
                yield from leaves(value)
        case list() | tuple():
            for value in data:
                yield from leaves(value)
        case _:
            yield str(data)


def texts(documents: list[str]) -> str:
    """All texts of JSON documents, decoded."""
    return "\n".join(leaf for document in documents for leaf in leaves(json.loads(document)))


def table(cloud: Cloud) -> str:
    """All texts of all tables."""
    pages = (
        page
        for table in TABLES
        for page in cloud.dynamodb.get_paginator("scan").paginate(TableName=cloud.names.table(table.name))
    )
    return "\n".join(leaf for page in pages for item in page["Items"] for leaf in leaves(attributes.plain(item)))


def bucket(cloud: Cloud, without: str = "dead/") -> str:
    """All texts of the bucket, without the payloads of dead letters, which are stored in full and encrypted."""
    keys = [
        found["Key"]
        for page in cloud.s3.get_paginator("list_objects_v2").paginate(Bucket=cloud.names.bucket)
        for found in page.get("Contents", [])
    ]
    read = (
        cloud.s3.get_object(Bucket=cloud.names.bucket, Key=key)["Body"] for key in keys if not key.startswith(without)
    )
    return "\n".join([*keys, texts([body.read().decode() for body in read])])


def alerts(cloud: Cloud) -> str:
    return "\n".join(f"{subject}\n{texts([message])}" for subject, message in published(cloud))


def leaked(shown: str, canaries: tuple[Canary, ...] = CANARIES) -> list[str]:
    return [str(canary) for canary in canaries if any(secret in shown for secret in canary.secrets)]


def test_the_search_finds_every_canary() -> None:
    shown = texts([json.dumps({canary.said: canary.said}) for canary in CANARIES])
    assert leaked(shown) == [str(canary) for canary in CANARIES]


def test_no_canary_is_in_the_log(go: Callable[..., RunReport], printed: list[str]) -> None:
    def say(run: RunContext) -> Outcome:
        for canary in CANARIES:
            run.log.info(canary.said, field=canary.said, nested={"a": [canary.said], canary.said: 1})
            run.log.bind(bound=canary.said).error("bound", error=ValueError(canary.said))
            run.log.metric(canary.said, {"Failed": 1})
        return Done()

    go(say)
    assert len(printed) > 3 * len(CANARIES)
    assert leaked(texts(printed)) == []


def test_no_canary_is_in_an_artifact(go: Callable[..., RunReport], cloud: Cloud) -> None:
    def say(run: RunContext) -> Outcome:
        seen = [{"text": canary.said, canary.said: canary.said} for canary in CANARIES]
        run.write_artifact({"kind": "leaky", "ok": True, "status": 200, "ms": 1, "seen": seen}, "shop.example")
        return Done()

    go(say)
    stored = bucket(cloud)
    assert stored.count("/latest.json") == 1
    assert stored.count("leaky/shop.example/2026/") == 1
    assert leaked(stored) == []


def test_no_canary_is_in_the_output_of_a_failed_run(
    go: Callable[..., RunReport], cloud: Cloud, printed: list[str]
) -> None:
    for firing, canary in zip(ticks(), SAMPLE, strict=False):
        assert go(raising(ValueError(canary.said)), firing).outcome == "failed"
        # The second attempt is the last.
        go(raising(ValueError(canary.said)), firing.retry(canary.said, NOON))
    retries, dead = letters(cloud, "firings"), letters(cloud, "firings-dlq")
    assert len(dead) == len(SAMPLE)
    assert all(letter["dead"]["error"] for letter in dead)
    assert leaked(table(cloud), SAMPLE) == []
    assert leaked("\n".join(leaves([letter["firing"]["last_error"] for letter in retries])), SAMPLE) == []
    assert leaked("\n".join(leaves([letter["dead"]["error"] for letter in dead])), SAMPLE) == []
    assert leaked(texts(printed), SAMPLE) == []


def test_no_canary_is_in_the_output_of_a_successful_run(
    go: Callable[..., RunReport], cloud: Cloud, printed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without line breaks: a canary that is split over lines would not be found.
    monkeypatch.setenv("COLUMNS", "10000")
    reports = []
    for firing, canary in zip(ticks(), SAMPLE, strict=False):

        def say(run: RunContext, said: str = canary.said) -> Outcome:
            run.progress(said[:200], 50)
            held = cloud.dynamodb.get_item(
                TableName=cloud.names.table("state"), Key=attributes.row({"pk": "leaky:last", "sk": run.target})
            )
            assert leaked("\n".join(leaves(attributes.plain(held["Item"]))), SAMPLE) == []
            status.write_host(
                cloud,
                run.job,
                f"host{run.target}",
                "t",
                {"ok": False, "at": "1", "note": redaction.excerpt(said, 100)},
            )
            return Done({said: 1}, ok=False, note=said)

        reports.append(go(say, firing))
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        for report in reports:
            run_report.print_report(report, as_json=True)
            run_report.print_report(report, as_json=False)
        for canary in SAMPLE:
            output.notice(canary.said)
            output.document({"error": canary.said, canary.said: 1})
        output.table(["job", "note"], [[canary.said, (canary.said, "red")] for canary in SAMPLE])
    assert leaked(table(cloud), SAMPLE) == []
    assert leaked("\n".join(leaves([asdict(report) for report in reports])), SAMPLE) == []
    assert leaked(texts(printed), SAMPLE) == []
    assert leaked(out.getvalue(), SAMPLE) == []


def test_no_canary_is_in_a_dead_letter(
    cloud: Cloud, log: Log, printed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = manifest.of([Leaky(raising(ValueError())), Leaking()])
    monkeypatch.setattr(manifest, "load", lambda: entries)
    for receives in ("1", "2"):
        for number in range(0, len(SAMPLE), 10):
            deliver(Leaking(), [canary.said for canary in SAMPLE[number : number + 10]], receives, cloud, log)
    bodies = letters(cloud, "firings-dlq")
    assert len(bodies) == len(SAMPLE)
    assert leaked("\n".join(body["dead"]["error"] for body in bodies), SAMPLE) == []
    for canary in SAMPLE:
        bodies.append({"dead": {"job": "leaky", "reason": canary.said, "error": canary.said, "run": canary.said}})
        bodies.append({"firing": TICK.retry(canary.said, NOON).data() | {"correlation_id": canary.said}})
    for number in range(0, len(bodies), 10):
        deliver(DeadLetters(), [json.dumps(body) for body in bodies[number : number + 10]], "1", cloud, log)
    assert table(cloud).count("dead#") >= len(SAMPLE)
    assert leaked(table(cloud), SAMPLE) == []
    assert leaked(alerts(cloud), SAMPLE) == []
    assert leaked(texts(printed), SAMPLE) == []


def test_no_canary_is_in_an_alert(cloud: Cloud) -> None:
    people = []
    # The link of an alert is a text too.
    cloud.environment = {"NIGHTSHIFT_CONSOLE_URL": "https://console.example"}
    for number, canary in enumerate(SAMPLE):
        fields = {"job": canary.said, "error": canary.said, canary.said: [canary.said]}
        alert.send(cloud, "JOB_FAILING", canary.said, fields, [canary.said], f"known {number}")
        told = alert.Alert("JOB_FAILING", canary.said, fields, [canary.said])
        people += [told.subject, told.text(cloud)]
    assert alerts(cloud).count("JOB_FAILING") >= len(SAMPLE)
    assert leaked(alerts(cloud), SAMPLE) == []
    # The stored alerts, and the texts of the other channels.
    assert table(cloud).count("known ") >= len(SAMPLE)
    assert leaked(table(cloud), SAMPLE) == []
    assert leaked("\n".join(people), SAMPLE) == []


def test_no_canary_is_in_the_alert_of_a_streak(
    go: Callable[..., RunReport], cloud: Cloud, log: Log, printed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = manifest.of([Leaky(raising(ValueError()))])
    monkeypatch.setattr(manifest, "load", lambda: entries)
    cloud.environment = {"JOB_MONITORING_STREAK": "1"}
    for firing, canary in zip(ticks(), SAMPLE, strict=False):
        go(raising(ValueError(canary.said)), firing)
    run(JobMonitoring(), Firing("job-monitoring", NOON), cloud, log)
    assert alerts(cloud).count("JOB_FAILING") >= len(SAMPLE)
    assert leaked(alerts(cloud), SAMPLE) == []
    assert leaked(texts(printed), SAMPLE) == []


def deliver(job: Consumer, bodies: list[str], receives: str, cloud: Cloud, log: Log) -> None:
    records = tuple(
        {
            "messageId": f"m{number}",
            "receiptHandle": "h",
            "body": body,
            "attributes": {"ApproximateReceiveCount": receives, "SentTimestamp": "1772452800000"},
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{cloud.names.queue(job.queue or '')}",
        }
        for number, body in enumerate(bodies)
    )
    run_batch.run_batch(job, Batch(job.name, records), cloud, log, 60)
