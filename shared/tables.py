"""Every table: keys, indexes, time to live. The template is made from this, and so are the queries."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

TTL = "expires"


@dataclass(frozen=True, slots=True)
class Index:
    """A global secondary index; sparse where rows lack its keys. `include` empty projects keys only.

    shards: how many partitions rows are spread over that would otherwise share one; each takes 1,000 writes a second.
    An index by age has the instant that a row ages from, as `clock.iso` writes it, for its sort key.
    """

    name: str
    pk: str
    sk: str
    include: tuple[str, ...] = ()
    shards: int = 1

    def partition(self, key: str, kind: str = "") -> str:
        """The index's partition for the row of that key: `07`, of a kind `critical#07`. The same key, the same one."""
        return _partition(zlib.crc32(key.encode()) % self.shards, kind)

    def partitions(self, kind: str = "") -> tuple[str, ...]:
        """All partitions of a kind, in order."""
        return tuple(_partition(number, kind) for number in range(self.shards))


def _partition(number: int, kind: str) -> str:
    return f"{kind}#{number:02d}" if kind else f"{number:02d}"


@dataclass(frozen=True, slots=True)
class Table:
    """On demand, with point-in-time recovery; keys are strings; `expires` is the TTL in epoch seconds.

    by_tenant: the keys of its partitions begin with the id of the organization whose rows they are.
    """

    name: str
    purpose: str
    indexes: tuple[Index, ...] = ()
    pk: str = "pk"
    sk: str = "sk"
    by_tenant: bool = False


STATE = Table("state", "leases, ticks, checkpoints, status, history, markers of manual runs, dead letters")

WEBEVALS = Table(
    "webevals",
    "web evaluations: queued, claimed by a run, done",
    # Only rows that wait carry `queue` (the host) and `due`, so the index holds the backlog and nothing else.
    indexes=(Index("queued", "queue", "due", ("url", "attempt")),),
)


# The mail-alias product. A user's rows share a partition, the user's id, so that an export or a deletion is a query for
# each table. An index `aged` has what may be purged, `due` what waits for its time: rows that do neither have no keys
# of it. Writers of these rows: docs/reference/records.md.
# Messages as they came lie in the bucket, in this folder; rows name them.
RAW = "mail/"
# Exports in this one, while they are made and after.
EXPORTED = "exports/"
AGED = Index("aged", "aged", "since", shards=8)
# What is purged takes its message along: so the index has its name.
WITH_RAW = Index("aged", "aged", "since", ("raw",), shards=8)
DUE = Index("due", "due", "due_at", shards=4)

USERS = Table("users", "who has an account; the row of a user is `-`")
ALIASES = Table("aliases", "addresses that forward", indexes=(DUE,))
DESTINATIONS = Table("destinations", "addresses that are forwarded to; aging until they are verified", (AGED,))
# By its name alone: to look at one on demand, whoever's it is.
NAMED = Index("named", "sk", "pk", ("due", "due_at"))
DOMAINS = Table("domains", "domains of users' own, and whether their DNS is as it must be", indexes=(DUE, NAMED))
# Rollups read it too, by the instant at which a row was written: so that an event that comes late is not missed.
MESSAGES = Table(
    "messages",
    "what became of each message: the detail that rollups are made of",
    indexes=(Index("aged", "aged", "since", ("bytes_used", "received_at"), shards=16),),
)
SNAPSHOTS = Table("snapshots", "encrypted headers of messages", indexes=(AGED,))
FAILED_EMAILS = Table("failed-emails", "forwards that failed: retried while due, then closed and aged", (DUE, WITH_RAW))
HOLDS = Table("holds", "messages beyond a user's quota, held until there is room or they are purged", (WITH_RAW,))
QUARANTINE = Table("quarantine", "held spam", (Index("aged", "aged", "since", ("raw",), shards=16),))
AUDIT = Table("audit", "what was done, by whom, to what", indexes=(AGED,))
ROLLUPS = Table("rollups", "bytes and messages of a user's day or week", indexes=(AGED,))
# Only a cycle whose usage has moved since it was last looked at is due.
CYCLES = Table("cycles", "billing cycles: the quota, what is used of it, which thresholds were crossed", (DUE,))
MAGIC_LINKS = Table("magic-links", "tokens to sign in with, by their hash", indexes=(AGED,))
VERIFICATIONS = Table("verifications", "tokens that verify a destination, by their hash", indexes=(AGED,))
SESSIONS = Table("sessions", "who is signed in, until an idle or an absolute timeout", indexes=(AGED,))
WEBHOOKS = Table("webhooks", "receivers of users' events")
DELIVERIES = Table("deliveries", "events for webhooks: retried while due; and the log of them", indexes=(DUE, AGED))
NOTIFICATIONS = Table("notifications", "e-mails to users: queued while due; and the log of them", indexes=(DUE, AGED))
# What is purged takes its archive along.
WITH_ARCHIVE = Index("aged", "aged", "since", ("archive",), shards=8)
EXPORTS = Table("exports", "all of a user's data, asked for and made", indexes=(DUE, WITH_ARCHIVE))
DELETIONS = Table("deletions", "accounts on their way out, and the marks of those that are gone", indexes=(DUE,))

MAIL = (
    *(USERS, ALIASES, DESTINATIONS, DOMAINS, MESSAGES, SNAPSHOTS, FAILED_EMAILS, HOLDS, QUARANTINE, AUDIT, ROLLUPS),
    *(CYCLES, MAGIC_LINKS, VERIFICATIONS, SESSIONS, WEBHOOKS, DELIVERIES, NOTIFICATIONS, EXPORTS, DELETIONS),
)

# The flag and usage product, and assessments: rows of organizations. What little there is of one (itself, its members,
# flags, keys of its API, receivers) is one partition; what grows has a partition for each day, hour or month.
ORGANIZATIONS = Table("organizations", "tenants: themselves, members, flags, API keys and receivers", by_tenant=True)
# `open`: months that still hold counters, for the rollover. `day`: days that no dashboard has summed up yet.
METERS = Table(
    "meters",
    "counters of usage, the batches that they are made of, periods that are over, dashboards",
    (Index("due", "due", "due_at", shards=8),),
    by_tenant=True,
)
TRAIL = Table("trail", "audit events of organizations, each once", by_tenant=True)
ASSESSMENTS = Table("assessments", "evaluations: their progress, result and what they cost", by_tenant=True)

TENANTS = (ORGANIZATIONS, METERS, TRAIL, ASSESSMENTS)

TABLES = (STATE, WEBEVALS, *MAIL, *TENANTS)
