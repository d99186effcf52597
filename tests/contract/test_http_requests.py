"""Requests that schemathesis makes of the OpenAPI document: no answer is a fault, each is as documented."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.errors import SchemathesisError
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shared.http import openapi
from shared.job import registry
from tests.support.console_browser import HOST
from tests.support.http_functions import HttpFunctions, http_functions

DOCUMENT = openapi.of(registry.endpoints())
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Deterministic and short.
SETTINGS = settings(
    max_examples=6,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
OPERATIONS = [(path, method) for path, item in DOCUMENT["paths"].items() for method in item if method != "servers"]
# What `requests` takes to prepare a request.
REQUEST = ("method", "url", "headers", "params", "data", "json", "files", "cookies")


@pytest.fixture(scope="module")
def functions() -> Iterator[HttpFunctions]:
    with http_functions() as made:
        yield made


def answered(functions: HttpFunctions, function: str, request: requests.PreparedRequest) -> Response:
    body = request.body.encode() if isinstance(request.body, str) else request.body or b""
    assert isinstance(body, bytes)
    headers = {name: str(value) for name, value in request.headers.items()}
    answer = functions.call(function, request.method or "", request.url or "", headers, body)
    text = answer.get("body") or ""
    return Response(
        status_code=answer["statusCode"],
        headers={name: [value] for name, value in answer["headers"].items()},
        content=base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode(),
        request=request,
        elapsed=0.0,
        verify=True,
    )


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_an_answer_is_as_documented(path: str, method: str, mode: str, functions: HttpFunctions) -> None:
    operation = SCHEMA[path][method.upper()]
    function = DOCUMENT["paths"][path][method]["tags"][0]

    @SETTINGS
    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    def ask(case: Any) -> None:
        arguments = case.as_transport_kwargs(base_url=f"https://{HOST}")
        request = requests.Request(**{name: arguments[name] for name in REQUEST if name in arguments}).prepare()
        case.validate_response(answered(functions, function, request), checks=CHECKS)

    try:
        ask()
    except (SchemathesisError, Unsatisfiable):
        # An operation without input has no invalid one.
        if mode == "positive":
            raise
