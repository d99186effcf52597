"""Every table: keys, indexes, time to live. The template is made from this, and so are the queries."""

from __future__ import annotations

from dataclasses import dataclass

TTL = "expires"


@dataclass(frozen=True, slots=True)
class Index:
    """A global secondary index; sparse where rows lack its keys. `include` empty projects keys only."""

    name: str
    pk: str
    sk: str
    include: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """On demand, with point-in-time recovery; keys are strings; `expires` is the TTL in epoch seconds."""

    name: str
    purpose: str
    indexes: tuple[Index, ...] = ()
    pk: str = "pk"
    sk: str = "sk"


STATE = Table("state", "leases, ticks, checkpoints, status, history, markers of manual runs, dead letters")

WEBEVALS = Table(
    "webevals",
    "web evaluations: queued, claimed by a run, done",
    # Only rows that wait carry `queue` (the host) and `due`, so the index holds the backlog and nothing else.
    indexes=(Index("queued", "queue", "due", ("url", "attempt")),),
)

TABLES = (STATE, WEBEVALS)
