"""Texts of notifications, for e-mail and webhooks."""

from __future__ import annotations

import json

from functions.flags._messages import Notification, NotificationSubject
from shared import clock
from shared.clock import Clock

# Default channels of each type of notification.
CHANNELS = {
    "threshold_warning": ["webhook"],
    "limit_exceeded": ["email", "webhook"],
    "feature_disabled": ["email", "webhook"],
}


def subject(notification: Notification) -> str:
    match notification.type:
        case "threshold_warning" if notification.data.percent:
            return f"{notification.data.feature}: {notification.data.percent} % of the limit is used"
        case "threshold_warning":
            return f"{notification.data.feature}: a notice about its use"
        case "limit_exceeded":
            return f"{notification.data.feature}: the limit is exceeded"
    return f"{notification.data.feature}: the feature was switched off"


def text(notification: Notification) -> str:
    data = notification.data
    match notification.type:
        case "threshold_warning" if data.percent:
            first = f"{data.feature} has reached {data.percent} % of its limit."
        case "threshold_warning":
            first = f"This is about {data.feature}."
        case "limit_exceeded":
            first = f"{data.feature} has exceeded its limit."
        case _:
            first = f"{data.feature} was switched off."
    return "\n".join([first, *_lines(data), "", "You get this because you administer the organization."])


def _lines(data: NotificationSubject) -> list[str]:
    lines = ["", f"Used: {data.used:,} of {data.limit:,} in {data.period} (UTC)."] if data.limit else []
    return [*lines, *([f"Reason: {data.reason}"] if data.reason else [])]


def body(notification: Notification, time: Clock) -> str:
    """Return the webhook body: type, timestamp and data, as Standard Webhooks recommends."""
    data = notification.data.model_dump(mode="json", by_alias=True)
    return json.dumps(
        {"type": notification.type, "timestamp": clock.iso(time.now()), "data": data}, separators=(",", ":")
    )
