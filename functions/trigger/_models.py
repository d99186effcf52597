"""Pydantic models of break-glass: request, answers."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

TARGET = r"^[A-Za-z0-9._:-]{1,255}$"


def _without_default(schema: dict[str, Any]) -> None:
    # The default, no target, does not match the pattern of a given one.
    schema.pop("default", None)


class RunRequest(BaseModel):
    """The body of a request; it may be absent."""

    model_config = ConfigDict(extra="forbid")

    #: The target to run for; a job without targets takes none. Not null: a caller without a value must not run all.
    target: str = Field(default="", pattern=TARGET, json_schema_extra=_without_default)


class TriggeredRun(BaseModel):
    """A run that was started by hand.

    Fields without a value are absent.
    """

    model_config = ConfigDict(extra="forbid")

    job: str
    run_id: str = Field(description="Empty until the run has begun")
    request: str
    outcome: str = Field(description="How it ended; `queued` or `running` before")
    verdict: str = Field(default="", description="The outcome, or `bad` for a run that is done and found something bad")
    ok: bool = True
    ms: int = 0
    note: str = ""


class Status(BaseModel):
    """Status of a job or target.

    Fields without a value are absent; docs/reference/status.md describes them.
    """

    model_config = ConfigDict(extra="allow")

    state: str
    outcome: str = ""
    verdict: str = Field(default="", description="The outcome, or `bad` for a run that is done and found something bad")
    ok: bool = True
    at: str = ""
    ms: int = 0
    note: str = ""
    step: str = ""
    progress: int = 0
    startedAt: str = ""  # noqa: N815 - names of the document
    completedAt: str = ""  # noqa: N815
    failedAt: str = ""  # noqa: N815
    runId: str = ""  # noqa: N815
    error: str = ""
    statusCode: int | None = None  # noqa: N815
    streak: int = 0
    firstError: str = ""  # noqa: N815
    failingSince: str = ""  # noqa: N815
    lastGood: str = ""  # noqa: N815
    paused: str = ""
    pausedUntil: str = ""  # noqa: N815
    pauses: dict[str, str] = Field(default_factory=dict)
