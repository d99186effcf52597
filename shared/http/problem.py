"""Refusals of an HTTP API as problem details, RFC 9457.

A problem's type is a URN: no host is certain to serve a page about it. docs/reference/http-api.md lists all types.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.exceptions import ServiceError

MEDIA_TYPE = "application/problem+json"
URN = "urn:nightshift:problem:"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A kind of refusal."""

    #: Last part of the URN.
    name: str
    status: int
    title: str
    #: What the client can do.
    action: str

    @property
    def urn(self) -> str:
        return f"{URN}{self.name}"


class ProblemDetails(TypedDict):
    """The body of a refusal."""

    type: str
    title: str
    status: int
    detail: str
    action: str
    #: The same as `detail`, for clients from before problem details.
    error: str


class Problem(ServiceError):
    """A request that is refused.

    members: further members of the answer.
    """

    def __init__(self, kind: ProblemType, detail: str, members: Mapping[str, Any] | None = None) -> None:
        super().__init__(kind.status, detail)
        self.kind = kind
        self.detail = detail
        self.members = dict(members or {})

    def body(self) -> dict[str, Any]:
        details = ProblemDetails(
            type=self.kind.urn,
            title=self.kind.title,
            status=self.kind.status,
            detail=self.detail,
            action=self.kind.action,
            error=self.detail,
        )
        return {**details, **self.members}

    def response(self) -> Response[Any]:
        return Response(self.kind.status, MEDIA_TYPE, json.dumps(self.body()))


FORBIDDEN = ProblemType(
    "forbidden",
    403,
    "The token is missing or wrong",
    "Send the token as the header X-Internal-Health.",
)
INVALID_REQUEST = ProblemType(
    "invalid-request",
    400,
    "The request is invalid",
    "Correct the field that `detail` names; the OpenAPI document describes each field.",
)
INVALID_CURSOR = ProblemType(
    "invalid-cursor",
    400,
    "The cursor is not one of this listing",
    "Send `next` of the page before, with the same path and day, or no cursor for the first page.",
)
UNKNOWN_PATH = ProblemType(
    "unknown-path", 404, "The path does not exist", "Use a path of GET /openapi.json of the function `console`."
)
METHOD_NOT_ALLOWED = ProblemType(
    "method-not-allowed", 405, "The path has other methods", "Use a method of the header Allow."
)
BODY_TOO_LARGE = ProblemType("body-too-large", 413, "The body is too large", "Send a body of at most 16 KiB.")
#: Given by any route that has a body or parameters.
OF_INPUT = (INVALID_REQUEST, BODY_TOO_LARGE)
