"""Records as Lambda delivers them, and a Lambda client that records its invocations."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.job.definition import Job
from shared.job.manifest import Entry
from shared.messages.run_batch import run_batch
from shared.run.firing import Batch
from tests.conftest import Lines

ENTRIES: dict[str, Entry] = {
    "sweep": Entry(
        id="sweep",
        group="demo",
        key="sweep",
        queue=None,
        schedules=["*/15 * * * *"],
        kind="explicit",
        delays=[30, 60],
        timeout=60,
        lease_per_target=True,
        shards=1,
        collector=False,
        budgeted=False,
        retention="standard",
        grace=None,
        catch_up="none",
        effects=True,
        heartbeat="HC_SWEEP_URL",
        targets=[],
        named_targets=True,
    ),
}


class Functions:
    """A Lambda client that records invocations."""

    def __init__(self) -> None:
        self.started: list[tuple[str, Any]] = []
        self.broken = False

    def invoke(self, FunctionName: str, InvocationType: str, Payload: str) -> None:  # noqa: N803 - boto's names
        assert InvocationType == "Event"
        if self.broken:
            raise ConnectionError("no route to Lambda")
        self.started.append((FunctionName, json.loads(Payload)))


@pytest.fixture
def functions(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Functions:
    fake = Functions()
    cloud.__dict__["functions"] = fake
    monkeypatch.setattr(manifest, "load", lambda: ENTRIES)
    return fake


@pytest.fixture
def deliver(cloud: Cloud, log: Lines) -> Callable[..., list[str]]:
    """Send bodies through a queue and deliver them to the consumer; return the ids of messages to retry."""

    def deliver(job: Job, *bodies: Any, queue: str = "firings", receives: int = 1) -> list[str]:
        url = cloud.names.queue_url(queue)
        for body in bodies:
            cloud.sqs.send_message(QueueUrl=url, MessageBody=body if isinstance(body, str) else json.dumps(body))
        got = cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
        records = tuple(
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": {
                    **cast("dict[str, str]", message["Attributes"]),
                    "ApproximateReceiveCount": str(receives),
                },
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{cloud.names.queue(queue)}",
            }
            for message in got
        )
        return run_batch(job, Batch(job.name, records), cloud, log, 60)

    return deliver
