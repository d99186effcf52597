"""Throttled calls: tried eight times by the client, with growing pauses; other errors are not."""

from __future__ import annotations

import json
from contextlib import suppress
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


def publish(cloud: Cloud, status: int, code: str, refused: int) -> int:
    """Publish to a topic that refuses the first requests; returns the number of requests."""
    requests: list[Any] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        requests.append(request)
        ended = len(requests) > refused
        refusal = f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>"
        text = "<PublishResponse><PublishResult/></PublishResponse>" if ended else refusal
        return AWSResponse("https://aws.invalid", 200 if ended else status, HTTPHeaders(), Raw(text.encode()))

    client: Any = Cloud(cloud.names, cloud.clock, cloud.environment).sns
    client.meta.events.register("before-send.sns", answer)
    with suppress(ClientError):
        client.publish(TopicArn=cloud.names.topic_arn("alerts"), Message="m")
    return len(requests)


def test_a_call_with_a_second_effect_is_repeated_after_a_refusal_alone(cloud: Cloud, pauses: list[float]) -> None:
    assert publish(cloud, 400, "Throttling", 2) == 3
    assert publish(cloud, 400, "Throttling", 99) == throttled_calls.TRIES
    assert publish(cloud, 500, "InternalError", 2) == 1


def test_a_call_whose_caller_waits_is_made_once(cloud: Cloud, pauses: list[float]) -> None:
    answers = Answers("TooManyRequestsException", 2)
    client: Any = Cloud(cloud.names, cloud.clock, cloud.environment).functions_once
    client.meta.events.register("before-send.lambda", answers)
    with pytest.raises(ClientError):
        client.invoke(FunctionName="f")
    assert answers.requests == 1


@pytest.mark.moto
def test_a_call_that_is_throttled_seven_times_is_done(cloud: Cloud, pauses: list[float]) -> None:
    answers = Answers("ThrottlingException", throttled_calls.TRIES - 1)
    assert read(cloud, answers)["Item"] == {}
    assert answers.requests == throttled_calls.TRIES
    assert all(pause <= throttled_calls.LONGEST_PAUSE for pause in pauses)


@pytest.mark.moto
def test_one_that_is_always_throttled_fails(cloud: Cloud, pauses: list[float]) -> None:
    answers = Answers("ProvisionedThroughputExceededException", 100)
    with pytest.raises(ClientError, match="ProvisionedThroughputExceeded"):
        read(cloud, answers)
    assert answers.requests == throttled_calls.TRIES
    assert len(pauses) == throttled_calls.TRIES - 1


@pytest.mark.parametrize(("code", "requests"), [("InternalServerError", 1), ("ValidationException", 1)])
@pytest.mark.moto
def test_other_errors_are_left_to_the_sdk(cloud: Cloud, pauses: list[float], code: str, requests: int) -> None:
    answers = Answers(code, 100)
    with pytest.raises(ClientError):
        read(cloud, answers)
    assert answers.requests == requests


@pytest.mark.parametrize("response", [None, (None, {}), (None, {"Error": {"Code": "Other"}})])
def test_a_call_without_a_refusal_is_not_repeated(response: Any) -> None:
    assert throttled_calls.repeat(response, 1) is None
