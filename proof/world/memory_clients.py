"""Clients with boto3's methods whose calls go to services in memory."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError
from botocore.hooks import HierarchicalEmitter

from proof.world.aws_errors import ModelledExceptions, error_class

if TYPE_CHECKING:
    from proof.world.memory_cloud import MemoryCloud

WORD = re.compile(r"(?:^|_)([a-z0-9])")


class Service(Protocol):
    """A service in memory."""

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]: ...


class MemoryClient:
    """A client of one service for the process of a cloud.

    attempts: tries of the SDK for a call in all, as the client of `shared/aws/cloud.py` has.
    """

    exceptions = ModelledExceptions()

    def __init__(self, cloud: MemoryCloud, service: str, backend: Service, attempts: int) -> None:
        self._cloud = cloud
        self._service = service
        self._backend = backend
        self._attempts = attempts
        self.meta = SimpleNamespace(events=HierarchicalEmitter())

    def __getattr__(self, method: str) -> Callable[..., dict[str, Any]]:
        if method.startswith("_"):
            raise AttributeError(method)
        operation = operation_name(method)
        model = SimpleNamespace(name=operation)
        event = f"before-parameter-build.{self._service}.{operation}"

        def call(**request: Any) -> dict[str, Any]:
            self.meta.events.emit(event, params=request, model=model)
            if operation == "TransactWriteItems":
                # As botocore does: its own repetitions of the call are answered as the first one was.
                request.setdefault("ClientRequestToken", str(uuid.uuid4()))
            perform = partial(self._perform, operation, request)
            response: dict[str, Any] = self._cloud.process.call(f"{self._service}:{operation}", perform, self._attempts)
            return response

        # The next access finds it as an attribute.
        self.__dict__[method] = call
        return call

    def _perform(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self._backend.call(operation, request)
        except ClientError as error:
            # As the class that `client.exceptions` has for the code.
            raise error_class(error.response["Error"]["Code"])(error.response, operation) from None

    def get_paginator(self, method: str) -> SimpleNamespace:
        """Paginator of `query`, `scan`, or of a list."""
        token, start = {
            "query": ("LastEvaluatedKey", "ExclusiveStartKey"),
            "scan": ("LastEvaluatedKey", "ExclusiveStartKey"),
            "list_objects_v2": ("NextContinuationToken", "ContinuationToken"),
            "describe_stacks": ("NextToken", "NextToken"),
            "list_stack_resources": ("NextToken", "NextToken"),
            "list_functions": ("NextMarker", "Marker"),
            "list_rules": ("NextToken", "NextToken"),
            "list_schedules": ("NextToken", "NextToken"),
        }[method]

        def paginate(**request: Any) -> Iterator[dict[str, Any]]:
            while True:
                page = getattr(self, method)(**request)
                yield page
                if not page.get(token):
                    return
                request = {**request, start: page[token]}

        return SimpleNamespace(paginate=paginate)


@cache
def operation_name(method: str) -> str:
    """The operation of a client's method: `put_item` -> `PutItem`."""
    if method == "list_objects_v2":
        return "ListObjectsV2"
    return WORD.sub(lambda match: match[1].upper(), method)
