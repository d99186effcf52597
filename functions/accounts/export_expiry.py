from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from shared.archetypes.purge import Purge
from shared.job import days, hourly, natural, tables


class ExportExpiry(Purge):
    """Delete expired exports and their archives."""

    schedule = hourly(minute=53)
    table = tables.EXPORTS
    keep = days(0)
    objects: ClassVar[Mapping[str, str]] = {"archive": tables.EXPORTED}
    idempotency = natural("a deleted export is not found again, and its archive is deleted before it")
