"""Requests through the proxy are forwarded, or refused as AWS refuses them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.clients import client
from local.engine.embedded import Embedded, embedded
from proof.storm.faulty_proxy import Faults, FaultyProxy

# A request of each service that functions call, and the code by which it is throttled.
REQUESTS: list[tuple[str, str, dict[str, Any], str]] = [
    ("dynamodb", "list_tables", {}, "ThrottlingException"),
    ("sqs", "list_queues", {}, "ThrottlingException"),
    ("s3", "list_buckets", {}, "SlowDown"),
    ("lambda", "list_functions", {}, "TooManyRequestsException"),
]


@pytest.fixture(scope="module")
def engine() -> Embedded:
    return embedded()


@pytest.fixture
def proxy(engine: Embedded) -> Iterator[FaultyProxy]:
    with FaultyProxy(engine.endpoint, seed=1) as made:
        yield made


def through(proxy: FaultyProxy, engine: Embedded, service: str) -> Any:
    return client(service, proxy.url, engine.token, "123456789012")


@pytest.mark.parametrize(("service", "method", "request_", "code"), REQUESTS)
def test_a_request_is_forwarded(
    service: str, method: str, request_: dict[str, Any], code: str, proxy: FaultyProxy, engine: Embedded
) -> None:
    answer = getattr(through(proxy, engine, service), method)(**request_)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert proxy.counts == {"forwarded": 1}


@pytest.mark.parametrize(("service", "method", "request_", "code"), REQUESTS)
def test_a_throttled_request_has_the_code_of_its_service(
    service: str, method: str, request_: dict[str, Any], code: str, proxy: FaultyProxy, engine: Embedded
) -> None:
    proxy.faults = Faults(throttled=1)
    with pytest.raises(ClientError) as refused:
        getattr(through(proxy, engine, service), method)(**request_)
    assert refused.value.response["Error"]["Code"] == code
    # The SDK has repeated it, so it takes the answer for one that passes.
    assert proxy.counts == {"throttled": 3}


def test_a_request_that_is_not_answered_was_performed(proxy: FaultyProxy, engine: Embedded) -> None:
    sqs = through(proxy, engine, "sqs")
    url = sqs.create_queue(QueueName="unanswered")["QueueUrl"]
    proxy.faults = Faults(failed=1)
    with pytest.raises(ClientError) as failed:
        sqs.send_message(QueueUrl=url, MessageBody="m")
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] in (500, 503)
    proxy.faults = Faults()
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert int(counts["ApproximateNumberOfMessages"]) == proxy.counts["unanswered"] > 0


def test_latency_delays_each_request(proxy: FaultyProxy, engine: Embedded) -> None:
    proxy.faults = Faults(latency=0.2)
    began = time.monotonic()
    through(proxy, engine, "sqs").list_queues()
    assert time.monotonic() - began >= 0.2
