"""Pydantic models of the product's rows that the console serves."""

from __future__ import annotations

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import Field

from functions.console._models import Model, is_none
from shared.messages.payload import ID

PATTERN = f"^{ID.pattern}$"

OrganizationId = Annotated[str, Path(pattern=PATTERN, description="Id of an organization")]
AssessmentId = Annotated[str, Path(pattern=PATTERN, description="Id of an assessment")]
Month = Annotated[
    str | None, Query(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", description="yyyy-mm; the current month by default")
]


class FeatureSum(Model):
    """Units of a feature in a month, and its largest day."""

    total: int
    peak: int
    peak_day: str


class UsageSums(Model):
    """Sums of the ended days of a month."""

    organization: str
    month: str
    #: When the sums were computed; null without usage.
    as_of: str | None
    features: dict[str, FeatureSum]
    days: dict[str, dict[str, int]]


class AssessmentState(Model):
    """The state of an assessment."""

    id: str
    status: Literal["PROCESSING", "COMPLETED", "FAILED"] | None
    step: str | None = Field(default=None, exclude_if=is_none)
    progress: int | None = Field(default=None, exclude_if=is_none)
    started_at: str | None = Field(default=None, exclude_if=is_none)
    completed_at: str | None = Field(default=None, exclude_if=is_none)
    failed_at: str | None = Field(default=None, exclude_if=is_none)
    error: str | None = Field(default=None, exclude_if=is_none)
    score: float | None = Field(default=None, exclude_if=is_none)
