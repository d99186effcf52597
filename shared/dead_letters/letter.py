"""A dead letter: what was given up, as a row that can be found and sent again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from shared.aws import attributes
from shared.aws.names import NO_TARGET
from shared.tables import TTL

DEAD, RETRYING, RESOLVED = "dead", "retrying", "resolved"
# The job's name, in rows, for a letter that nobody's name is on.
UNKNOWN = "unknown"
# A weekly cleanup takes what is older than 30 days; the TTL is the backstop behind it.
KEPT = timedelta(days=30 + 7)
# `<instant>#<id>`, the sort key.
KEY = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z#[0-9a-f]{16}")
# Of a consumer's message, and names the letter: the same each time, so that it can be an idempotency key.
ATTRIBUTE = "dead-letter"
# As infra/queues.py makes queues: so many receives, each hidden for so many timeouts of the function.
RECEIVES, VISIBILITY = 5, 6
BOOKKEEPING = ("pk", "sk", "marks", "retry", TTL)


class UnknownDeadLetter(LookupError):
    """What was named is not there, or is not the only one; the message says so. Nothing was done."""


class DeadLetterRefused(Exception):
    """It cannot be done as things are; the message says why and what to do. Nothing was done."""


class Taken(DeadLetterRefused):
    """Somebody else was faster."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """died: when it was given up last, `at` for the first time. again: how often it died after it was sent again.

    retries: how often it was sent again. until: while it is `retrying`, the instant by which something must have come
    of that. row: all that is stored of it.
    """

    job: str
    key: str
    id: str
    at: str
    failed_at: str
    target: str
    reason: str
    error: str
    fingerprint: str
    attempts: int
    payload: str
    state: str
    retries: int
    redrives: int
    until: str
    by: str
    row: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> DeadLetter:
        at = row["sk"].partition("#")[0]
        return cls(
            job=row["job"],
            key=row["sk"],
            id=row["id"],
            at=at,
            failed_at=row.get("diedAt", at),
            target=row.get("entityId", NO_TARGET),
            reason=row.get("reason", ""),
            error=row.get("error", ""),
            fingerprint=row.get("fingerprint", ""),
            attempts=row.get("attempts", 1),
            payload=row["payload"],
            state=row.get("state", DEAD),
            retries=row.get("retries", 0),
            redrives=row.get("again", 0),
            until=row.get("retryEnds", ""),
            by=row.get("retriedBy", ""),
            row=row,
        )

    def shown(self) -> dict[str, Any]:
        """As JSON says it: the row without its bookkeeping."""
        kept = {name: value for name, value in self.row.items() if name not in BOOKKEEPING}
        return {**kept, "at": self.at, "diedAt": self.failed_at, "state": self.state}

    def on_its_way(self, now: str) -> bool:
        """Whether something may still come of its being sent again; after that it counts as dead."""
        return self.state == RETRYING and now <= self.until


def row_key(job: str, key: str) -> dict[str, Any]:
    return attributes.row({"pk": f"dead#{job}", "sk": key})


def fingerprint(job: str, error: str) -> str:
    """The same for failures that differ in numbers and ids alone."""
    shape = re.sub(r"0x[0-9a-f]+|[0-9a-f-]{8,}|\d+", "#", error.lower())
    return hashlib.sha256(f"{job}\n{shape}".encode()).hexdigest()[:12]


def as_read(letter: DeadLetter) -> tuple[str, dict[str, str], dict[str, Any]]:
    """The condition that the row is still in the state that it was read in: expression, names, values.

    Who sends it again raises `retries`, and another death names another payload, so these three tell all.
    """
    state = "#state = :state" if "state" in letter.row else "attribute_not_exists(#state)"
    retries = "retries = :retries" if letter.retries else "attribute_not_exists(retries)"
    values: dict[str, Any] = {":payload": letter.payload}
    if "state" in letter.row:
        values[":state"] = letter.state
    if letter.retries:
        values[":retries"] = letter.retries
    return f"payload = :payload AND {state} AND {retries}", {"#state": "state"}, values
