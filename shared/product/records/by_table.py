"""All kinds of records, by the name of their table."""

from __future__ import annotations

from shared.product.records.accounts import (
    Alias,
    AuditEntry,
    Deletion,
    Destination,
    Domain,
    Export,
    MagicLink,
    Session,
    User,
    Verification,
)
from shared.product.records.mail import Cycle, FailedEmail, Hold, MessageMetadata, Quarantined, Rollup, Snapshot
from shared.product.records.outgoing import Delivery, Notification, Webhook
from shared.store.record import Record

_ACCOUNTS = (User, Alias, Destination, Domain, AuditEntry, MagicLink, Verification, Session, Export, Deletion)
_MAIL = (MessageMetadata, Snapshot, FailedEmail, Hold, Quarantined, Rollup, Cycle)
_OUTGOING = (Webhook, Delivery, Notification)

KINDS: dict[str, type[Record]] = {kind.table.name: kind for kind in (*_ACCOUNTS, *_MAIL, *_OUTGOING)}
