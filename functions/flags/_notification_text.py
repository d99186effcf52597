"""Texts of notifications, for e-mail and webhooks."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

from shared import clock
from shared.clock import Clock
from shared.product.organization_notification import NotificationSubject, OrganizationNotification
from shared.text.printable import printable

# Default channels of each type of notification.
CHANNELS = {
    "threshold_warning": ["webhook"],
    "limit_exceeded": ["email", "webhook"],
    "feature_disabled": ["email", "webhook"],
    "evaluation_failed": ["email", "webhook"],
}
# Unknown fields that a mail shows, and characters of each.
MAX_SHOWN, LONGEST_SHOWN = 20, 200


def subject(notification: OrganizationNotification) -> str:
    data = notification.data
    match notification.type:
        case "threshold_warning" if data.percent:
            rest = f"{data.percent} % of the limit is used"
        case "threshold_warning":
            rest = "a notice about its use"
        case "limit_exceeded":
            rest = "the limit is exceeded"
        case "evaluation_failed":
            rest = "the evaluation has failed"
        case _:
            rest = "the feature was switched off"
    return f"{_name(data)}: {rest}"


def text(notification: OrganizationNotification) -> str:
    data = notification.data
    name = _name(data)
    match notification.type:
        case "threshold_warning" if data.percent:
            first = f"{name} has reached {data.percent} % of its limit."
        case "threshold_warning":
            first = f"This is about {name}."
        case "limit_exceeded":
            first = f"{name} has exceeded its limit."
        case "evaluation_failed":
            first = f"The evaluation of {name} has failed. It is not tried again."
        case _:
            first = f"{name} was switched off."
    return "\n".join([first, *_lines(data), "", "You get this because you administer the organization."])


def _name(data: NotificationSubject) -> str:
    return data.feature or "your organization"


def _lines(data: NotificationSubject) -> list[str]:
    period = f" in {data.period} (UTC)" if data.period else ""
    lines = ["", f"Used: {data.used:,} of {data.limit:,}{period}."] if data.limit else []
    lines += [f"Reason: {printable(data.reason)}"] if data.reason else []
    return [*lines, *(_line(name, value) for name, value in islice(data.extra.items(), MAX_SHOWN))]


def _line(name: str, value: Any) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{printable(name)[:LONGEST_SHOWN]}: {printable(shown)[:LONGEST_SHOWN]}"


def body(notification: OrganizationNotification, time: Clock) -> str:
    """Return the webhook body: type, timestamp and data, as Standard Webhooks recommends."""
    data = notification.data.model_dump(mode="json", by_alias=True, exclude_none=True)
    return json.dumps(
        {"type": notification.type, "timestamp": clock.iso(time.now()), "data": data}, separators=(",", ":")
    )
