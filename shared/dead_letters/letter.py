"""DeadLetter: the row of a failed firing or message."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from shared.aws.names import NO_TARGET
from shared.tables import FAILURE_KEYS, TTL

DEAD, RETRYING, RESOLVED = "dead", "retrying", "resolved"
# The job's name in rows of dead letters whose job cannot be determined.
UNKNOWN_JOB = "unknown"
# dead-letter-cleanup deletes after 30 days, once a week; the TTL deletes what it left.
RETENTION = timedelta(days=30 + 7)
# `<timestamp>#<id>`.
SORT_KEY = re.compile(r"[0-9]{4}-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]\.[0-9]{3}Z#[0-9a-f]{16}")
# Message attribute with the sort key of the dead letter that a consumer's message was redriven from. Each redrive has
# the same value, so that a consumer can use it as an idempotency key.
MESSAGE_ATTRIBUTE = "dead-letter"
# As infra/queues.py declares queues: receives before the dead-letter queue, and the visibility timeout of each in
# timeouts of the function.
RECEIVES, VISIBILITY = 5, 6
# Parts of an error, in lower case, that stay in its fingerprint, and those that differ between equal failures.
CLASS = r"^(?:[a-z_][\w.]*: ?)+"
BEFORE_CODE = (
    r"(?:http(?:/[0-9.]{1,3})?|status(?:[ _]?code)?|code"
    r"|answer(?:ed|s)?|response|responded|returned|reply|error(?: occurred)?)"
)
CODE = r"[1-5][0-9]{2}(?![0-9])(?! ?(?:of|m?s|sec(?:onds?)?|min(?:utes?)?|k?b|bytes|items|rows|messages|times|%)(?!\w))"
# `401 unauthorized`: the phrases of HTTP; `550 5.1.1`: an enhanced code of SMTP.
PHRASES = "|".join(sorted({re.escape(status.phrase.lower()) for status in HTTPStatus}))
ENHANCED = r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.])"
# `[errno 104]`, `exit code 137`, `signal 9`, `sqlstate[40001]`; `(404)`: a status of HTTP alone in its brackets.
SYSTEM_CODE = (
    r"\b(?:errno|winerror|signal|sqlstate|(?:exit|return|error)[ _](?:code|status))[ :=#\[]{0,3}-?[0-9][0-9a-z]{0,5}\b"
)
IN_BRACKETS = r"(?<=\()(?:30[1-8]|4(?:0[0-9]|1[0-8]|2[1-9]|31|51)|50[0-8]|511)(?=\))"
VARIABLE = re.compile(
    rf"(?P<stays>{CLASS}|{SYSTEM_CODE}|{IN_BRACKETS}|\b{BEFORE_CODE}(?: (?:is|was|with|by))?[ :=(\"\']{{0,3}}{CODE}"
    rf"|(?<![\w.-])[1-5][0-9]{{2}}(?=[ -](?:{PHRASES})\b)|(?<![\w.-])[245][0-9]{{2}}[ -]{ENHANCED}"
    rf"|(?<=: )[245][0-9]{{2}}(?= [a-z])(?! (?:of|items|rows|messages|bytes|ms|seconds)\b)|(?<![\w.-]){ENHANCED})"
    r"|0x[0-9a-f]+|[0-9a-f-]{8,}|[0-9]+"
)
HIDDEN_ATTRIBUTES = ("pk", "sk", "marks", "retry", TTL, *FAILURE_KEYS)


class UnknownDeadLetter(LookupError):
    """No dead letter, or more than one, matches; nothing was done."""


class DeadLetterRefused(Exception):
    """The operation is not possible in this state; nothing was done.

    The message has the reason and the remedy.
    """


class RedriveInProgress(DeadLetterRefused):
    """Another operator has redriven the dead letter; its result is unknown."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter as its row was read."""

    job: str
    #: The sort key.
    key: str
    id: str
    #: Timestamp of the first failure.
    at: str
    #: Timestamp of the last failure.
    failed_at: str
    #: Target of a firing, or entity of a message.
    target: str
    #: Id of the organization, or "".
    tenant: str
    reason: str
    error: str
    #: Equal for failures of one job that differ in numbers and ids only.
    fingerprint: str
    attempts: int
    #: The S3 key of the payload.
    payload: str
    state: str
    #: How often it was redriven.
    retries: int
    #: How often it failed again after a redrive.
    failed_redrives: int
    #: While it is `retrying`: the timestamp after which it can be redriven once more.
    retry_ends: str
    retried_by: str
    #: All attributes of the row.
    row: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> DeadLetter:
        at = row["sk"].partition("#")[0]
        return cls(
            job=row["job"],
            key=row["sk"],
            id=row["id"],
            at=at,
            failed_at=row.get("diedAt", at),
            target=row.get("entityId", NO_TARGET),
            tenant=row.get("tenant", ""),
            reason=row.get("reason", ""),
            error=row.get("error", ""),
            fingerprint=row.get("fingerprint", ""),
            attempts=row.get("attempts", 1),
            payload=row["payload"],
            state=row.get("state", DEAD),
            retries=row.get("retries", 0),
            failed_redrives=row.get("again", 0),
            retry_ends=row.get("retryEnds", ""),
            retried_by=row.get("retriedBy", ""),
            row=row,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON output, without its internal attributes."""
        shown = {name: value for name, value in self.row.items() if name not in HIDDEN_ATTRIBUTES}
        return {**shown, "at": self.at, "diedAt": self.failed_at, "state": self.state}

    def is_retrying(self, now: str) -> bool:
        """Whether a redrive may still succeed; after `retry_ends` it counts as dead."""
        return self.state == RETRYING and now <= self.retry_ends


def fingerprint(job: str, error: str) -> str:
    """Hash the job and the error, with numbers and ids replaced.

    Status codes and the class of the error stay: a redirect and a missing sign-in are two failures.
    """
    shape = VARIABLE.sub(lambda match: match["stays"] or "#", error.lower())
    return hashlib.sha256(f"{job}\n{shape}".encode()).hexdigest()[:12]


def unchanged(letter: DeadLetter) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Return the condition that the row is unchanged.

    As expression, names and values. A redrive increments `retries` and a failure replaces `payload`, so that these and
    `state` show every change.
    """
    state = "#state = :state" if "state" in letter.row else "attribute_not_exists(#state)"
    retries = "retries = :retries" if letter.retries else "attribute_not_exists(retries)"
    values: dict[str, Any] = {":payload": letter.payload}
    if "state" in letter.row:
        values[":state"] = letter.state
    if letter.retries:
        values[":retries"] = letter.retries
    return f"payload = :payload AND {state} AND {retries}", {"#state": "state"}, values
