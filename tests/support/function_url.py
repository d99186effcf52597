"""Events of a Function URL, as AWS sends them: payload format 2.0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from shared.http.problem import URN

TOKEN = {"X-Internal-Health": "open sesame"}


@dataclass
class Context:
    """The part of Lambda's context that our functions read."""

    aws_request_id: str = "request-1"


def url_event(
    path: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    body: str | None = None,
    domain: str = "own.example",
) -> dict[str, Any]:
    """Build an event. Without a query or a body AWS leaves their fields out."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": dict(headers or {}),
        "requestContext": {
            "stage": "$default",
            "domainName": domain,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
        },
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = dict(query)
    if body is not None:
        event["body"] = body
    return event


def refused(answer: tuple[Any, ...]) -> tuple[int, str, str]:
    """Status, type and detail of an answer that is a problem document, RFC 9457."""
    status, body = answer[0], answer[1]
    assert body["status"] == status
    assert body["title"]
    assert body["action"]
    assert body["error"] == body["detail"]
    return status, body["type"].removeprefix(URN), body["detail"]
