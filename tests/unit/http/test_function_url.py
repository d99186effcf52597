"""Resolver of Function URLs: its differences from Powertools' resolver, and the behaviour it relies on."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any

import pytest
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from pydantic import BaseModel

from shared.http.function_url import MAX_BODY_CHARACTERS, FunctionUrlResolver, json_response
from tests.support.function_url import Context, url_event


class Item(BaseModel):
    name: str


APP = FunctionUrlResolver(
    lambda problem: json_response(problem.kind.status, {"error": problem.detail}), not_found="no such path"
)


@APP.post("/items")
def create(item: Annotated[Item | None, Body()] = None) -> dict[str, Any]:
    return {"name": item and item.name}


@APP.get("/items/<key>")
def show(key: str, count: Annotated[int, Query(ge=1)] = 1) -> dict[str, Any]:
    if key == "gone":
        raise NotFoundError
    return {"key": key, "count": count}


@APP.get("/broken")
def broken() -> Item:
    return {"name": 1}  # type: ignore[return-value]


@APP.get("/cached")
def cached() -> Response[Any]:
    return Response(200, "text/plain", "x", {"cache-control": "private"})


def ask(event: dict[str, Any]) -> tuple[int, Any]:
    answer = APP.resolve(event, Context())
    assert answer["headers"]["cache-control"] == "no-store"
    return answer["statusCode"], json.loads(answer["body"])


def post(body: str, **more: Any) -> tuple[int, Any]:
    return ask({**url_event("/items", "POST", body=body), **more})


def encoded(raw: bytes) -> tuple[int, Any]:
    return post(base64.b64encode(raw).decode(), isBase64Encoded=True)


def test_a_body_is_validated_and_may_be_absent() -> None:
    assert post('{"name": "a"}') == (200, {"name": "a"})
    assert ask(url_event("/items", "POST")) == (200, {"name": None})
    assert post('{"name": 7}') == (400, {"error": "body.name: Input should be a valid string"})


def test_a_body_may_come_as_base64() -> None:
    assert encoded(b'{"name": "a"}') == (200, {"name": "a"})


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"])
def test_a_body_is_json_whatever_its_content_type(kind: str) -> None:
    event = url_event("/items", "POST", {"Content-Type": kind}, body='{"name": "a"}')
    assert ask(event) == (200, {"name": "a"})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "the body is not JSON"),
        ("[" * MAX_BODY_CHARACTERS, "the body is nested more than 64 levels deep"),
        ('{"name": "a", "name": "b"}', "the body has the key 'name' twice"),
        ('{"name": "\\ud800"}', "the body has half of a surrogate pair"),
        ('{"name": ' + "9" * 5000 + "}", "the body has a number of more than"),
        ('{"name": NaN}', "the body has NaN"),
    ],
)
def test_json_that_is_not_acceptable_is_invalid_with_its_reason(body: str, said: str) -> None:
    status, answer = post(body)
    assert status == 400
    assert answer["error"].startswith(said)


@pytest.mark.parametrize("body", ["7", '"text"', '[{"name": "a"}]'])
def test_a_body_that_is_no_json_object_is_invalid(body: str) -> None:
    assert post(body) == (400, {"error": "the body is not a JSON object"})


def test_a_body_that_is_no_text_is_invalid() -> None:
    assert encoded(b"\xff\xfe") == (400, {"error": "the body is not a JSON object"})
    assert post("a", isBase64Encoded=True)[0] == 400


def test_a_body_has_a_limit() -> None:
    assert post(" " * (MAX_BODY_CHARACTERS + 1))[0] == 413


@pytest.mark.parametrize(
    ("path", "key"), [("/items/a%2Fb", "a%2Fb"), ("/items/..", ".."), ("/items/@a:b", "@a:b"), ("/items/a b", "a b")]
)
def test_a_path_parameter_is_one_segment_and_is_not_decoded(path: str, key: str) -> None:
    assert ask(url_event(path))[1]["key"] == key


@pytest.mark.parametrize(
    "path", ["", "/", "/items/", "/items/a/b", "//items/a", "/items/a\n", "/items\n", "/items/gone"]
)
def test_a_path_without_a_route_is_not_found(path: str) -> None:
    assert ask(url_event(path)) == (404, {"error": "no such path"})


@pytest.mark.parametrize("method", ["DELETE", "HEAD", "OPTIONS", "PUT", "BREW"])
def test_a_method_without_a_route_is_not_allowed_and_cors_is_not_answered(method: str) -> None:
    event = url_event("/items", method, {"Origin": "https://other.example"})
    answer = APP.resolve(event, Context())
    assert (answer["statusCode"], json.loads(answer["body"])) == (405, {"error": "use POST"})
    assert answer["headers"]["allow"] == "POST"
    assert not [name for name in answer["headers"] if name.lower().startswith("access-control")]


def test_an_invalid_parameter_is_named_without_its_value() -> None:
    status, body = ask(url_event("/items/a", query={"count": "opensesame"}))
    assert status == 400
    assert body["error"].startswith("query.count: ")
    assert "opensesame" not in body["error"]


def test_a_repeated_parameter_is_no_single_value() -> None:
    event = {**url_event("/items/a", query={"count": "1,2"}), "rawQueryString": "count=1&count=2"}
    assert ask(event)[0] == 400


def test_an_answer_that_does_not_fit_its_model_is_an_error_of_the_function() -> None:
    with pytest.raises(RequestValidationError):
        ask(url_event("/broken"))


def test_a_route_may_declare_its_own_caching() -> None:
    answer = APP.resolve(url_event("/cached"), Context())
    assert answer["headers"]["cache-control"] == "private"


def test_debug_mode_stays_off_in_powertools_development_mode(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would print each event, the token included."""
    monkeypatch.setenv("POWERTOOLS_DEV", "true")
    app = FunctionUrlResolver(
        lambda problem: json_response(problem.kind.status, {"error": problem.detail}), not_found="none"
    )
    app.resolve(url_event("/", headers={"x-internal-health": "opensesame"}), Context())
    assert "opensesame" not in capsys.readouterr().out
