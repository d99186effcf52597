"""Retention settings of a purge, and the cutoff of due rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shared.job import settings
from shared.job.setting import Setting, SettingError
from shared.store import watermark

if TYPE_CHECKING:
    from shared.archetypes.purge.definition import PurgeDefinition
    from shared.run.context import RunContext

# Cutoff while the watermark that a purge waits for does not exist: no row is due.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def all_settings(job: type[PurgeDefinition]) -> Iterator[Setting]:
    # A purge that keeps with another one shares that one's setting, so both declare the same text.
    first = job.keeps_with or job
    yield settings.span(f"{first.env}_KEEP", first.keep, f"Age at which {first.name} deletes a row")
    for kind, keep in job.kinds.items():
        yield settings.span(_setting_name(job, kind), keep, f"Age at which {job.name} deletes a row of kind {kind}")
    yield settings.count(f"{job.env}_MOST_ROWS", job.most, f"Rows that {job.name} may delete per tick unapproved")


def cutoff(job: type[PurgeDefinition], run: RunContext, kind: str = "") -> datetime:
    """Rows of this age or older are due.

    Raises SettingError if the retention leaves no time for the warning.
    """
    name = _setting_name(job, kind)
    keep: timedelta = run.setting(name)
    if job.warn is not None and keep <= job.warn:
        raise SettingError(f"{name}={keep} leaves no time to warn {job.warn} before; make it longer")
    passed = watermark.closed(run.cloud, job.behind) if job.behind else run.at
    return min(run.at - keep - job.longer, passed or NEVER)


def _setting_name(job: type[PurgeDefinition], kind: str) -> str:
    return f"{job.env}_KEEP_{kind.upper()}" if kind else f"{(job.keeps_with or job).env}_KEEP"
