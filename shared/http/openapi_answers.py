"""Answers of a route, as Powertools documents them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

JSON = "application/json"
# Without `content` Powertools documents the model for it; it is removed again.
NOT_MODIFIED: Mapping[str, Any] = {"description": "Not modified", "content": {}}


def answer(model: Any, status: int = 200, description: str = "OK") -> dict[int, Any]:
    """Document an answer in JSON."""
    return {status: {"description": description, "content": {JSON: {"model": model}}}}


def cached_answer(model: Any) -> dict[int, Any]:
    """Document the answers of a GET with an ETag."""
    return {**answer(model), 304: NOT_MODIFIED}
