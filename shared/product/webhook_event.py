"""Events for an organization's receivers: what `webhooks:deliver` carries, one message for each receiver."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.messages.payload import Id, Payload

DELIVER = "webhooks:deliver"


class WebhookDelivery(Payload):
    """event_id: the same for the same event; with the receiver's it is the idempotency key of every attempt.

    body: JSON, as it is signed and sent.
    """

    receiver_id: Id
    event_id: Id
    event: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]
    body: Annotated[str, Field(min_length=2, max_length=256 * 1024)]
