"""Payload of the queue `flagship:notifications`: a notification of an organization."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from shared.messages.payload import ID, Id, Part, Payload
from shared.text.whole_number import is_whole_number

NOTIFICATIONS = "flagship:notifications"
LONGEST_REASON = 512
# Bytes of the fields that this product does not know.
MAX_EXTRA = 16 * 1024
# Digits of the largest count.
MAX_DIGITS = 18
PERIOD = re.compile(r"[0-9T-]{1,16}")

Count = Annotated[int, Field(ge=0)]


def _identifier(value: Any) -> str | None:
    return value if isinstance(value, str) and ID.fullmatch(value) else None


def _period(value: Any) -> str | None:
    return value if isinstance(value, str) and PERIOD.fullmatch(value) else None


def _count(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and len(value) <= MAX_DIGITS and is_whole_number(value):
        value = int(value)
    return value if type(value) is int and 0 <= value < 10**MAX_DIGITS else None


def _reason(value: Any) -> str | None:
    return value[:LONGEST_REASON] if isinstance(value, str) else None


KNOWN: Mapping[str, Callable[[Any], Any]] = {
    "feature": _identifier,
    "period": _period,
    "percent": _count,
    "used": _count,
    "limit": _count,
    "reason": _reason,
}


class NotificationSubject(Part):
    """The subject of a notification: any JSON object.

    A known field with a value of another form is left out. Unknown fields are shown to administrators as text, and sent
    to receivers as they came.
    """

    model_config = ConfigDict(extra="allow")

    #: Id of the feature, the flag or the assessment.
    feature: Id | None = None
    #: `2026-11`, `2026-11-22` or `2026-11-22T05`.
    period: str = ""
    #: Of the limit.
    percent: Count = 0
    used: Count = 0
    limit: Count = 0
    reason: str = ""

    @model_validator(mode="before")
    @classmethod
    def _read_leniently(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        known = {name: valid for name, read in KNOWN.items() if (valid := read(data.get(name))) is not None}
        extra = {name: value for name, value in data.items() if name not in KNOWN}
        if len(json.dumps(extra, default=str).encode()) > MAX_EXTRA:
            raise ValueError(f"has more than {MAX_EXTRA} bytes of fields besides {', '.join(KNOWN)}")
        return known | extra

    @property
    def extra(self) -> dict[str, Any]:
        """Fields that this product does not know, as they came."""
        return self.model_extra or {}


class OrganizationNotification(Payload, type="notification"):
    """A notification of an organization's administrators and receivers."""

    type: Literal["threshold_warning", "limit_exceeded", "feature_disabled", "evaluation_failed"]
    data: NotificationSubject

    @property
    def key(self) -> str:
        """Equal for notifications of the same event, also with another usage."""
        data = self.data
        parts = [self.type, data.feature or "", data.period, data.percent, data.limit, data.reason]
        if data.extra:
            parts.append(json.dumps(data.extra, sort_keys=True))
        return digest(self.organization_id, *map(str, parts))


def digest(*parts: str) -> str:
    """Return a short hash of texts."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
