"""Fixtures: an engine in this process, an account per test, functions from source text."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import textwrap
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from local.cloud import LocalCloud
from local.engine.embedded import Embedded, embedded
from shared.aws.cloud import Cloud
from shared.aws.names import LOCAL, Names
from shared.job import registry
from shared.tables import STATE
from tests.conftest import VirtualClock, create

ROLE = "arn:aws:iam::{account}:role/function"
REGION = "us-east-1"


def archive(source: str, name: str = "app.py") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as contents:
        contents.writestr(name, textwrap.dedent(source))
    return packed.getvalue()


T = TypeVar("T")


def eventually(ask: Callable[[], T], seconds: float = 10) -> T:
    """The first true result of `ask`."""
    until = time.monotonic() + seconds
    while not (found := ask()):
        if time.monotonic() > until:
            raise AssertionError(f"nothing came within {seconds} s")
        time.sleep(0.02)
    return found


@dataclass
class Account:
    engine: Embedded
    id: str
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = self.engine.client(service, self.id)
        return self.clients[service]

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{REGION}:{self.id}:{resource}"

    def function(self, source: str, name: str = "job", **settings: Any) -> str:
        """Create a function; `source` is app.py and has `handle(event, context)`."""
        wanted = {"Runtime": "python3.13", "Handler": "app.handle", "Timeout": 5, "MemorySize": 256} | settings
        role, code = ROLE.format(account=self.id), {"ZipFile": archive(source)}
        self.client("lambda").create_function(FunctionName=name, Role=role, Code=code, **wanted)
        return name

    def invoke(self, name: str = "job", event: Any = None) -> Any:
        """Payload of the response; a failure has `FunctionError` in it."""
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event or {}))
        payload = json.loads(answer["Payload"].read())
        return payload | {"FunctionError": answer["FunctionError"]} if "FunctionError" in answer else payload

    def start(self, name: str = "job", event: Any = None) -> None:
        self.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event or {}))

    def queue(self, name: str, **attributes: str) -> str:
        self.client("sqs").create_queue(QueueName=name, Attributes=attributes)
        return self.arn("sqs", name)

    def url(self, queue_arn: str) -> str:
        return f"https://sqs.{REGION}.amazonaws.com/{self.id}/{queue_arn.split(':')[-1]}"

    def receive(self, queue_arn: str, seconds: int = 10) -> Any:
        """Receive and delete the next message."""
        sqs = self.client("sqs")
        answer = sqs.receive_message(
            QueueUrl=self.url(queue_arn),
            WaitTimeSeconds=seconds,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        assert "Messages" in answer, f"no message came to {queue_arn}"
        message = answer["Messages"][0]
        sqs.delete_message(QueueUrl=self.url(queue_arn), ReceiptHandle=message["ReceiptHandle"])
        return message

    def log(self, name: str = "job") -> list[str]:
        logs = self.client("logs")
        try:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")
        except logs.exceptions.ResourceNotFoundException:
            # No invocation yet.
            return []
        return [event["message"] for event in found["events"]]

    def busy(self, name: str = "job") -> Any:
        """Wait for the process of a running invocation."""
        arn = self.arn("lambda", f"function:{name}")
        return eventually(
            lambda: [one for one in self.engine.processes(name) if one["request_id"] and one["arn"] == arn]
        )[0]

    def waiting(self, queue_arn: str) -> int:
        """Count the messages of a queue, received and delayed ones included."""
        counts = self.client("sqs").get_queue_attributes(QueueUrl=self.url(queue_arn), AttributeNames=["All"])
        return sum(int(count) for name, count in counts["Attributes"].items() if name.startswith("Approximate"))


def deployed_once(factory: pytest.TempPathFactory, name: str, **how: Any) -> Path:
    """Folder of one deployment for all test workers, made by the first of them."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    made = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (made / "state" / "deployed.json").exists():
            with LocalCloud(made, firing=False, **how) as cloud:
                assert {"bootstrap", "deploy"} <= set(cloud.took)
    return made


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All stacks, with default settings."""
    return deployed_once(tmp_path_factory, "whole", settings={})


@contextmanager
def started(whole: Path, place: Path, settings: Mapping[str, str]) -> Iterator[LocalCloud]:
    """Copy of the deployment. settings: overrides of the functions' environment."""
    shutil.copytree(whole, place, symlinks=True)
    with LocalCloud(place, firing=False, settings={}) as local:
        functions, names = local.client("lambda"), Names(LOCAL, local.engine.account, local.engine.region)
        for name, job in registry.jobs().items():
            own = {setting.name: settings[setting.name] for setting in job.all_settings() if setting.name in settings}
            function = {"FunctionName": names.function(name)}
            if own:
                told = functions.get_function_configuration(**function)["Environment"]["Variables"]
                functions.update_function_configuration(**function, Environment={"Variables": told | own})
        yield local


@pytest.fixture(scope="session")
def engine() -> Embedded:
    return embedded()


@pytest.fixture
def account(engine: Embedded) -> Account:
    return Account(engine, engine.account())


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A cloud of one account on the embedded engine, with a virtual clock."""
    made = embedded()
    account = made.account()
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", account)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    monkeypatch.setenv("AWS_SESSION_TOKEN", made.token)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    cloud = Cloud(Names("test", account, "us-east-1"), VirtualClock(), {})
    create(cloud, STATE)
    cloud.s3.create_bucket(Bucket=cloud.names.bucket)
    return cloud
