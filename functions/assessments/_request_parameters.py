"""Optional parameters of a chat completion, and refusals of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from shared.text.untrusted_json import InvalidJson, parse_json

MAX_TOKENS, MAX_COMPLETION_TOKENS, AUTO = "max_tokens", "max_completion_tokens", "auto"
OPTIONAL = ("temperature", "response_format", "stream_options", "stream")
# Models that accept neither max_tokens nor a temperature: https://platform.openai.com/docs/guides/reasoning
REASONING = re.compile(r"(?:^|[/:.])(?:o[1-9]|gpt-(?:[5-9]|[1-9][0-9]))(?![0-9])")
# Services whose models all accept max_completion_tokens, where max_tokens is deprecated.
OF_OPENAI = ("openai.com", "openai.azure.com")
REJECTED = (400, 422)
# Characters of an error that are searched.
SEARCHED = 4096
# Refusals after which another set of parameters cannot help.
HOPELESS = ("context_length_exceeded", "string_above_max_length", "model_not_found", "invalid_api_key")


def parameters(base: str, model: str, limit: int, name: str, omitted: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of a request that the model accepts.

    name: the parameter for the longest answer, or `auto`. omitted: parameters that are not sent.
    """
    host, reasons = urlsplit(base).hostname or "", REASONING.search(model) is not None
    openai = any(host == each or host.endswith(f".{each}") for each in OF_OPENAI)
    if name == AUTO:
        name = MAX_COMPLETION_TOKENS if openai or reasons else MAX_TOKENS
    sent = {
        "temperature": 0,
        name: limit,
        "stream": True,
        "stream_options": {"include_usage": True},
        "response_format": {"type": "json_object"},
    }
    if reasons:
        del sent["temperature"]
    for each in omitted:
        sent = without(sent, each)
    return sent


def without(sent: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the parameters without one and its dependents."""
    dropped = {name, "stream_options"} if name == "stream" else {name}
    return {each: value for each, value in sent.items() if each not in dropped}


def accepted(sent: Mapping[str, Any], status: int, body: str, tried: set[str]) -> dict[str, Any] | None:
    """Return other parameters after a rejection that names one of those sent.

    None if it names none, or names one a second time. tried: names of rejected parameters, which are added to.
    """
    name = _named(sent, body) if status in REJECTED else ""
    if not name or name in tried:
        return None
    tried.add(name)
    other = {MAX_TOKENS: MAX_COMPLETION_TOKENS, MAX_COMPLETION_TOKENS: MAX_TOKENS}.get(name)
    if other and other not in tried:
        return {**without(sent, name), other: sent[name]}
    return without(sent, name)


def _named(sent: Mapping[str, Any], body: str) -> str:
    """Return the sent parameter that an error names, or ""."""
    error = _error(body)
    if any(word in json.dumps(error)[:SEARCHED] for word in HOPELESS):
        return ""
    named = error.get("param") if isinstance(error, Mapping) else None
    if isinstance(named, str):
        root = re.split(r"[.\[]", named)[0]
        if root in sent:
            return root
    # Their first mention: an error may advise another one.
    text = body[:SEARCHED]
    found = [(match.start(), name) for name in sent if (match := re.search(_mention(name), text))]
    return min(found)[1] if found else ""


def _mention(name: str) -> str:
    # `stream` is an everyday word, unless it is quoted.
    return rf"['\"`]{name}['\"`]" if name == "stream" else rf"(?<![A-Za-z0-9_]){name}(?![A-Za-z0-9_])"


def _error(body: str) -> Any:
    try:
        data = parse_json(body)
    except InvalidJson:
        return {}
    if isinstance(data, list) and data:
        data = data[0]
    error = data.get("error", data) if isinstance(data, Mapping) else {}
    return error if isinstance(error, Mapping) else {"message": error}
