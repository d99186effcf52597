"""State of an alias: whether it forwards mail at a time.

Readers ask here: the daily job alias-expiration sets `active` up to a day after an alias has expired.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared import clock


def reason_not_forwarding(alias: Mapping[str, Any], at: datetime) -> str:
    """Return why the alias does not forward; empty if it does.

    An alias that expires exactly at that time still forwards. A row that is empty is a missing alias.
    """
    if not alias or not alias.get("active", True):
        return "its alias is not active any more"
    expires_at = alias.get("expires_at")
    if expires_at and clock.parse(expires_at) < at:
        return f"its alias expired at {expires_at}"
    return ""
