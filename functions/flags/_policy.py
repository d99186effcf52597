"""Policy of limits: reached thresholds, and the messages for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from functions.flags import _periods
from functions.flags._messages import AutoAction
from shared.messages.payload import Payload
from shared.product.organization import Organization
from shared.product.organization_notification import NotificationSubject, OrganizationNotification

# Default policy: notify when a threshold is approached or exceeded (the latter by e-mail too), and disable the feature
# when the `disableAt` threshold of its limit is reached.
DEFAULT: Mapping[str, list[str]] = {"approach": ["notify"], "exceeded": ["notify"], "reached": ["disable"]}
FULL = 100


@dataclass(frozen=True, slots=True)
class Crossing:
    """A threshold that a counter has reached."""

    #: approach (below 100 percent), exceeded (100 percent or more) or reached (the threshold `disableAt`).
    kind: str
    feature: str
    period: str
    percent: int
    used: int
    limit: int

    @property
    def key(self) -> str:
        # With the limit: each limit is reached on its own.
        return f"{self.period}#{self.feature}#{self.percent}#{self.kind}#{self.limit}"


def crossings(organization: Organization, counters: Mapping[str, int], notified: set[str]) -> Iterator[Crossing]:
    """Yield thresholds that were reached and have not been notified of."""
    for name, used in counters.items():
        period, _, feature = name.partition("#")
        limit = organization.limits.get(feature, {})
        if limit.get("period") != _periods.kind_of(period):
            continue
        for crossing in _reached(organization, feature, limit, period, used):
            if crossing.key not in notified:
                yield crossing


def _reached(
    organization: Organization, feature: str, limit: Mapping[str, Any], period: str, used: int
) -> Iterator[Crossing]:
    amount: int = limit["amount"]
    thresholds = [
        ("exceeded" if percent >= FULL else "approach", percent) for percent in sorted(organization.thresholds)
    ]
    if "disableAt" in limit:
        thresholds.append(("reached", limit["disableAt"]))
    for kind, percent in thresholds:
        # In whole numbers: floats are inexact for amounts of 10**14.
        if used * FULL >= amount * percent:
            yield Crossing(kind, feature, period, percent, used, amount)


def consequences(organization: Organization, crossing: Crossing) -> Iterator[Payload]:
    """Yield the messages that the organization's policy, or the default, prescribes."""
    for action in organization.policy.get(crossing.kind, DEFAULT[crossing.kind]):
        if action == "disable":
            yield AutoAction(
                organization_id=organization.id,
                action="disable_feature",
                target_id=crossing.feature,
                reason=f"{crossing.percent} % of {crossing.limit} in {crossing.period} reached",
            )
        elif action == "notify":
            yield OrganizationNotification(
                organization_id=organization.id,
                type="threshold_warning" if crossing.percent < FULL else "limit_exceeded",
                data=NotificationSubject(
                    feature=crossing.feature,
                    period=crossing.period,
                    percent=crossing.percent,
                    used=crossing.used,
                    limit=crossing.limit,
                ),
            )
