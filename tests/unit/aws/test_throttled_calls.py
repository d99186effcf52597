"""Throttled calls: tried eight times by the client, with growing pauses; other errors are not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from shared.aws import throttled_calls
from shared.aws.cloud import Cloud

DYNAMODB = "com.amazonaws.dynamodb.v20120810#"


class Answers:
    """Answers of a service that refuses its first requests."""

    def __init__(self, code: str, refused: int) -> None:
        self.code, self.refused, self.requests = code, refused, 0

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        self.requests += 1
        if self.requests <= self.refused:
            return response(400, {"__type": f"{DYNAMODB}{self.code}", "message": "no"})
        return response(200, {"Item": {}})


class Raw:
    """Body of an HTTP response."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self, **_: Any) -> Any:
        yield self.body


def response(status: int, document: dict[str, Any]) -> AWSResponse:
    return AWSResponse("https://aws.invalid", status, HTTPHeaders(), Raw(json.dumps(document).encode()))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", slept.append)
    return slept


def read(cloud: Cloud, answers: Answers) -> Any:
    client: Any = Cloud(cloud.names, cloud.clock, cloud.environment).dynamodb
    client.meta.events.register("before-send.dynamodb", answers)
    return client.get_item(TableName="any", Key={"pk": {"S": "a"}})


def test_a_call_that_is_throttled_seven_times_is_done(cloud: Cloud, pauses: list[float]) -> None:
    answers = Answers("ThrottlingException", throttled_calls.TRIES - 1)
    assert read(cloud, answers)["Item"] == {}
    assert answers.requests == throttled_calls.TRIES
    assert all(pause <= throttled_calls.LONGEST_PAUSE for pause in pauses)


def test_one_that_is_always_throttled_fails(cloud: Cloud, pauses: list[float]) -> None:
    answers = Answers("ProvisionedThroughputExceededException", 100)
    with pytest.raises(ClientError, match="ProvisionedThroughputExceeded"):
        read(cloud, answers)
    assert answers.requests == throttled_calls.TRIES
    assert len(pauses) == throttled_calls.TRIES - 1


@pytest.mark.parametrize(("code", "requests"), [("InternalServerError", 1), ("ValidationException", 1)])
def test_other_errors_are_left_to_the_sdk(cloud: Cloud, pauses: list[float], code: str, requests: int) -> None:
    answers = Answers(code, 100)
    with pytest.raises(ClientError):
        read(cloud, answers)
    assert answers.requests == requests


@pytest.mark.parametrize("response", [None, (None, {}), (None, {"Error": {"Code": "Other"}})])
def test_a_call_without_a_refusal_is_not_repeated(response: Any) -> None:
    assert throttled_calls.repeat(response, 1) is None
