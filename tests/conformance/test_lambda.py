"""Lambda in memory invokes asynchronously, and records failures, as the local engine does.

moto runs functions in Docker, so that it takes no part. Its statements are those of the developer guide's "Capturing
records of Lambda asynchronous invocations" and of the API reference of Invoke.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Protocol

import pytest
from botocore.exceptions import ClientError

from local.engine.embedded import embedded
from local.scheduler import destinations
from proof.world.fault import CrashPoint, FaultKind
from proof.world.memory_lambda import MAX_ASYNC_PAYLOAD
from proof.world.world import World
from shared.aws.names import FIRINGS
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome
from shared.job.registry import jobs
from shared.run.context import RunContext
from tests.conftest import NOON
from tests.local.conftest import Account, eventually

SOURCE = """
    import os

    def handle(event, context):
        if event.get("id") == "dies":
            os.kill(os.getpid(), 9)
"""
SUCCEEDS, DIES = (
    {"firing": {"job": "job", "at": NOON.isoformat(), "manual": True, "id": name}} for name in ("succeeds", "dies")
)


class Trivial(Job):
    """Do nothing."""

    name = "job"
    idempotency = natural("it does nothing")

    def work(self, run: RunContext) -> Outcome:
        return Done()


class Backend(Protocol):
    """A function with a queue for records of its failures, and no retries."""

    def invoke(self, event: Any, **request: Any) -> dict[str, Any]: ...

    def stop(self) -> None:
        """Reserve a concurrency of 0."""

    def records(self, count: int) -> list[Any]:
        """Wait for so many records, and for the end of all invocations."""


class Memory:
    """The function of a job in memory."""

    def __init__(self) -> None:
        self.world = World({**jobs(), "job": Trivial()}, NOON, {})

    def invoke(self, event: Any, **request: Any) -> dict[str, Any]:
        if event == DIES:
            self.world.faults.append(("job", CrashPoint(1, FaultKind.DIES_BEFORE)))
        named = {"FunctionName": self.world.names.function("job"), "InvocationType": "Event", **request}
        return self.world.functions.call("Invoke", {"Payload": json.dumps(event), **named})

    def stop(self) -> None:
        request = {"FunctionName": self.world.names.function("job"), "ReservedConcurrentExecutions": 0}
        self.world.functions.call("PutFunctionConcurrency", request)

    def records(self, count: int) -> list[Any]:
        while self.world.functions.pending:
            self.world._run_async(self.world.functions.pending.popleft())
        queue = self.world.sqs.queues[self.world.names.queue(FIRINGS)]
        return [json.loads(message.body) for message in queue.messages.values()]


class OnEngine:
    """A function on the local engine, in a process of its own."""

    def __init__(self) -> None:
        engine = embedded()
        self.account = Account(engine, engine.account())
        self.failures = self.account.queue("failures")
        self.account.function(SOURCE.replace('event.get("id")', 'event["firing"]["id"]'))
        self.functions = self.account.client("lambda")
        destination = {"OnFailure": {"Destination": self.failures}}
        self.functions.put_function_event_invoke_config(
            FunctionName="job", MaximumRetryAttempts=0, DestinationConfig=destination
        )
        self.invocations = 0

    def invoke(self, event: Any, **request: Any) -> dict[str, Any]:
        named = {"FunctionName": "job", "InvocationType": "Event", **request}
        answer: dict[str, Any] = self.functions.invoke(Payload=json.dumps(event), **named)
        self.invocations += 1
        return answer

    def stop(self) -> None:
        self.functions.put_function_concurrency(FunctionName="job", ReservedConcurrentExecutions=0)

    def records(self, count: int) -> list[Any]:
        if not count:
            eventually(lambda: sum(line.startswith("REPORT") for line in self.account.log()) == self.invocations, 60)
        found = [json.loads(self.account.receive(self.failures, 20)["Body"]) for _ in range(count)]
        assert not self.account.waiting(self.failures)
        return found


@pytest.fixture(params=[Memory, OnEngine], ids=["memory", "engine"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Backend:
    monkeypatch.setattr(destinations, "THROTTLED_SECONDS", 0.05)
    made: Callable[[], Backend] = request.param
    return made()


def refusal(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(ClientError) as refused:
        call()
    response: Any = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_an_event_is_accepted_with_202(backend: Backend) -> None:
    assert backend.invoke(SUCCEEDS)["StatusCode"] == 202


def test_a_success_leaves_no_record(backend: Backend) -> None:
    backend.invoke(SUCCEEDS)
    assert backend.records(0) == []


def test_an_unknown_function_is_not_found(backend: Backend) -> None:
    invoke = backend.invoke
    assert refusal(lambda: invoke(SUCCEEDS, FunctionName="none")) == ("ResourceNotFoundException", 404)


def test_a_payload_has_at_most_1_mib(backend: Backend) -> None:
    large = {**SUCCEEDS, "rest": "x" * MAX_ASYNC_PAYLOAD}
    assert refusal(lambda: backend.invoke(large)) == ("RequestTooLargeException", 413)


def test_the_record_has_the_event_and_the_end_of_its_process(backend: Backend) -> None:
    backend.invoke(DIES)
    [record] = backend.records(1)
    request, arn = (record["requestContext"].pop(name) for name in ("requestId", "functionArn"))
    assert re.fullmatch(r"arn:aws:lambda:us-east-1:\d{12}:function:[\w-]*job:\$LATEST", arn)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("timestamp"))
    assert record == {
        "version": "1.0",
        "requestContext": {"condition": "RetriesExhausted", "approximateInvokeCount": 1},
        "requestPayload": DIES,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {
            "errorType": "Runtime.ExitError",
            "errorMessage": f"RequestId: {request} Error: Runtime exited with error: signal: killed",
        },
    }


def test_a_reserved_concurrency_of_0_drops_the_event_with_a_record(backend: Backend) -> None:
    backend.stop()
    backend.invoke(SUCCEEDS)
    [record] = backend.records(1)
    assert record["requestPayload"] == SUCCEEDS
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert "responsePayload" not in record
