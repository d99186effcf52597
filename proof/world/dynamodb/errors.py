"""Errors as DynamoDB returns them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError


class Refused(Exception):
    """A request that DynamoDB answers with an error.

    members: what the error has besides its code and message, such as `Item` or `CancellationReasons`.
    """

    def __init__(self, code: str, message: str, members: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.members = members or {}

    def client_error(self, operation: str) -> ClientError:
        response: Any = {
            "Error": {"Code": self.code, "Message": self.message},
            "ResponseMetadata": {"HTTPStatusCode": 400, "HTTPHeaders": {}, "RetryAttempts": 0},
            **self.members,
        }
        return ClientError(response, operation)


def invalid(message: str) -> Refused:
    """ValidationException: the request is malformed, or its values are."""
    return Refused("ValidationException", message)


def invalid_parameter(message: str) -> Refused:
    return invalid(f"One or more parameter values were invalid: {message}")


def unimplemented(what: str) -> NotImplementedError:
    """A form of DynamoDB's interface that no job uses yet."""
    return NotImplementedError(
        f"{what} is not implemented in proof/world/dynamodb; add it there, with a conformance test"
    )
