"""Notify users: one row for each notification, created once.

Notification-delivery sends it by e-mail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.aws.permissions import Grant
from shared.store import put_if_absent

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Declared by every job that notifies users.
GRANTS = (Grant(("dynamodb:PutItem",), "table/notifications"),)
LONGEST_ID = 256


def row_id(id: str) -> str:  # noqa: A002 - the key's own name
    """The id of a notification's row.

    A long id is shortened and ends in its hash.
    """
    if len(id) <= LONGEST_ID:
        return id
    digest = hashlib.sha256(id.encode()).hexdigest()
    return f"{id[: LONGEST_ID - len(digest) - 1]}-{digest}"


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
    """Build the put of one notification, for `put_if_absent`.

    Raises pydantic's ValidationError for invalid values.

    id: `<job>-<subject>`, not derived from the time: a second notification with the same id is not created. template:
    the name of a file in functions/mail/templates. persona: the sender. data: values of the template. about: the row
    that it concerns. mail: False for a notification that is only displayed.
    """
    # Imported lazily: few runs notify anyone.
    from shared.product.records.outgoing import Notification, SendState

    now = cloud.clock.now()
    row = Notification(
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
    return put_if_absent.put_arguments(row)
