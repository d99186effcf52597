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

TABLES = (STATE, WEBEVALS)
