"""State of a busy deployment: 100,000 runs of all jobs in 30 days, an outage, dead letters, audit entries."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from shared import clock
from shared.aws.names import NO_TARGET
from shared.dead_letters.letter import fingerprint
from shared.job.manifest import Entry
from shared.store import failure_index, keys
from shared.tables import TTL

RUNS, DAYS = 100_000, 30
# Failed runs of the last hours, more than a page lists.
OUTAGE = 2_400
DEAD_LETTERS, UNCERTAIN, ACTS, TENANTS = 3_000, 120, 1_000, 40
ERRORS = (
    "ReadTimeout: the mail server did not answer within 10 s",
    "ValueError: no meter of this name",
    "1 of 2 sites bad: shop.example answered 503 in 812 ms, no price on the page",
    "ClientError: AccessDenied when calling PutObject: the role may not write this key",
)

Row = dict[str, Any]


def rows(entries: Mapping[str, Entry], now: datetime) -> Iterator[Row]:
    """Rows of the state table, the same at each call."""
    chance = random.Random(4711)
    names = sorted(entries)
    for number in range(RUNS - OUTAGE):
        # A tenth of the jobs has most of the runs, and every thirtieth run fails.
        name = names[number % 5] if number % 10 else names[number % len(names)]
        age = timedelta(days=DAYS) * (number / RUNS) + timedelta(minutes=1)
        yield _run(name, now - age, number, number % 30 == 0, chance)
    for number in range(OUTAGE):
        yield _run(names[number % 4], now - timedelta(seconds=number * 4 + 1), RUNS + number, True, chance)
    for number in range(DEAD_LETTERS):
        yield _letter(names[number % 20], now - timedelta(minutes=number * 9), number, chance)
    for name in names[:20]:
        yield {**keys.job_with_dead_letters(name).attributes, TTL: int((now + timedelta(days=31)).timestamp())}
    for number in range(UNCERTAIN):
        yield _uncertain(names[number % 10], now - timedelta(minutes=number), number)
    for number in range(ACTS):
        yield _act(now - timedelta(minutes=number), number)


def _tenant(number: int) -> str:
    return f"org_{number % TENANTS}"


def _run(name: str, started: datetime, number: int, bad: bool, chance: random.Random) -> Row:
    run = f"{started:%Y%m%dT%H%M%S}.{number % 1000:03d}Z-{number:08x}"
    tenant = _tenant(number) if number % 3 else ""
    failed = {
        "note": chance.choice(ERRORS),
        **({"tenant": tenant, "entityId": f"meter-{number % 7}"} if tenant else {}),
        **failure_index.keys_of_run(name, run, started, tenant),
    }
    return {
        **keys.run(name, run).attributes,
        "job": name,
        "target": NO_TARGET,
        "outcome": "failed" if bad else "done",
        "ok": not bad,
        "started": clock.iso(started),
        "tick": f"{clock.minute(started)}#00",
        "ms": chance.randrange(40, 9000),
        "attempt": 1,
        "counts": {"items": number % 100},
        "usage": {"requests": 12, "readUnits": 3, "writeUnits": 5, "billedMs": 900},
        "version": "0a1b2c3d4e5f",
        "correlationId": f"{number:032x}",
        TTL: int((started + timedelta(days=31)).timestamp()),
        **(failed if bad else {}),
    }


def _letter(name: str, at: datetime, number: int, chance: random.Random) -> Row:
    identity, error = f"{number:016x}", f"{chance.choice(ERRORS)} ({'abcdef'[number % 6] * 4})"
    return {
        **keys.dead_letter(name, f"{clock.iso(at)}#{identity}").attributes,
        "job": name,
        "id": identity,
        "diedAt": clock.iso(at),
        "reason": "all 4 attempts used up",
        "error": error,
        "fingerprint": fingerprint(name, error),
        "attempts": 4,
        "tenant": _tenant(number),
        "messageId": f"{number:032x}",
        "correlationId": f"{number:032x}",
        "payload": f"dead/{name}/2026/03/02/{identity}.json",
        TTL: int((at + timedelta(days=31)).timestamp()),
        **failure_index.keys_of_dead_letter(name, at, _tenant(number)),
    }


def _uncertain(name: str, at: datetime, number: int) -> Row:
    return {
        **keys.uncertain_effect(name, f"notify:user_{number}:42").attributes,
        "job": name,
        "begun": clock.iso(at),
        "since": clock.iso(at),
        "run": f"{at:%Y%m%dT%H%M%S}.000Z-dead",
        "tenant": _tenant(number),
        "error": ERRORS[0],
        **failure_index.keys_of_uncertain_effect(name, at, _tenant(number)),
    }


def _act(at: datetime, number: int) -> Row:
    return {
        **keys.audit_entry(clock.iso(at), f"{number:08x}").attributes,
        "what": "dead retry",
        "who": "ada@laptop (console)",
        "reason": "after the fix of the relay",
        "scope": {"job": "crash", "fingerprint": f"{number:08x}"},
        "count": 10,
        "ids": f"{number:016x}",
        "ended": clock.iso(at),
        "end": "done",
        TTL: int((at + timedelta(days=400)).timestamp()),
    }
