"""Pydantic models of the console's API.

They validate requests, check answers and make the OpenAPI document.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from shared.http.cursor import MAX_CURSOR

MAX_TEXT = 200
PAGE, MAX_PAGE = 50, 100
DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
IDEMPOTENCY_KEY = r"^[\x21-\x7e]{1,255}$"

JobId = Annotated[str, Path(description="As GET /jobs lists it, escaped or not: @kb-labs/plugin-template:hello-cron")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Cursor = Annotated[str | None, Query(max_length=MAX_CURSOR, description="`next` of the page before, as it came")]
Day = Annotated[
    str | None,
    Query(pattern=DAY, description="yyyy-mm-dd, of the last 30 days; by default that of the cursor, or today"),
]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match", description="An ETag; 304 where nothing changed")]
IdempotencyKey = Annotated[str | None, Header(pattern=IDEMPOTENCY_KEY, description="The same key starts one run")]


def is_none(value: Any) -> bool:
    return value is None


class Model(BaseModel):
    """A JSON object with exactly these fields, in camel case."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, validate_by_name=True, strict=True)


class Empty(Model):
    """A request without fields."""


class Operator(Model):
    """The operator of an action, and the reason."""

    who: str = Field(default="the API", max_length=MAX_TEXT, pattern=r"\S")
    reason: str = Field(default="by a request that gave no reason", max_length=MAX_TEXT, pattern=r"\S")


class JobSummary(Model):
    id: str
    name: str
    schedule: str | None
    #: `running`, `paused`, or the verdict.
    status: str
    #: The last run's outcome, or `bad` for one that is done and found something bad; `never` before the first.
    verdict: str
    last_run: str | None
    next_run: str | None
    run_count: int


class JobPage(Model):
    jobs: list[JobSummary]
    #: The cursor of the next page; null on the last one.
    next: str | None


class Stats(Model):
    jobs: int
    statuses: dict[str, int]
    #: Jobs by the verdict of their last run, those that run or are paused included.
    verdicts: dict[str, int]
    groups: dict[str, int]
    runs: int


class Run(Model):
    """A row of the run history, without fields that have no value."""

    run: str
    target: str | None = Field(default=None, exclude_if=is_none)
    tick: str | None = Field(default=None, exclude_if=is_none)
    attempt: int | None = Field(default=None, exclude_if=is_none)
    outcome: str | None = Field(default=None, exclude_if=is_none)
    #: The outcome, or `bad` for a run that is done and found something bad.
    verdict: str | None = Field(default=None, exclude_if=is_none)
    ok: bool | None = Field(default=None, exclude_if=is_none)
    started: str | None = Field(default=None, exclude_if=is_none)
    ms: int | None = Field(default=None, exclude_if=is_none)
    note: str | None = Field(default=None, exclude_if=is_none)
    counts: dict[str, Any] | None = Field(default=None, exclude_if=is_none)
    artifact: str | None = Field(default=None, exclude_if=is_none)
    duplicates: int | None = Field(default=None, exclude_if=is_none)


class RunPage(Model):
    day: date
    runs: list[Run]
    #: The cursor of the next page; null on the last one.
    next: str | None


class ActionDone(Model):
    ok: bool
    message: str
    #: Id of the request that started a run.
    request: str | None = Field(default=None, exclude_if=is_none)
