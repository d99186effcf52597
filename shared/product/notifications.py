"""Telling users by e-mail: a row for each message, create-once, which notification-delivery sends."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.aws.permissions import Grant
from shared.store import put_if_absent

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# What a job that tells users declares.
GRANTS = (Grant(("dynamodb:PutItem",), "table/notifications"),)
# Of a row's id.
LONGEST = 256


def row_id(id: str) -> str:  # noqa: A002 - the key's own name
    """The notification's own id: what it is about may have one that is as long as any."""
    if len(id) <= LONGEST:
        return id
    digest = hashlib.sha256(id.encode()).hexdigest()
    return f"{id[: LONGEST - len(digest) - 1]}-{digest}"


def notification(
    cloud: Cloud,
    user: str,
    id: str,  # noqa: A002 - the key's own name
    template: str,
    persona: str,
    data: Mapping[str, str | int],
    about: str = "",
    *,
    mail: bool = True,
) -> Any:
    """Have a user told, once for this id, by what put_if_absent writes: whoever says it again tells nobody.

    id: `<job>-<thing>`, from what it is about, and not from the instant. template: one of functions/mail/letters.
    persona: whom it is from. data: what the template is filled with. about: the row that it is about. mail: whether it
    goes out by e-mail, or is only there to be read. Raises pydantic's ValidationError for what is no row.
    """
    # Few runs have something to tell; the others do not pay for its import.
    from shared.product.records.outgoing import Notification, SendState

    now = cloud.clock.now()
    made = Notification(
        user=user,
        id=row_id(id),
        template=template,
        persona=persona,
        data=dict(data),
        about=about,
        created_at=now,
        state=SendState.QUEUED if mail else SendState.SHOWN,
        next_attempt_at=now if mail else None,
    )
    return put_if_absent.put_arguments(cloud, made)
