"""Payload of the queue `webhooks:deliver`.

One event for one receiver of an organization.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.messages.payload import Id, Payload

DELIVER = "webhooks:deliver"


class WebhookDelivery(Payload):
    """One delivery of an event to a receiver."""

    receiver_id: Id
    #: The same for the same event; with the receiver's id it is the idempotency key of every attempt.
    event_id: Id
    event: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]
    #: JSON, as it is signed and sent.
    body: Annotated[str, Field(min_length=2, max_length=256 * 1024)]
