"""Responses of chat completions: text, end and tokens of an answer.

Providers differ: content is text or a list of parts, an answer may be the arguments of a tool call, and choices, deltas
and usage may be null.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from functions.assessments._event_stream import events
from shared.text.untrusted_json import InvalidJson, parse_json

DONE = "[DONE]"
# Parts of a message that are no answer.
THOUGHTS = ("thinking", "reasoning", "reasoning_content", "redacted_thinking", "thought")
# Ends after which the same request has the same end.
CUT = frozenset(("length", "max_tokens", "max_output_tokens", "max_completion_tokens", "model_length", "token_limit"))
FILTERED = frozenset(
    ("content_filter", "content_filtered", "safety", "refusal", "recitation", "guardrail_intervened", "blocklist")
)


class NoCompletion(ValueError):
    """The response has not the form of chat completions."""


@dataclass(slots=True)
class Completion:
    """A response, or as much of it as has arrived."""

    content: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    #: Arguments of tool calls by index.
    arguments: dict[int, list[str]] = field(default_factory=dict)
    #: Why the answer ended, in lower case; empty if the provider gave no reason.
    reason: str = ""
    #: Whether the end of the stream was marked.
    ended: bool = False
    usage: Any = None
    #: The error that the response contains, if any.
    error: Any = None

    @property
    def text(self) -> str:
        """The answer; without content the arguments of its first tool call."""
        text = "".join(self.content)
        if not text.strip() and self.arguments:
            text = "".join(self.arguments[min(self.arguments)])
        # The halves of a character may arrive in two events.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def add(self, event: Any) -> None:
        """Add a response, or an event of a streamed one. Raises NoCompletion."""
        if not isinstance(event, Mapping):
            raise NoCompletion("no object")
        self.error = event.get("error") or self.error
        self.usage = event.get("usage") or self.usage
        for choice in _mappings(event.get("choices")):
            # Another answer to the same question would be mixed with the first one.
            if choice.get("index") in (None, 0):
                self._add_choice(choice)

    def _add_choice(self, choice: Mapping[str, Any]) -> None:
        message = choice.get("delta") or choice.get("message")
        if isinstance(message, Mapping):
            self.content += _texts(message.get("content"))
            if isinstance(message.get("refusal"), str):
                self.refusal.append(message["refusal"])
            calls = [*_mappings(message.get("tool_calls"))]
            for number, call in enumerate(calls):
                self._add_arguments(call.get("index", number), call.get("function"))
            self._add_arguments(0, message.get("function_call"))
        elif isinstance(choice.get("text"), str):
            self.content.append(choice["text"])
        if isinstance(choice.get("finish_reason"), str):
            self.reason = choice["finish_reason"].strip().lower()

    def _add_arguments(self, number: Any, function: Any) -> None:
        if isinstance(function, Mapping) and isinstance(function.get("arguments"), str):
            self.arguments.setdefault(number if type(number) is int else 0, []).append(function["arguments"])


def read(text: str) -> Completion:
    """Parse a response, streamed or not. Raises NoCompletion."""
    completion = Completion()
    # By the text: some providers send one form with the content type of the other.
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        completion.add(_json(text.removeprefix("\ufeff")))
        completion.ended = True
        return completion
    added = False
    for data in events([text]):
        if data.strip() == DONE:
            completion.ended = True
            return completion
        # A sign of life, such as `ping` or `null`, takes nothing from an answer that was paid for.
        if data.lstrip().startswith("{"):
            completion.add(_json(data))
            added = True
    if not added:
        raise NoCompletion("no event that is an object")
    return completion


def _json(text: str) -> Any:
    try:
        return parse_json(text)
    except InvalidJson as error:
        reason = str(error)
    try:
        # An answer that was paid for is not refused for half a character or a repeated key.
        return json.JSONDecoder().decode(text)
    except (ValueError, RecursionError):
        raise NoCompletion(reason) from None


def _mappings(values: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(values, Iterable) and not isinstance(values, str | Mapping):
        yield from (value for value in values if isinstance(value, Mapping))


def _texts(content: Any) -> Iterator[str]:
    """Yield the texts of a message's content."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        if content.get("type") not in THOUGHTS:
            text = content.get("text")
            # A text with annotations has its value one level deeper.
            yield from _texts(text.get("value") if isinstance(text, Mapping) else text)
    elif isinstance(content, list):
        for part in content:
            yield from _texts(part)
