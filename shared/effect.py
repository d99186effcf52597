"""What changes the world outside: an e-mail, a webhook, a paid call. What a job says of one, and where it is kept.

`effect#<job>#<shard>` / `<key>` is written as an intent before the call, and again with the result after it.
"""

from __future__ import annotations

import hashlib
import json
import uuid
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.command import advised

if TYPE_CHECKING:
    from shared.cloud import Cloud
    from shared.names import Names
    from shared.tick import Tick

# A partition takes 1,000 writes a second, which are 500 effects. The number must never change: a row is found by it.
SHARDS = 16
LONGEST_KEY = 512
# An object costs as much as 8 write units; a result up to this long stays in its row.
INLINE_RESULT = 7 * 1024
NAMESPACE = uuid.UUID("6f1c2d0e-5b0a-4c53-9d5b-2f5e0c7a9f11")


class Undone(Exception):
    """Raised by an effect's call: nothing happened, so it may be tried again. Anything else leaves that open."""


class Uncertain(Exception):
    """Nobody knows whether the effect happened, and the job cannot find out; a person settles it."""

    def __init__(self, stage: str, job: str, key: str) -> None:
        super().__init__(f"nobody knows whether {key!r} was done; settle it: {advised(stage, 'effects', job)}")
        self.key = key


class InFlight(Exception):
    """Another run is at this very effect; by `seconds` from now it must have ended."""

    def __init__(self, key: str, seconds: float) -> None:
        super().__init__(f"{key!r} is being done by another run, for another {seconds:.0f} s at most")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Confirmed:
    """It was done; `result` is what its call would have returned."""

    result: Any = None


@dataclass(frozen=True, slots=True)
class NotDone:
    """It was not done, or doing it again does no harm, since the receiver knows its idempotency key."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """There is no way to tell; `note` says to a person where to look."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a job's `reconcile` is asked about. at: when it was begun. token: the idempotency key that went along.

    error: what its call raised, empty where the run died. tick: the run that asks.
    """

    key: str
    token: str
    at: datetime
    run: str
    error: str
    tick: Tick


def fitting(key: str) -> str:
    """The key, or a hash of one that is too long for one: what it is made of may be as long as keys of rows are."""
    return key if len(key.encode()) <= LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()


def row_key(job: str, key: str) -> dict[str, str]:
    return {"pk": f"effect#{job}#{zlib.crc32(key.encode()) % SHARDS:02d}", "sk": key}


def token(names: Names, job: str, key: str) -> str:
    """The idempotency key that goes along: the same on every attempt, another one for every stage, job and key."""
    return str(uuid.uuid5(NAMESPACE, f"{names.account}/{names.of(job)}/{key}"))


def object_key(names: Names, job: str, key: str, nonce: str) -> str:
    return f"effects/{job}/{token(names, job, key)}/{nonce}.json"


def keep(cloud: Cloud, job: str, key: str, nonce: str, result: Any) -> tuple[str, str]:
    """The attribute that says what the result was, and its value. Raises TypeError for what is not JSON data."""
    text = json.dumps(result, separators=(",", ":"))
    if len(text.encode()) <= INLINE_RESULT:
        return "result", text
    # Before the confirmation: who finds the object knows that the call returned, and with what.
    place = object_key(cloud.names, job, key, nonce)
    cloud.s3.put_object(Bucket=cloud.names.bucket, Key=place, Body=text.encode(), ContentType="application/json")
    return "object", place
