from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from shared.archetypes.purge import Purge
from shared.job import days, hourly, natural, tables


class ExportExpiry(Purge):
    """Delete archives of exports whose time is over, and what is known of them."""

    schedule = hourly(minute=53)
    table = tables.EXPORTS
    keep = days(0)
    objects: ClassVar[Mapping[str, str]] = {"archive": tables.EXPORTED}
    idempotency = natural("an export once deleted is not found again; its archive goes before it")
