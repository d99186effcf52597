"""State of a world after a plan, comparable with that of another."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared import tables

if TYPE_CHECKING:
    from proof.world.world import World

# What differs between two runs of the same work: times, ids that are drawn at random, durations.
VARYING = re.compile(
    r"(?P<run>[0-9]{8}T[0-9]{6}\.[0-9]{3}Z-[0-9a-f]{8})"
    r"|(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|\+00:00)(?:#[0-9]{2})?"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2} UTC)"
    r"|(?P<token>(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-]))"
    r"|(?P<uuid>[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})"
    r"|(?P<id>\b(?:message|batch|tick)-[0-9]+\b)"
    r"|(?P<hex>\b[0-9a-f]{16,64}\b)"
)
# Epoch seconds and milliseconds of the years 2020 to 2040.
EPOCHS = ((1_577_836_800, 2_208_988_800), (1_577_836_800_000, 2_208_988_800_000))
DURATIONS = ("ms", "seconds")
# Attributes with the number of a shard, which follows from the key, and so from a time in it.
SHARDED = {index.pk for table in tables.TABLES for index in table.indexes if index.shards > 1}
SHARD = re.compile(r"[0-9]{2}$")
PRODUCTS = tuple(table for table in tables.TABLES if table is not tables.STATE)


@dataclass(frozen=True, slots=True)
class RunHistory:
    """Rows of the run history."""

    rows: tuple[Mapping[str, Any], ...]

    def ticks(self, job: str) -> set[str]:
        """Minutes of a job's ticks that have their own row."""
        return {row["tick"][:17] for row in self._of(job) if "tick" in row}

    def has(self, job: str, tick: str) -> bool:
        """Whether a tick has a row or is in a gap."""
        return tick in self.ticks(job) or any(
            row["from"] <= tick <= row["to"] for row in self._of(job) if "from" in row
        )

    def _of(self, job: str) -> list[Mapping[str, Any]]:
        return [row for row in self.rows if row.get("job") == job and "outcome" in row]

    def outcomes(self, job: str) -> Counter[str]:
        return Counter(row["outcome"] for row in self._of(job))


@dataclass(frozen=True, slots=True)
class EndState:
    """State after a plan."""

    #: Rows of the products' tables: by table, how often each row is there, varying values replaced.
    rows: Mapping[str, Counter[str]]
    #: Objects by key, with a digest of their content; artifacts and dead letters are left out.
    objects: Counter[str]
    #: Waiting messages by queue.
    waiting: Counter[str]
    #: Dead letters by job and reason.
    dead_letters: Counter[str]
    #: Effects whose outcome is unknown, by job.
    uncertain: Counter[str]
    #: Claim items that a run still holds.
    held: tuple[str, ...]
    #: Alerts by subject.
    alerts: Counter[str]
    history: RunHistory
    #: Effects outside, by kind, receiver and key.
    received: Counter[Any] = field(default_factory=Counter)


class StateReader:
    """Reads states of a world.

    Texts of rows that no plan writes are formed once.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        #: Text of each row by identity, with the row, so that its identity is not given to another.
        self._texts: dict[int, tuple[Any, str]] = {}
        #: Rows of the state table likewise.
        self._plain: dict[int, tuple[Any, dict[str, Any]]] = {}

    def prepare(self) -> None:
        """Form the texts and values of all rows as they are now."""
        for row in self.world.dynamodb.shared_rows(tables.STATE.name):
            self._plain[id(row)] = row, _plain(row)
        for table in PRODUCTS:
            for row in self.world.dynamodb.shared_rows(table.name):
                self._texts[id(row)] = row, _text(_plain(row))

    def read(self, received: Counter[Any]) -> EndState:
        """Read the state of the world, which is idle."""
        rows = self.world.dynamodb.shared_rows(tables.STATE.name)
        return _read(self.world, [self._values(row) for row in rows], received, self._row_text)

    def _values(self, row: Mapping[str, Any]) -> dict[str, Any]:
        known = self._plain.get(id(row))
        return known[1] if known else _plain(row)

    def _row_text(self, row: Mapping[str, Any]) -> str:
        known = self._texts.get(id(row))
        return known[1] if known else _text(_plain(row))


def _read(
    world: World,
    state: list[dict[str, Any]],
    received: Counter[Any],
    row_text: Callable[[Mapping[str, Any]], str],
) -> EndState:
    partitions: dict[str, list[dict[str, Any]]] = {}
    for row in state:
        partitions.setdefault(row["pk"].partition("#")[0], []).append(row)
    return EndState(
        rows={
            table.name: Counter(row_text(row) for row in world.dynamodb.shared_rows(table.name)) for table in PRODUCTS
        },
        objects=Counter(_object(key, stored.body) for key, stored in world.s3.objects.items() if _is_product(key)),
        waiting=Counter({name: len(queue.messages) for name, queue in world.sqs.queues.items() if queue.messages}),
        dead_letters=Counter(
            f"{row['job']}: {row.get('reason')}" for row in partitions.get("dead", ()) if row["pk"] != "dead"
        ),
        uncertain=Counter(row["pk"].partition("#")[2] for row in partitions.get("uncertain", ())),
        held=tuple(sorted(f"{row['pk']}/{row['sk']}" for row in state if "holder" in row)),
        alerts=Counter(_normal(subject) for subject, _ in world.topic.published),
        history=RunHistory(tuple(partitions.get("runs", ()))),
        received=received,
    )


def _is_product(key: str) -> bool:
    """Whether an object belongs to a product: mails and exports."""
    return key.startswith((tables.RAW, tables.EXPORTED, "archive/", "plugins/"))


def _object(key: str, body: bytes) -> str:
    with suppress(OSError):
        body = gzip.decompress(body)
    text = _normal(body.decode("latin-1"))
    return f"{_normal(key)} {hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _text(row: Mapping[str, Any]) -> str:
    sharded = {name: SHARD.sub("<shard>", str(row[name])) for name in SHARDED & row.keys()}
    values = {name: value for name, value in {**row, **sharded}.items() if name not in DURATIONS}
    return json.dumps(_normal(values), sort_keys=True)


def _normal(value: Any) -> Any:
    match value:
        case str():
            return VARYING.sub(lambda match: f"<{match.lastgroup}>", value)
        case bool() | None:
            return value
        case int() | float():
            return "<epoch>" if any(low <= value < high for low, high in EPOCHS) else value
        case Mapping():
            return {_normal(name): _normal(each) for name, each in value.items() if name not in DURATIONS}
        case _ if isinstance(value, Iterable):
            return [_normal(each) for each in value]
    return str(value)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    from shared.aws import attributes

    return attributes.plain(row)
