"""A deployment without functions, on an engine that other processes reach too: what workers outside of Lambda need."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from local.engine.embedded import embedded
from shared import clock
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.names import Names
from shared.clock import Clock
from shared.tables import TABLES
from tests.conftest import create
from tests.support.web_server import Web

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 40
QUEUES = ("firings", "firings-dlq", "work", "celery")
# Attributes that differ between two runs of the same tick.
VARYING = {
    "run",
    "started",
    "at",
    "ms",
    "lastGood",
    "failingSince",
    "invocation",
    "sk",
    "correlationId",
    "expires",
    "artifact",
    "duplicate",
    "ended",
    "ended_for",
    # The ETag of an artifact, which has the times of its run.
    "latest",
}

# Outcomes of routed runs, and of rows that only a duplicate has written so far.
NO_END = ("enqueued", None)

T = TypeVar("T")


def until(ask: Callable[[], T], seconds: float = PATIENCE) -> T:
    """Return the first true result of `ask`."""
    end = time.monotonic() + seconds
    while not (found := ask()):
        if time.monotonic() > end:
            pytest.fail(f"no result within {seconds} s")
        time.sleep(0.05)
    return found


@dataclass
class Place:
    """cloud: as seen from this process. environment: what other processes are started with."""

    cloud: Cloud
    environment: dict[str, str]
    log: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    dead: list[Any] = field(default_factory=list)

    def python(self, *words: str, **settings: str) -> subprocess.Popen[str]:
        """Start it in the project's folder; what it writes goes to the log."""
        with self.log.open("a") as log:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                env={**self.environment, **settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def jobs(self, *words: str, times: int = 1, **settings: str) -> int:
        """Run `python jobs.py ...` on this deployment `times` times; return the highest exit code."""
        line = [*words, "--aws", "--stage", "local"]
        call = f"import sys; from cli.main import main; sys.exit(max(main({line!r}) for _ in range({times})))"
        return self.python("-c", call, **settings).wait(60)

    def end(self) -> None:
        for process in self.started:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def said(self) -> str:
        return self.log.read_text()

    def under(self, pk: str) -> list[dict[str, Any]]:
        found = self.cloud.dynamodb.query(
            TableName=self.cloud.names.table("state"),
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=attributes.row({":pk": pk}),
            ConsistentRead=True,
        )
        return [attributes.plain(item) for item in found["Items"]]

    def history(self, job: str) -> list[dict[str, Any]]:
        now = datetime.now(UTC)
        days = sorted({f"{day:%Y-%m-%d}" for day in (now - timedelta(minutes=5), now)})
        return [row for day in days for row in self.under(f"runs#{job}#{day}")]

    def outcomes(self, job: str) -> list[tuple[str, int]]:
        """Outcome and attempt of each run that has ended."""
        return [(row["outcome"], row["attempt"]) for row in self.history(job) if row.get("outcome") not in NO_END]

    def item(self, job: str) -> dict[str, Any]:
        return next((item for item in self.under(f"{job}:last") if item["sk"] == "-"), {})

    def letters(self) -> list[Any]:
        """All dead letters so far; they are received from their queue."""
        url = self.cloud.names.queue_url("firings-dlq")
        while got := self.cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            self.dead += [json.loads(message["Body"])["dead"] for message in got]
        return self.dead

    def left(self, queue: str) -> int:
        """Number of messages in a queue, in flight and delayed ones included."""
        url = self.cloud.names.queue_url(queue)
        counts = self.cloud.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return sum(int(count) for name, count in counts.items() if name.startswith("ApproximateNumber"))

    def artifacts(self, job: str) -> list[Any]:
        bucket = self.cloud.names.bucket
        keys = [
            one["Key"] for one in self.cloud.s3.list_objects_v2(Bucket=bucket, Prefix=f"{job}/").get("Contents", [])
        ]
        return [json.loads(self.cloud.s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]

    def end_state(self, job: str) -> Any:
        """Claim items, history and artifacts of a job, without ids and times."""
        history = [row for row in self.history(job) if row.get("outcome") not in NO_END]
        return lasting([sorted(self.under(f"{job}:last"), key=lambda item: item["sk"]), history, self.artifacts(job)])


def lasting(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {name: lasting(value) for name, value in data.items() if name not in VARYING}
    return [lasting(value) for value in data] if isinstance(data, list) else data


def newest_child(pid: int) -> int:
    """The process that the worker has started last, which runs the job."""
    found = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return max(child for child, parent in (map(int, line.split()) for line in found.splitlines()) if parent == pid)


@pytest.fixture
def site() -> Iterator[Web]:
    with Web() as web:
        yield web


@pytest.fixture
def deploy(
    site: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Callable[[], Place]:
    """Each call is a deployment of its own, in an account of its own."""

    def made() -> Place:
        engine = embedded()
        account = engine.account()
        settings = {
            "AWS_ENDPOINT_URL": engine.endpoint,
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_SESSION_TOKEN": engine.token,
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "NIGHTSHIFT_STAGE": "local",
            "NIGHTSHIFT_ACCOUNT": account,
            "BASE_URLS": json.dumps([site.url]),
            "SAMPLE_CRASH_ENABLE": "true",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        cloud = Cloud(Names("local", account, "us-east-1"), Clock())
        for table in TABLES:
            create(cloud, table)
        cloud.s3.create_bucket(Bucket=cloud.names.bucket)
        for queue in QUEUES:
            cloud.sqs.create_queue(QueueName=cloud.names.queue(queue))
        place = Place(cloud, {**kept, **settings}, tmp_path / f"{account}.log")
        place.log.touch()
        request.addfinalizer(place.end)
        return place

    return made


@pytest.fixture
def place(deploy: Callable[[], Place]) -> Place:
    return deploy()


@pytest.fixture
def minute() -> str:
    """A tick that has come."""
    return clock.minute(datetime.now(UTC) - timedelta(minutes=1))
