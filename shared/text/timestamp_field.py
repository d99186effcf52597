"""Field type of timestamps in payloads and records."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from shared import clock
from shared.text.timestamp import EXAMPLE, in_range, parse_timestamp


def _timestamp(value: Any) -> datetime:
    if isinstance(value, str):
        utc = parse_timestamp(value)
    elif isinstance(value, datetime):
        utc = in_range(value)
    else:
        raise ValueError(f"is not a timestamp; write it as {EXAMPLE} (RFC 3339)")
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


# RFC 3339 text or an aware datetime; to the millisecond, as `clock.iso` writes it.
Timestamp = Annotated[datetime, BeforeValidator(_timestamp), PlainSerializer(clock.iso, when_used="json")]
