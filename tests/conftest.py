"""Cloud of tests without the engine: tables in memory, moto, a virtual clock, collected logs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parameters import base as parameters
from hypothesis import HealthCheck, settings

from shared.aws.cloud import Cloud
from shared.aws.names import Names
from shared.clock import Clock
from shared.job import manifest
from shared.observability.log import Log
from shared.tables import Table
from tests.support.certificate import Certificate
from tests.support.client_pool import ClientPool
from tests.support.moto_backends import queue
from tests.support.simulated_aws import SimulatedAws
from tests.support.table_creation import create_table

# No test is timed, and each run of the suite draws the same examples: a failure is that of the change.
settings.register_profile("nightshift", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("nightshift")

CLIENTS = ClientPool()
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class VirtualClock(Clock):
    """Clock that stands still until it is moved; sleeping moves it."""

    def __init__(self, now: datetime = NOON) -> None:
        self.instant = now

    def now(self) -> datetime:
        return self.instant

    def sleep(self, seconds: float) -> None:
        self.move(seconds=seconds)

    def move(self, **span: float) -> None:
        self.instant += timedelta(**span)


class Lines(Log):
    """Log that collects its lines, parsed."""

    def __init__(self, time: Clock) -> None:
        self.lines: list[dict[str, Any]] = []
        super().__init__(lambda line: self.lines.append(json.loads(line)), time)

    def said(self, message: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("message") == message]


class Calls:
    """AWS calls, counted at the clients."""

    def __init__(self, cloud: Cloud) -> None:
        self.made: list[str] = []
        for client in (cloud.dynamodb, cloud.bulk, cloud.s3, cloud.sqs, cloud.sns, cloud.secrets):
            client.meta.events.register("before-call", self._count)

    def _count(self, model: Any, **_: Any) -> None:
        self.made.append(f"{model.service_model.service_name}:{model.name}")

    def clear(self) -> None:
        self.made.clear()


@pytest.fixture(scope="session", autouse=True)
def _one_mocked_call_at_a_time() -> Iterator[None]:
    """Serialize moto, whose backends are not thread-safe: concurrent transactions lost updates now and then."""
    from moto.core.botocore_stubber import BotocoreStubber

    lock, process = threading.RLock(), BotocoreStubber.process_request

    def serialized(self: BotocoreStubber, request: Any) -> Any:
        with lock:
            return process(self, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BotocoreStubber, "process_request", serialized)
        yield


@pytest.fixture(scope="module", autouse=True)
def _manifest_of_this_module() -> None:
    """A manifest that an earlier module has read may lack its jobs, or have others."""
    manifest.load.cache_clear()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def cloud(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Cloud]:
    """Tables, bucket, queues, topic and token of a deployment named `test`.

    A test with the mark `moto` has its tables in moto: each call is an HTTP request that can be lost or repeated.
    """
    with mocked_cloud(clock, monkeypatch, tables_in_memory=request.node.get_closest_marker("moto") is None) as made:
        yield made


@contextmanager
def mocked_cloud(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, *, tables_in_memory: bool = True
) -> Iterator[Cloud]:
    """The cloud of the fixture `cloud`, while the block lasts."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    # Secrets expire by the virtual clock.
    monkeypatch.setattr(parameters, "datetime", SimpleNamespace(now=lambda: clock.now().replace(tzinfo=None)))
    made = Cloud(Names("test", "123456789012", "us-east-1"), clock, environment={})
    with SimulatedAws(CLIENTS, made, tables_in_memory=tables_in_memory) as aws:
        monkeypatch.setattr(Cloud, "_client", lambda *args, **kwargs: aws.client(*args, **kwargs))
        yield made


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Certificate of a server on loopback; trusted where SSL_CERT_FILE names its file."""
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def log(clock: VirtualClock) -> Lines:
    return Lines(clock)


def create(cloud: Cloud, table: Table) -> None:
    """A table as the template makes it."""
    aws = SimulatedAws.of(cloud)
    if aws and aws.tables:
        aws.tables.add(table)
    else:
        create_table(cloud.dynamodb, cloud.names, table)


def letters(cloud: Cloud, queue: str) -> list[Any]:
    """Bodies of the messages that wait in a queue, delays included, taken out."""
    url = cloud.names.queue_url(queue)
    bodies: list[Any] = []
    while True:
        got = cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        if not got:
            return bodies
        for message in got:
            bodies.append(json.loads(message["Body"]))
            cloud.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def waiting(cloud: Cloud, name: str = "firings") -> list[Any]:
    """Remove and return the messages of a queue.

    moto applies delays by the real clock, so its own list is read.
    """
    found = queue(cloud, name)
    bodies = [json.loads(message.body) for message in found._messages]
    found._messages.clear()
    return bodies
