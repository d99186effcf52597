"""How long a purge keeps rows: its settings, and the instant up to which rows are due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shared.job import settings
from shared.job.settings import Setting, SettingError
from shared.store import watermark

if TYPE_CHECKING:
    from shared.archetypes.purge import Purge
    from shared.run.context import RunContext

# Where a watermark never was, nothing is old enough.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def all_settings(job: type[Purge]) -> Iterator[Setting]:
    # Of the one that it keeps with: the very same setting, meaning and all.
    first = job.keeps_with or job
    yield settings.span(f"{first.env}_KEEP", first.keep, f"How old a row must be for {first.name} to delete it")
    for kind, keep in job.kinds.items():
        yield settings.span(_name(job, kind), keep, f"How old a row of the kind {kind} must be for that")
    yield settings.count(f"{job.env}_MOST_ROWS", job.most, f"The most rows {job.name} deletes at a tick unasked")


def cutoff(job: type[Purge], run: RunContext, kind: str = "") -> datetime:
    """Rows of that instant and before are due. Raises SettingError where nobody could be warned in time."""
    name = _name(job, kind)
    keep: timedelta = run.setting(name)
    if job.warn is not None and keep <= job.warn:
        raise SettingError(f"{name}={keep} leaves no time to warn {job.warn} before; keep for longer")
    passed = watermark.closed(run.cloud, job.behind) if job.behind else run.at
    return min(run.at - keep - job.longer, passed or NEVER)


def _name(job: type[Purge], kind: str) -> str:
    return f"{job.env}_KEEP_{kind.upper()}" if kind else f"{(job.keeps_with or job).env}_KEEP"
