"""What travels in the flagship queues; catalogue, section 4."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AliasChoices, AwareDatetime, Field

from shared.job.outcome import Rejected
from shared.messages.payload import Id, Part, Payload

AUDIT = "flagship:audit"
USAGE = "flagship:usage"
NOTIFICATIONS = "flagship:notifications"
AUTO_ACTIONS = "flagship:auto-actions"
# How far a sender's clock may be ahead of ours.
SKEW = timedelta(minutes=5)
MOST_EVENTS = 1000

Feature = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]
Text = Annotated[str, Field(max_length=512)]


class InstantAhead(Rejected):
    """An instant that lies further ahead than two clocks may be apart."""


def not_ahead(at: datetime, now: datetime, what: str) -> None:
    """Raises InstantAhead."""
    if at > now + SKEW:
        raise InstantAhead(f"{what} lies {(at - now).total_seconds():.0f} s ahead; {SKEW.seconds} s are tolerated")


class AuditEvent(Part):
    """id: of the event, the same each time it is sent. actor: the id of who did it."""

    id: Id
    organization_id: Id = Field(validation_alias=AliasChoices("organizationId", "orgId"))
    at: AwareDatetime
    actor: Id
    action: Annotated[str, Field(min_length=1, max_length=128)]
    target: Text = ""
    reason: Text = ""


class Audited(Payload, type="audit-event", organization_in="event"):
    event: AuditEvent


class UsageEvent(Part):
    """amount: units of the feature that were used."""

    feature: Feature
    amount: Annotated[int, Field(ge=0, le=10**12)]
    at: AwareDatetime


class UsageIngestion(Payload):
    batch_id: Id
    events: Annotated[tuple[UsageEvent, ...], Field(min_length=1, max_length=MOST_EVENTS)]


class Notice(Part):
    """What a notification tells of. period: `2026-11`, `2026-11-22` or `2026-11-22T05`. percent: of the limit."""

    feature: Feature
    period: Annotated[str, Field(max_length=16)] = ""
    percent: Annotated[int, Field(ge=0)] = 0
    used: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=0)] = 0
    reason: Text = ""


class Notification(Payload):
    type: Literal["threshold_warning", "limit_exceeded", "feature_disabled"]
    data: Notice

    @property
    def key(self) -> str:
        """The same for the same news, whoever tells it: not for how much was used when it was told."""
        told = [self.type, self.data.feature, self.data.period, self.data.percent, self.data.reason]
        return digest(self.organization_id, *map(str, told))


class AutoAction(Payload):
    """target_id: of the feature or of the API key; for send_notification the feature that it is about."""

    action: Literal["disable_feature", "block_api_key", "send_notification"]
    target_id: Id
    reason: Annotated[str, Field(min_length=1, max_length=512)]

    @property
    def key(self) -> str:
        return digest(self.organization_id, self.action, self.target_id, self.reason)


def digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
