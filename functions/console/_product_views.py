"""Read the product's rows for the console: sums of usage, assessments."""

from __future__ import annotations

from typing import Any

from functions.console._problems import NO_ASSESSMENT
from functions.console._product_models import AssessmentState, FeatureSum, UsageSums
from shared.aws.cloud import Cloud
from shared.http.problem import Problem
from shared.messages.tenant import Tenant
from shared.product import usage_sums
from shared.store import table
from shared.store.keys import RowKey
from shared.tables import ASSESSMENTS

# Attributes of an assessment that are shown as they are stored.
SHOWN = ("step", "progress", "started_at", "completed_at", "failed_at", "error")


def usage(cloud: Cloud, organization: str, month: str | None) -> UsageSums:
    """Read the sums of a month (default: the current one)."""
    month = month or f"{cloud.clock.now():%Y-%m}"
    sums = usage_sums.read(cloud, Tenant(organization), month)
    return UsageSums(
        organization=organization,
        month=month,
        as_of=sums.get("as_of"),
        features={feature: FeatureSum(**sum_) for feature, sum_ in sorted(sums.get("features", {}).items())},
        days=dict(sorted(sums.get("days", {}).items())),
    )


def assessment(cloud: Cloud, organization: str, assessment_id: str) -> AssessmentState:
    """Read an assessment. Raises NotFoundError."""
    row: dict[str, Any] = table.get(cloud, ASSESSMENTS, RowKey(organization, assessment_id))
    if not row:
        raise Problem(NO_ASSESSMENT, "no such assessment")
    shown = {name: row[name] for name in SHOWN if name in row}
    if "score" in row:
        shown["score"] = float(row["score"])
    return AssessmentState(id=assessment_id, status=row["state"].upper() if "state" in row else None, **shown)
