"""DynamoDB tables with their keys and indexes.

The template and the queries are derived from them.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

# Attribute with the time of a row's deletion by DynamoDB, in epoch seconds.
TTL = "expires"


@dataclass(frozen=True, slots=True)
class Index:
    """Global secondary index; it contains only rows that have its keys.

    The sort key of an index by age is the timestamp from which a row ages, as `clock.iso` writes it.
    """

    name: str
    pk: str
    sk: str
    #: Attributes that are projected besides the keys.
    include: tuple[str, ...] = ()
    #: Whether all attributes are projected.
    whole: bool = False
    #: Partitions over which rows of one kind are spread; each takes 1,000 writes a second.
    shards: int = 1

    def partition(self, key: str, kind: str = "") -> str:
        """Partition of a key: `07`, or `critical#07` for a kind.

        It depends on nothing else.
        """
        return _partition(zlib.crc32(key.encode()) % self.shards, kind)

    def partitions(self, kind: str = "") -> tuple[str, ...]:
        """All partitions of a kind, in order."""
        return tuple(_partition(number, kind) for number in range(self.shards))


def _partition(number: int, kind: str) -> str:
    return f"{kind}#{number:02d}" if kind else f"{number:02d}"


@dataclass(frozen=True, slots=True)
class Table:
    """Table with on-demand capacity and point-in-time recovery.

    Keys are strings, `expires` is the TTL.
    """

    name: str
    purpose: str
    indexes: tuple[Index, ...] = ()
    pk: str = "pk"
    sk: str = "sk"
    #: Whether partition keys begin with the id of an organization, which bounds what a tenant's batch may touch.
    by_tenant: bool = False


# Only rows of runs that were not good, and of dead letters, have these keys: see shared/store/failure_index.py. With
# whole rows, since the projection of an index cannot be changed.
FAILURES = Index("failures", "bad_day", "bad_at", whole=True, shards=4)
OF_TENANT = Index("tenant", "bad_tenant", "bad_at", whole=True)
FAILURE_KEYS = (FAILURES.pk, OF_TENANT.pk, FAILURES.sk)
STATE = Table(
    "state",
    "leases, ticks, checkpoints, status, history, manual requests, dead letters",
    indexes=(FAILURES, OF_TENANT),
)

WEBEVALS = Table(
    "webevals",
    "web evaluations: queued, claimed by a run, done",
    indexes=(
        # Only waiting rows have `queue` (the host) and `due`, so the index contains the backlog alone.
        Index("queued", "queue", "due", ("url", "attempt")),
        # Only rows whose last attempt is in no artifact yet have `unreported` (the host).
        Index("unreported", "unreported", "ended", ("report",)),
    ),
)


# The mail-alias product. A user's rows share a partition, the user's id: an export or a deletion is one query of each
# table. The index `aged` contains rows that may be purged, `due` rows that wait for their time. Fields and writers:
# docs/reference/records.md.
# Folder of the bucket with the messages as received; rows contain the object's key.
RAW = "mail/"
# Folder of the bucket with exports, unfinished ones too.
EXPORTED = "exports/"
AGED = Index("aged", "aged", "since", shards=8)
# With the key of the message, which a purge deletes together with the row.
WITH_RAW = Index("aged", "aged", "since", ("raw",), shards=8)
DUE = Index("due", "due", "due_at", shards=4)

USERS = Table("users", "accounts; the sort key of a user's row is `-`")
ALIASES = Table("aliases", "addresses that forward", indexes=(DUE,))
DESTINATIONS = Table("destinations", "addresses that mail is forwarded to; they age until they are verified", (AGED,))
# By the domain's name alone, for a check on demand.
NAMED = Index("named", "sk", "pk", ("due", "due_at"))
DOMAINS = Table("domains", "domains of users, and the state of their DNS records", indexes=(DUE, NAMED))
# Rollups read this index too, by the time at which a row was written, so that a late event is not missed.
MESSAGES = Table(
    "messages",
    "the result of each message; rollups are computed from it",
    indexes=(Index("aged", "aged", "since", ("bytes_used", "received_at"), shards=16),),
)
SNAPSHOTS = Table("snapshots", "encrypted headers of messages", indexes=(AGED,))
FAILED_EMAILS = Table("failed-emails", "forwards that failed: retried while due, then closed and aged", (DUE, WITH_RAW))
HOLDS = Table("holds", "messages beyond a user's quota, held until they fit or are purged", (WITH_RAW,))
QUARANTINE = Table("quarantine", "held spam", (Index("aged", "aged", "since", ("raw",), shards=16),))
AUDIT = Table("audit", "actions on a user's account, with actor and subject", indexes=(AGED,))
ROLLUPS = Table("rollups", "bytes and messages of a user's day or week", indexes=(AGED,))
# A cycle is due only if its usage has changed since the last check.
CYCLES = Table("cycles", "billing cycles: quota, usage, thresholds crossed", (DUE,))
MAGIC_LINKS = Table("magic-links", "sign-in tokens, by their hash", indexes=(AGED,))
VERIFICATIONS = Table("verifications", "tokens that verify a destination, by their hash", indexes=(AGED,))
SESSIONS = Table("sessions", "sessions, until an idle or an absolute timeout", indexes=(AGED,))
WEBHOOKS = Table("webhooks", "receivers of users' events")
DELIVERIES = Table("deliveries", "events for webhooks: retried while due, then a log", indexes=(DUE, AGED))
NOTIFICATIONS = Table("notifications", "e-mails to users: queued while due, then a log", indexes=(DUE, AGED))
# With the key of the archive, which a purge deletes together with the row.
WITH_ARCHIVE = Index("aged", "aged", "since", ("archive",), shards=8)
EXPORTS = Table("exports", "exports of a user's data, requested and finished", indexes=(DUE, WITH_ARCHIVE))
DELETIONS = Table("deletions", "accounts that are being deleted, and markers of deleted ones", indexes=(DUE,))

MAIL = (
    *(USERS, ALIASES, DESTINATIONS, DOMAINS, MESSAGES, SNAPSHOTS, FAILED_EMAILS, HOLDS, QUARANTINE, AUDIT, ROLLUPS),
    *(CYCLES, MAGIC_LINKS, VERIFICATIONS, SESSIONS, WEBHOOKS, DELIVERIES, NOTIFICATIONS, EXPORTS, DELETIONS),
)

# The flag and usage product, and assessments: rows of organizations. Rows that are few (the organization, its members,
# flags, API keys, receivers) share a partition; rows that grow have a partition for each day, hour or month.
ORGANIZATIONS = Table("organizations", "tenants: organization, members, flags, API keys, receivers", by_tenant=True)
# Kinds of `due`: `open`, months that still have counters, for the rollover; `day`, days without a dashboard.
METERS = Table(
    "meters",
    "usage counters, the batches counted, closed periods, dashboards",
    (Index("due", "due", "due_at", shards=8),),
    by_tenant=True,
)
TRAIL = Table("trail", "audit events of organizations, each once", by_tenant=True)
ASSESSMENTS = Table("assessments", "evaluations: progress, result and cost", by_tenant=True)

TENANTS = (ORGANIZATIONS, METERS, TRAIL, ASSESSMENTS)

TABLES = (STATE, WEBEVALS, *MAIL, *TENANTS)
