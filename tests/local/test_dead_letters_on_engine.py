"""Dead letters on the engine: queues, mappings, dispatch and collector as deployed, functions in their processes."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.operations.dead_letters import DeadLetters
from functions.operations.dispatch import Dispatch
from local.lambda_runtime.python_path import _top_level
from shared.admin import audit, canary, redrive
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.names import Names
from shared.clock import Clock
from shared.dead_letters import store
from shared.dead_letters.letter import RECEIVES, VISIBILITY, DeadLetter
from shared.job import manifest
from shared.job.definition import Job
from shared.run import send
from shared.run.firing import Firing
from shared.tables import STATE
from tests.conftest import create
from tests.local.conftest import Account, eventually

ROOT = Path(__file__).parents[2]
# A dead letter follows two attempts, a second apart. Only a busy machine takes longer.
PATIENCE = timedelta(seconds=180)
pytestmark = pytest.mark.timeout(900)

INTAKE = '''
from shared.aws import attributes as rows
from shared.archetypes.consumer import Consumer
from shared.job.idempotency import natural
from shared.job.retry import explicit


class Intake(Consumer):
    """Take what comes in, of customers that are known."""

    queue = "demo:intake"
    timeout = 60
    retry = explicit(1)
    idempotency = natural("a customer is counted by an item of its own")

    def handle(self, tick, message):
        table = tick.cloud.names.table("state")
        key = rows.row({"pk": "customers", "sk": message.text})
        if "Item" not in tick.cloud.dynamodb.get_item(TableName=table, Key=key):
            raise RuntimeError(f"no {message.text} among 4711 customers")
        one = rows.row({":one": 1})
        tick.cloud.dynamodb.update_item(
            TableName=table, Key=key, UpdateExpression="ADD served :one", ExpressionAttributeValues=one
        )
'''
CHORE = '''
from shared.aws import attributes as rows
from shared.job.retry import explicit
from shared.job.idempotency import natural
from shared.job.definition import Job
from shared.job.outcome import Done


class Chore(Job):
    """Work for a customer that is known."""

    timeout = 60
    retry = explicit(1)
    idempotency = natural("it only looks")

    def work(self, tick):
        key = rows.row({"pk": "customers", "sk": tick.target})
        if "Item" not in tick.cloud.dynamodb.get_item(TableName=tick.cloud.names.table("state"), Key=key):
            raise RuntimeError(f"no {tick.target} among 4711 customers")
        return Done()
'''


def declared(name: str, source: str) -> Job:
    """The job of that source, as its function will have it."""
    module: dict[str, Any] = {"__name__": f"functions.demo.{name}"}
    exec(source, module)
    job: Job = module[name.capitalize()]()
    return job


JOBS = manifest.of([Dispatch(), DeadLetters(), declared("intake", INTAKE), declared("chore", CHORE)])
MODULES = {
    "dispatch": "operations/dispatch",
    "dead-letters": "operations/dead_letters",
    "intake": "demo/intake",
    "chore": "demo/chore",
}
# The consumer of each queue; a dead-letter queue precedes the queue that names it.
CONSUMERS = {
    "firings-dlq": "dead-letters",
    "demo:intake-dlq": "dead-letters",
    "firings": "dispatch",
    "demo:intake": "intake",
}


def bundle() -> bytes:
    """The runtime, the operations and two jobs, as a group's bundle has them, with the libraries of its layer."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as contents:
        for folder in ("shared", "functions/operations"):
            for path in (ROOT / folder).rglob("*.py"):
                contents.write(path, path.relative_to(ROOT))
        for name, source in (("intake", INTAKE), ("chore", CHORE)):
            contents.writestr(f"functions/demo/{name}.py", source)
        contents.writestr("functions/demo/__init__.py", "")
        contents.writestr(manifest.FILE, json.dumps(JOBS))
        for library in ("aws-lambda-powertools", "typing-extensions"):
            for top in _top_level(library):
                for path in [top] if top.is_file() else top.rglob("*.py"):
                    contents.write(path, path.relative_to(top.parent))
    return packed.getvalue()


@dataclass
class Plant:
    account: Account
    cloud: Cloud

    def deploy(self) -> None:
        cloud = self.cloud
        cloud.s3.create_bucket(Bucket=cloud.names.bucket)
        cloud.sns.create_topic(Name=cloud.names.topic("alerts"))
        self.account.queue(cloud.names.queue("last-resort"))
        queues = {name: self._queue(name) for name in CONSUMERS}
        code = bundle()
        for job, module in MODULES.items():
            self._function(job, module, code, queues["firings"])
        for name, consumer in CONSUMERS.items():
            self.account.client("lambda").create_event_source_mapping(
                EventSourceArn=queues[name],
                FunctionName=cloud.names.function(consumer),
                BatchSize=10,
                FunctionResponseTypes=["ReportBatchItemFailures"],
            )

    def _queue(self, name: str) -> str:
        """A queue with the limits that infra/queues.py declares.

        A shorter visibility timeout would deliver a message again while a slow batch still has it.
        """
        limits = {"VisibilityTimeout": str(VISIBILITY * JOBS[CONSUMERS[name]]["timeout"])}
        if f"{name}-dlq" in CONSUMERS:
            target = self.account.arn("sqs", self.cloud.names.queue(f"{name}-dlq"))
            limits["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": RECEIVES})
        return self.account.queue(self.cloud.names.queue(name), **limits)

    def _function(self, job: str, module: str, code: bytes, destination: str) -> None:
        name, names = self.cloud.names.function(job), self.cloud.names
        variables = {
            "NIGHTSHIFT_JOB": module,
            "NIGHTSHIFT_STAGE": names.stage,
            "NIGHTSHIFT_ACCOUNT": names.account,
        }
        client = self.account.client("lambda")
        client.create_function(
            FunctionName=name,
            Role=f"arn:aws:iam::{names.account}:role/function",
            Runtime="python3.13",
            Handler="shared.handler.handle",
            Code={"ZipFile": code},
            Timeout=JOBS[job]["timeout"],
            MemorySize=256,
            Environment={"Variables": variables},
        )
        client.put_function_event_invoke_config(
            FunctionName=name,
            MaximumRetryAttempts=0,
            DestinationConfig={"OnFailure": {"Destination": destination}},
        )

    def send(self, *customers: str) -> None:
        for customer in customers:
            self.cloud.sqs.send_message(QueueUrl=self.cloud.names.queue_url("demo:intake"), MessageBody=customer)

    def mend(self, *customers: str) -> None:
        for customer in customers:
            item = attributes.row({"pk": "customers", "sk": customer})
            self.cloud.dynamodb.put_item(TableName=self.cloud.names.table("state"), Item=item)

    def served(self) -> dict[str, int]:
        found = self.cloud.dynamodb.query(
            TableName=self.cloud.names.table("state"),
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=attributes.row({":pk": "customers"}),
        )["Items"]
        return {row["sk"]: row["served"] for row in map(attributes.plain, found) if "served" in row}

    def letters(self) -> list[DeadLetter]:
        return list(store.dead_letters(self.cloud))

    def waits_for(self, count: int, holds: Callable[[DeadLetter], bool] = lambda _: True) -> list[DeadLetter]:
        def asked() -> list[DeadLetter] | None:
            found = [letter for letter in self.letters() if holds(letter)]
            return found if len(found) == count else None

        return eventually(asked, PATIENCE.total_seconds()) or []


@pytest.fixture
def bare(account: Account, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """The table alone."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.engine.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", account.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    monkeypatch.setenv("AWS_SESSION_TOKEN", account.engine.token)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr(manifest, "load", lambda: JOBS)
    made = Plant(account, Cloud(Names("test", account.id, "us-east-1"), Clock(), {}))
    create(made.cloud, STATE)
    return made


@pytest.fixture
def plant(bare: Plant) -> Plant:
    bare.deploy()
    return bare


CUSTOMERS = [f"customer-{number:02d}" for number in range(25)]


def test_a_redrive_of_25_stops_where_the_fault_is_not_fixed(plant: Plant) -> None:
    cloud = plant.cloud
    plant.send(*CUSTOMERS)
    letters = sorted(plant.waits_for(25), key=lambda letter: letter.at)
    [fingerprint] = {letter.fingerprint for letter in letters}
    order = [str(redrive.prepare(cloud, letter).payload) for letter in letters]

    # No fix yet: the canary fails.
    report = canary.redrive_group(cloud, fingerprint, "ada", "perhaps", PATIENCE)
    assert (report.of, report.sent, report.repeated) == (25, 1, 1)
    assert "failed again with the same error" in report.stopped
    assert plant.served() == {}

    # Fixed for the first ten: the wave after the canary stops at the eleventh.
    plant.mend(*order[:10])
    report = canary.redrive_group(cloud, fingerprint, "ada", "mended for ten", PATIENCE)
    assert (report.of, report.sent, report.resolved, report.repeated) == (25, 11, 10, 1)
    assert sorted(letter.retries for letter in plant.letters()) == [0] * 14 + [1] * 10 + [2]

    # Fixed for all.
    plant.mend(*order[10:])
    report = canary.redrive_group(cloud, fingerprint, "bob", "mended", PATIENCE)
    assert (report.of, report.sent, report.resolved, report.stopped) == (15, 15, 15, "")

    # Each stayed one dead letter, and was handled once.
    assert [letter.state for letter in plant.letters()] == ["resolved"] * 25
    assert plant.served() == dict.fromkeys(CUSTOMERS, 1)
    assert sorted(letter.failed_redrives for letter in plant.letters()) == [0] * 23 + [1, 1]
    counts = [(entry["who"], entry["count"]) for entry in audit.entries(cloud, 1)]
    assert counts == [("bob", 15), ("ada", 11), ("ada", 1)]


def test_a_redriven_tick_goes_through_dispatch_and_stays_one_dead_letter(plant: Plant) -> None:
    cloud = plant.cloud
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    send.send(cloud, Firing("chore", minute, target="ada", correlation_id="c"))
    [letter] = plant.waits_for(1)
    assert (letter.reason, letter.attempts) == ("all 2 attempts used up", 2)

    made, until = redrive.redrive_one(cloud, letter.id, "ada", "")
    again = redrive.wait_for_result(cloud, made, cloud.clock.now() + PATIENCE)
    assert again is not None
    assert (again.id, again.state, again.failed_redrives, again.attempts) == (letter.id, "dead", 1, 2)
    assert until > again.failed_at

    plant.mend("ada")
    made, _ = redrive.redrive_one(cloud, letter.id, "ada", "")
    mended = redrive.wait_for_result(cloud, made, cloud.clock.now() + PATIENCE)
    assert mended is not None
    assert (mended.id, mended.state, mended.row["outcome"]) == (letter.id, "resolved", "done")
    assert len(plant.letters()) == 1


def test_ten_thousand_dead_letters_are_listed_by_group_in_a_second_of_this_processor(bare: Plant) -> None:
    cloud, table, now = bare.cloud, bare.cloud.names.table("state"), datetime.now(UTC)
    for start in range(0, 10_000, 25):
        items = [letter_row(number, now) for number in range(start, start + 25)]
        cloud.dynamodb.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}} for item in items]})
    store.record_job(cloud, "chore")
    # Without the engine's time: it runs in threads of this process.
    started = time.thread_time()
    groups = store.group_by_fingerprint(store.dead_letters(cloud))
    took = time.thread_time() - started
    assert sum(group.count for group in groups) == 10_000
    assert len(groups) == 7
    assert took < 3, "0.7 s were measured, on a busy machine"


def letter_row(number: int, now: datetime) -> Any:
    from shared import clock
    from shared.dead_letters.letter import fingerprint

    error = f"RuntimeError: no {'x' * (number % 7)} customer-{number} among 4711 customers " + "y" * 150
    mark, at = f"{number:016x}", clock.iso(now - timedelta(seconds=number))
    return attributes.row(
        {
            "pk": "dead#chore",
            "sk": f"{at}#{mark}",
            "id": mark,
            "job": "chore",
            "jobId": "20261121T220500.123Z-9f2c61aa",
            "entityId": f"customer-{number}",
            "reason": "all 2 attempts used up",
            "error": error,
            "fingerprint": fingerprint("chore", error),
            "attempts": 2,
            "firstFailedAt": at,
            "correlationId": "0123456789abcdef0123456789abcdef",
            "payload": f"dead/chore/2026/11/21/{mark}.json",
            "alerted": at,
            "expires": int(now.timestamp()) + 86_400,
        }
    )
