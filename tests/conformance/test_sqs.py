"""SQS in memory answers as moto and the local engine do, or as AWS documents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from proof.world.memory_sqs import MemoryQueue, MemorySqs
from tests.conformance.service_backends import OTHERS, RemoteBackend, VirtualTime, outcomes, remote_clients, unique
from tests.conformance.sqs_cases import CASES, MAX_RECEIVES, VISIBILITY, Case, shown
from tests.conformance.sqs_deviations import DEVIATIONS

QUEUES = ("main", "dead")


class Memory(VirtualTime, MemorySqs):
    """Two queues in memory at their own time."""

    def __init__(self) -> None:
        VirtualTime.__init__(self)
        MemorySqs.__init__(self, lambda: self.at)
        for name in QUEUES:
            target = "dead" if name == "main" else None
            arn = f"arn:aws:sqs:us-east-1:123456789012:{name}"
            self.queues[name] = MemoryQueue(name, arn, VISIBILITY, target, MAX_RECEIVES)

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return super().call(operation, {"QueueUrl": "main", **request})


def remote(client: Any) -> RemoteBackend:
    names = {name: unique(name) for name in QUEUES}
    dead = client.create_queue(QueueName=names["dead"], Attributes={"VisibilityTimeout": str(VISIBILITY)})["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES})
    attributes = {"VisibilityTimeout": str(VISIBILITY), "RedrivePolicy": policy}
    main = client.create_queue(QueueName=names["main"], Attributes=attributes)["QueueUrl"]
    urls = {"main": main, "dead": dead, "none": f"{main}-none"}

    def own(_: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**request, "QueueUrl": urls[request.get("QueueUrl", "main")]}

    return RemoteBackend(client, own)


@pytest.fixture(scope="module")
def clients() -> Iterator[Mapping[str, Any]]:
    yield from remote_clients("sqs")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fact)
def test_sqs_in_memory_gives_what_aws_documents(case: Case) -> None:
    assert outcomes(Memory(), case.calls, shown)[-1] == case.gives


@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fact)
def test_another_sqs_gives_the_same(case: Case, backend: str, clients: Mapping[str, Any]) -> None:
    given = outcomes(remote(clients[backend]), case.calls, shown)[-1]
    if case.fact in DEVIATIONS[backend]:
        assert given != case.gives, f"{backend} answers as AWS now; remove the fact from sqs_deviations.py"
    else:
        assert given == case.gives


def test_each_fact_has_one_case() -> None:
    facts = [case.fact for case in CASES]
    assert len(set(facts)) == len(facts)
    assert set().union(*DEVIATIONS.values()) <= set(facts)
