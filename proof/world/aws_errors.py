"""Errors of AWS calls as botocore raises them."""

from __future__ import annotations

from functools import cache
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError


@cache
def error_class(code: str) -> type[ClientError]:
    """The class of an error code, the same one for each call."""
    return type(code, (ClientError,), {})


def client_error(operation: str, code: str, message: str, status: int = 400, **response: Any) -> ClientError:
    """Error response of a service."""
    answer = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 0},
        **response,
    }
    return error_class(code)(answer, operation)  # type: ignore[arg-type]


def no_answer() -> ConnectionClosedError:
    """No answer arrived: the request may have been performed."""
    return ConnectionClosedError(endpoint_url="https://aws.invalid")


class ModelledExceptions:
    """`client.exceptions`: a class for each error code."""

    ClientError = ClientError

    def __getattr__(self, code: str) -> type[Any]:
        if code.startswith("_"):
            raise AttributeError(code)
        return error_class(code)
