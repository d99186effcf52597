"""Organizations and queues for consumers; messages are delivered as SQS would, twice if the test asks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.messages.payload import Payload
from shared.messages.run_batch import run_batch
from shared.run.firing import Batch
from tests.conftest import Lines, VirtualClock, waiting

QUEUES = ("flagship:audit", "flagship:usage", "flagship:notifications", "flagship:auto-actions", "webhooks:deliver")


@dataclass
class World:
    cloud: Cloud
    clock: VirtualClock
    log: Lines
    made: int = field(default=0)

    def organization(self, key: str = "org_1", **more: Any) -> None:
        self.put("organizations", {"pk": key, "sk": "-", "state": "active", **more})

    def put(self, table: str, row: Mapping[str, Any]) -> None:
        self.cloud.dynamodb.put_item(TableName=self.cloud.names.table(table), Item=attributes.row(row))

    def get(self, table: str, pk: str, sk: str = "-") -> dict[str, Any]:
        answer = self.cloud.dynamodb.get_item(
            TableName=self.cloud.names.table(table), Key=attributes.row({"pk": pk, "sk": sk}), ConsistentRead=True
        )
        return attributes.plain(answer.get("Item"))

    def rows(self, table: str) -> list[dict[str, Any]]:
        answer = self.cloud.dynamodb.scan(TableName=self.cloud.names.table(table))
        return sorted(map(attributes.plain, answer["Items"]), key=lambda row: (row["pk"], row["sk"]))

    def deliver(self, job: Job, *bodies: Payload | Mapping[str, Any] | str, **attributes: str) -> list[str]:
        """Deliver one batch; return the ids of messages to retry, `m0` for the first."""
        return run_batch(job, Batch(job.name, tuple(self._records(job, bodies, attributes))), self.cloud, self.log, 60)

    def sent(self, queue: str) -> list[dict[str, Any]]:
        """Receive and delete all messages of a queue."""
        return waiting(self.cloud, queue.replace(":", "-"))

    def _records(self, job: Job, bodies: Any, attributes: Mapping[str, str]) -> Any:
        for number, body in enumerate(bodies):
            if isinstance(body, Payload):
                body = {"type": body.wire.type, "payload": body.to_wire()}
            yield {
                "messageId": f"m{number}",
                "receiptHandle": "handle",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1772452800000"},
                "messageAttributes": {
                    name.replace("_", "-"): {"dataType": "String", "stringValue": text}
                    for name, text in attributes.items()
                },
                "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{self.cloud.names.queue(job.queue or '')}",
            }


def opened(cloud: Cloud, clock: VirtualClock, log: Lines, queues: Sequence[str]) -> World:
    """Create these queues and the organization `org_1`."""
    for queue in queues:
        cloud.sqs.create_queue(QueueName=cloud.names.queue(queue))
    made = World(cloud, clock, log)
    made.organization()
    return made


@pytest.fixture
def world(cloud: Cloud, clock: VirtualClock, log: Lines) -> World:
    return opened(cloud, clock, log, QUEUES)
