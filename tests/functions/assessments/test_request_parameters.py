"""Parameters fit the model, and one that is refused by name is replaced or dropped once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.assessments._request_parameters import AUTO, accepted, parameters

OPENAI, OTHER = "https://api.openai.com/v1", "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("base", "model", "longest", "temperature"),
    [
        (OTHER, "llama3", "max_tokens", True),
        (OTHER, "gpt-4o", "max_tokens", True),
        (OPENAI, "gpt-4o", "max_completion_tokens", True),
        (OPENAI, "gpt-5-mini", "max_completion_tokens", False),
        (OTHER, "openai/gpt-5", "max_completion_tokens", False),
        ("https://x.openai.azure.com/openai/v1", "o3", "max_completion_tokens", False),
        (OTHER, "o4-mini", "max_completion_tokens", False),
        (OTHER, "qwen-o1x", "max_tokens", True),
        ("https://notopenai.com/v1", "m", "max_tokens", True),
    ],
)
def test_defaults_follow_service_and_model(base: str, model: str, longest: str, temperature: bool) -> None:
    sent = parameters(base, model, 100, AUTO, ())
    assert (sent[longest], "temperature" in sent) == (100, temperature)
    assert len({"max_tokens", "max_completion_tokens"} & sent.keys()) == 1


def test_settings_override_the_defaults() -> None:
    sent = parameters(OPENAI, "gpt-4o", 100, "max_tokens", ("stream", "temperature"))
    assert sent == {"max_tokens": 100, "response_format": {"type": "json_object"}}


REFUSALS: list[tuple[int, Any, str]] = [
    (
        400,
        {"error": {"code": "unsupported_parameter", "param": "max_tokens", "message": "Use 'max_completion_tokens'"}},
        "max_tokens",
    ),
    (
        400,
        {"error": {"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}},
        "max_tokens",
    ),
    (400, {"error": {"code": "unsupported_value", "param": "temperature"}}, "temperature"),
    (422, {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}, "stream_options"),
    (400, {"error": {"param": "response_format.type", "message": "json_object is not supported"}}, "response_format"),
    (400, {"object": "error", "message": "response_format is not supported by this model"}, "response_format"),
    (400, [{"error": {"message": 'Unknown name "stream_options": Cannot find field.'}}], "stream_options"),
    (400, {"error": "'stream' is not supported"}, "stream"),
    (400, "temperature must be 1", "temperature"),
]


@pytest.mark.parametrize(("status", "body", "name"), REFUSALS)
def test_a_refused_parameter_is_dropped_once(status: int, body: Any, name: str) -> None:
    sent, tried, text = (
        parameters(OTHER, "m", 100, AUTO, ()),
        set[str](),
        body if isinstance(body, str) else json.dumps(body),
    )
    other = accepted(sent, status, text, tried)
    assert other is not None
    assert name not in other
    assert tried == {name}
    assert ("max_completion_tokens" in other) == (name == "max_tokens")
    assert accepted({**other, name: 1}, status, text, tried) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, '{"error": {"param": "temperature"}}'),
        (401, '{"error": {"param": "temperature"}}'),
        (400, ""),
        (400, '{"error": {"message": "the model does not exist"}}'),
        (400, '{"error": {"param": "messages"}}'),
        (400, '{"error": {"code": "context_length_exceeded", "message": "reduce messages or max_tokens"}}'),
        (400, "x" * 10_000 + "temperature"),
    ],
)
def test_other_refusals_are_final(status: int, body: str) -> None:
    assert accepted(parameters(OTHER, "m", 100, AUTO, ()), status, body, set()) is None


def test_the_other_name_of_the_longest_answer_is_tried_once() -> None:
    sent, tried = parameters(OTHER, "m", 100, AUTO, ()), set[str]()
    for name, left in (("max_tokens", {"max_completion_tokens"}), ("max_completion_tokens", set[str]())):
        changed = accepted(sent, 400, json.dumps({"error": {"param": name}}), tried)
        assert changed is not None
        assert {"max_tokens", "max_completion_tokens"} & changed.keys() == left
        sent = changed
