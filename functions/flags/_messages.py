"""Payloads of the flagship queues."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from functions.flags._periods import SKEW
from shared.job.outcome import Rejected
from shared.messages.payload import Id, Part, Payload, Timestamp
from shared.product.organization_notification import digest

AUDIT = "flagship:audit"
USAGE = "flagship:usage"
AUTO_ACTIONS = "flagship:auto-actions"
MAX_EVENTS = 1000

Text = Annotated[str, Field(max_length=512)]


class TimestampAhead(Rejected):
    """A timestamp is further ahead than the tolerated clock skew."""


def require_not_ahead(at: datetime, now: datetime, field: str) -> None:
    """Check the timestamp of a field. Raises TimestampAhead."""
    if at > now + SKEW:
        raise TimestampAhead(
            f"{field} is {(at - now).total_seconds():.0f} s in the future; {SKEW.seconds} s are tolerated"
        )


class AuditEvent(Part):
    """An entry of an organization's audit trail."""

    #: The same each time the event is sent.
    id: Id
    organization_id: Id = Field(validation_alias=AliasChoices("organizationId", "orgId"))
    at: Timestamp
    #: The id of the user who acted.
    actor: Id
    action: Annotated[str, Field(min_length=1, max_length=128)]
    target: Text = ""
    reason: Text = ""


class Audited(Payload, type="audit-event", organization_in="event"):
    """A message with one audit event."""

    event: AuditEvent


class UsageEvent(Part):
    """One use of a feature."""

    feature: Id
    #: Used units.
    amount: Annotated[int, Field(ge=0, le=10**12)]
    at: Timestamp


class UsageIngestion(Payload):
    """A batch of usage, which is counted once by its id."""

    batch_id: Id
    events: Annotated[tuple[UsageEvent, ...], Field(min_length=1, max_length=MAX_EVENTS)]


class AutoAction(Payload):
    """An action that enforces a limit."""

    action: Literal["disable_feature", "block_api_key", "send_notification"]
    #: The id of the feature or API key.
    target_id: Id
    reason: Annotated[str, Field(min_length=1, max_length=512)]

    @property
    def key(self) -> str:
        return digest(self.organization_id, self.action, self.target_id, self.reason)
