"""Lambda in memory: asynchronous invocations, and records of those that failed."""

from __future__ import annotations

import json
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proof.world.aws_errors import client_error
from proof.world.memory_deployment import MemoryDeployment
from shared import clock

if TYPE_CHECKING:
    from proof.world.world import World

MAX_ASYNC_PAYLOAD = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PendingInvocation:
    """An event in Lambda's internal queue."""

    job: str
    event: Any
    request_id: str


class MemoryLambda:
    """The functions of a deployment.

    An event waits in `pending` until the world runs it.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.pending: deque[PendingInvocation] = deque()
        #: Jobs whose function has a reserved concurrency of 0: Lambda drops their events.
        self.stopped: set[str] = set()

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Perform an operation, such as `Invoke`. Raises ClientError."""
        handler: Callable[[str, Mapping[str, Any]], dict[str, Any]] | None = getattr(self, f"_{operation}", None)
        if operation == "ListFunctions":
            return MemoryDeployment().call(operation, request)
        if handler is None:
            raise NotImplementedError(f"Lambda in memory does not have {operation}")
        job = request["FunctionName"].removeprefix(self.world.names.function(""))
        if job not in self.world.jobs:
            raise client_error(operation, "ResourceNotFoundException", f"Function not found: {job}", 404)
        return handler(job, request)

    def enqueue(self, job: str, event: Any) -> None:
        """Accept an event for asynchronous invocation."""
        self.pending.append(PendingInvocation(job, event, str(uuid.uuid4())))

    def _Invoke(self, job: str, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802 - AWS's names
        if request.get("InvocationType") != "Event":
            raise NotImplementedError("Lambda in memory has asynchronous invocations only")
        if len(request["Payload"]) > MAX_ASYNC_PAYLOAD:
            raise client_error("Invoke", "RequestTooLargeException", "an event has at most 1 MiB", 413)
        self.enqueue(job, json.loads(request["Payload"]))
        return {"StatusCode": 202}

    def _PutFunctionConcurrency(self, job: str, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        if request["ReservedConcurrentExecutions"] != 0:
            raise NotImplementedError("Lambda in memory has no limit of concurrency but 0")
        self.stopped.add(job)
        return {"ReservedConcurrentExecutions": 0}

    def _DeleteFunctionConcurrency(self, job: str, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.stopped.discard(job)
        return {}

    def _GetFunctionConfiguration(self, job: str, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"FunctionName": self.world.names.function(job), "Environment": {"Variables": self.world.environment}}


def failure_record(world: World, invocation: PendingInvocation, error_type: str, message: str) -> dict[str, Any]:
    """The record that Lambda sends to the on-failure destination.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    return {
        **_record(world, invocation, "RetriesExhausted", 1),
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorType": error_type, "errorMessage": message},
    }


def dropped_record(world: World, invocation: PendingInvocation) -> dict[str, Any]:
    """The record of an event that no function has received."""
    return _record(world, invocation, "EventAgeExceeded", 0)


def _record(world: World, invocation: PendingInvocation, condition: str, attempts: int) -> dict[str, Any]:
    return {
        "version": "1.0",
        "timestamp": clock.iso(world.clock.now()),
        "requestContext": {
            "requestId": invocation.request_id,
            "functionArn": world.names.arn("lambda", f"function:{world.names.function(invocation.job)}:$LATEST"),
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "requestPayload": invocation.event,
    }
