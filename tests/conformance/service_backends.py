"""S3 and SQS three times: in memory, in moto, in the local engine; each with empty resources."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError

from local.engine.embedded import embedded

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
# Backends that are held to the one in memory.
OTHERS = ("moto", "engine")
_numbers = itertools.count()

Answer = dict[str, Any]
# A request, or a function that makes it from the answers so far.
Request = Mapping[str, Any] | Callable[[list[Answer]], Mapping[str, Any]]
Call = tuple[str, Request]


class Backend(Protocol):
    """A service with resources that no other case uses."""

    def call(self, operation: str, request: Mapping[str, Any]) -> Answer: ...

    def wait(self, seconds: float) -> None: ...


class RemoteBackend:
    """A client of boto3. `own` adds the names of the case's resources to each request."""

    def __init__(self, client: Any, own: Callable[[str, Mapping[str, Any]], Mapping[str, Any]]) -> None:
        self.client = client
        self.own = own

    def call(self, operation: str, request: Mapping[str, Any]) -> Answer:
        method = getattr(self.client, xform_name(operation))
        answer: Answer = method(**self.own(operation, request))
        return answer

    def wait(self, seconds: float) -> None:
        """Let real time pass, with a margin for timers of whole seconds."""
        import time

        time.sleep(seconds + 0.2)


class VirtualTime:
    """Clock of a service in memory."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def wait(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds + 0.2)


def unique(name: str) -> str:
    return f"{name}-{next(_numbers)}"


def remote_clients(service: str) -> Iterator[dict[str, Any]]:
    """A client of moto and one of the engine while the block lasts."""
    import boto3
    from moto import mock_aws

    engine = embedded()
    at_engine = engine.client(service, engine.account())
    with mock_aws():
        session: Any = boto3.Session("testing", "testing", region_name="us-east-1")
        yield {"moto": session.client(service), "engine": at_engine}


def outcomes(backend: Backend, calls: tuple[Call, ...], shown: Callable[[str, Answer], Answer]) -> list[Answer]:
    """Answers of calls, as `shown` reduces them; `Wait` lets time pass."""
    answers: list[Answer] = []
    found: list[Answer] = []
    for operation, request in calls:
        made = request(answers) if callable(request) else request
        if operation == "Wait":
            backend.wait(made["Seconds"])
            answer: Answer = {}
        else:
            answer = outcome(backend, operation, made)
        answers.append(answer)
        found.append(answer if "error" in answer or "raised" in answer else shown(operation, answer))
    return found


def outcome(backend: Backend, operation: str, request: Mapping[str, Any]) -> Answer:
    try:
        return backend.call(operation, request)
    except ParamValidationError as error:
        pytest.fail(f"{operation} {request}: {error}")
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return {"error": error.response["Error"]["Code"], "status": status}
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # moto fails with any of them.
        return {"raised": type(error).__name__}
