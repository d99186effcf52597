"""Limits of features: which percents of them were reached, and what is done about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from functions.flags import _periods
from functions.flags._messages import AutoAction, Notice, Notification
from shared.messages.payload import Payload
from shared.product.organization import Organization

# What is done where an organization says nothing else: told of an approach and of a limit that is exceeded (the latter
# by e-mail), and the flag is off once the threshold that its limit names is reached.
DEFAULT: Mapping[str, list[str]] = {"approach": ["notify"], "exceeded": ["notify"], "reached": ["disable"]}
FULL = 100


@dataclass(frozen=True, slots=True)
class Crossing:
    """kind: approach (a threshold below 100 percent), exceeded (one from there), reached (the one that ends it)."""

    kind: str
    feature: str
    period: str
    percent: int
    used: int
    limit: int

    @property
    def key(self) -> str:
        return f"{self.period}#{self.feature}#{self.percent}#{self.kind}"


def crossings(organization: Organization, counters: Mapping[str, int], told: set[str]) -> Iterator[Crossing]:
    """Thresholds that were reached and not told of yet."""
    for name, used in counters.items():
        period, _, feature = name.partition("#")
        limit = organization.limits.get(feature, {})
        if limit.get("period") != _periods.kind_of(period) or int(limit["amount"]) < 1:
            continue
        for crossing in _reached(organization, feature, limit, period, used):
            if crossing.key not in told:
                yield crossing


def _reached(
    organization: Organization, feature: str, limit: Mapping[str, Any], period: str, used: int
) -> Iterator[Crossing]:
    most = int(limit["amount"])
    wanted = [("exceeded" if percent >= FULL else "approach", percent) for percent in sorted(organization.thresholds)]
    if "disableAt" in limit:
        wanted.append(("reached", int(limit["disableAt"])))
    for kind, percent in wanted:
        # In whole numbers: a float of 10**14 percents would be a guess.
        if used * FULL >= most * percent:
            yield Crossing(kind, feature, period, percent, used, most)


def consequences(organization: Organization, crossing: Crossing) -> Iterator[Payload]:
    """The messages that the organization's policy, or the default, has sent for it."""
    told = f"{crossing.percent} % of {crossing.limit} in {crossing.period}"
    for what in organization.policy.get(crossing.kind, DEFAULT[crossing.kind]):
        if what == "disable":
            yield AutoAction(
                organization_id=organization.id,
                action="disable_feature",
                target_id=crossing.feature,
                reason=f"{told} reached",
            )
        elif what == "notify":
            yield Notification(
                organization_id=organization.id,
                type="threshold_warning" if crossing.percent < FULL else "limit_exceeded",
                data=Notice(
                    feature=crossing.feature,
                    period=crossing.period,
                    percent=crossing.percent,
                    used=crossing.used,
                    limit=crossing.limit,
                ),
            )
