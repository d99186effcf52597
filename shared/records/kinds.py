"""Every kind of record, by the name of its table."""

from __future__ import annotations

from shared.records.accounts import (
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
from shared.records.mail import Cycle, FailedEmail, Hold, Message, Quarantined, Rollup, Snapshot
from shared.records.outgoing import Delivery, Notification, Webhook
from shared.records.record import Record

_ACCOUNTS = (User, Alias, Destination, Domain, AuditEntry, MagicLink, Verification, Session, Export, Deletion)
_MAIL = (Message, Snapshot, FailedEmail, Hold, Quarantined, Rollup, Cycle)
_OUTGOING = (Webhook, Delivery, Notification)

KINDS: dict[str, type[Record]] = {kind.table.name: kind for kind in (*_ACCOUNTS, *_MAIL, *_OUTGOING)}
