"""Pydantic models of the answers, for the OpenAPI document."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Drained(BaseModel):
    """A queue that was drained."""

    model_config = ConfigDict(extra="forbid")

    queue: str
    outcome: Literal["done"]
    taken: int
    done: int
    limit: int
