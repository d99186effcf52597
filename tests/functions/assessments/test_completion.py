"""Responses of chat completions in the forms that providers send."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.assessments import _completion
from functions.assessments._completion import NoCompletion
from functions.assessments._reply import of_text
from functions.assessments._token_usage import TokenUsage, token_usage

ANSWER = '{"scores": [1], "summary": "fine"}'


def whole(**choice: Any) -> str:
    return json.dumps({"choices": [{"finish_reason": "stop", **choice}]})


def stream(*data: Any) -> str:
    return "".join(f"data: {each if isinstance(each, str) else json.dumps(each)}\n\n" for each in data)


def delta(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields}]}


PARTS = [{"type": "text", "text": ANSWER[:9]}, {"type": "output_text", "text": ANSWER[9:]}]


@pytest.mark.parametrize(
    "response",
    [
        whole(message={"content": ANSWER}),
        "\ufeff\n" + whole(message={"content": ANSWER}),
        whole(message={"content": PARTS}),
        whole(message={"content": [{"type": "thinking", "text": "hm"}, *PARTS]}),
        whole(message={"content": [{"type": "text", "text": {"value": ANSWER, "annotations": []}}]}),
        whole(message={"content": [ANSWER[:3], ANSWER[3:]]}),
        whole(message={"content": ANSWER, "reasoning_content": '{"a": 1}', "reasoning": "x", "refusal": None}),
        whole(message={"content": None, "tool_calls": [{"function": {"name": "score", "arguments": ANSWER}}]}),
        whole(message={"content": "", "function_call": {"name": "score", "arguments": ANSWER}}),
        whole(text=ANSWER),
        json.dumps({"choices": [None, {"message": {"content": ANSWER}}], "error": None, "usage": None}),
        stream(delta(content=ANSWER[:5]), delta(content=ANSWER[5:]), "[DONE]"),
        stream(delta(content=ANSWER[:5]), "", delta(content=ANSWER[5:]), "[DONE]", "not JSON"),
        stream(delta(role="assistant", content=None), delta(content=ANSWER)),
        stream("ping", delta(content=ANSWER[:5]), "null", "[]", '"x"', delta(content=ANSWER[5:])),
        stream({"choices": None}, {"choices": [{"delta": None}]}, {}, delta(content=ANSWER), {"choices": []}),
        stream(delta(reasoning_content="thinking"), delta(content=PARTS)),
        stream(
            delta(tool_calls=[{"index": 0, "function": {"name": "score", "arguments": ANSWER[:8]}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": ANSWER[8:]}}]),
        ),
        stream(delta(content=ANSWER), {"choices": [{"index": 1, "delta": {"content": "another answer"}}]}),
        stream(json.dumps(delta(content=ANSWER)).replace(", ", ",\ndata: ", 1)),
    ],
)
def test_the_answer_is_found_in_each_form(response: str) -> None:
    assert _completion.read(response).text == ANSWER


def test_a_character_in_two_halves_is_joined() -> None:
    halves = stream(
        '{"choices": [{"delta": {"content": "\\ud83d"}}]}', '{"choices": [{"delta": {"content": "\\ude00"}}]}'
    )
    assert _completion.read(halves).text == "\U0001f600"


@pytest.mark.parametrize(
    "text",
    ["", "<html>", "data: <html>\n\n", "[1]", "{", "data: 7\n\n", "data: ping\n\ndata: {\n\n", "{" * 5000, ": x\n\n"],
)
def test_what_is_no_response_is_refused(text: str) -> None:
    with pytest.raises(NoCompletion):
        _completion.read(text)


@pytest.mark.parametrize(
    ("text", "reason", "refusal", "complete", "repeatable"),
    [
        (ANSWER, "stop", "", True, True),
        (ANSWER, "", "", True, True),
        (ANSWER, "length", "", True, True),
        (ANSWER, "tool_calls", "", True, True),
        (ANSWER[:20], "length", "", False, False),
        (ANSWER[:20], "MAX_TOKENS", "", False, False),
        ('{"scores": [{"a": 1}, {"b', "length", "", False, False),
        ('{"scores": [{"a": 1}, ', "length", "", False, False),
        ("", "length", "", False, False),
        ("<think>long thoughts {}", "length", "", False, False),
        ("", "content_filter", "", False, False),
        ("", "stop", "I cannot help with that.", False, False),
        ("I would rather not.", "stop", "", True, True),
    ],
)
def test_an_end_that_no_repetition_changes_is_named(
    text: str, reason: str, refusal: str, complete: bool, repeatable: bool
) -> None:
    reply = of_text(text, reason, TokenUsage(1, 1), refusal)
    assert (reply.whole, reply.unrepeatable == "") == (complete, repeatable)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5}, TokenUsage(10, 5)),
        ({"input_tokens": 10, "output_tokens": 5}, TokenUsage(10, 5)),
        ({"prompt_tokens": "10", "completion_tokens": 5.0}, TokenUsage(10, 5)),
        ({"prompt_tokens": -10, "completion_tokens": 5}, TokenUsage(25, 5, True)),
        ({"prompt_tokens": 10, "completion_tokens": -5}, TokenUsage(10, 10, True)),
        ({"prompt_tokens": 10**30, "completion_tokens": 10**9}, TokenUsage(25, 10, True)),
        ({"prompt_tokens": 10, "completion_tokens": 0}, TokenUsage(10, 10, True)),
        ({"prompt_tokens": True, "completion_tokens": float("nan")}, TokenUsage(25, 10, True)),
        ({}, TokenUsage(25, 10, True)),
        (None, TokenUsage(25, 10, True)),
        ([1], TokenUsage(25, 10, True)),
        ("many", TokenUsage(25, 10, True)),
    ],
)
def test_tokens_are_counted_or_estimated(usage: Any, expected: TokenUsage) -> None:
    assert token_usage(usage, "x" * 100, "y" * 40) == expected
