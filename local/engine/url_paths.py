"""Function URLs deliver path and query unchanged, as on AWS.

ministack decodes them: `..%2F` becomes `../`. https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

from __future__ import annotations

from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

from local.engine import emulator

_target: ContextVar[tuple[str, str]] = ContextVar("target")


def remember(scope: MutableMapping[str, Any]) -> None:
    """Keep the request's own path and query while it is served."""
    _target.set((scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")))


def install() -> None:
    functions = emulator.service("lambda_svc")
    build = functions._build_function_url_event

    def event(url_id: str, *arguments: Any, **more: Any) -> Any:
        built = build(url_id, *arguments, **more)
        path, query = _target.get()
        path = path.removeprefix(f"/_aws/lambda-url/{url_id}") or "/"
        built["rawPath"] = built["requestContext"]["http"]["path"] = path
        built["rawQueryString"] = query
        return built

    functions._build_function_url_event = event
