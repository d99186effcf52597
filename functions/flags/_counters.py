"""Counters of an organization's months, and the batches that were counted.

`<organization>#month#<yyyy-mm>` / `<row>` has a number for each `<period>#<feature>`. One transaction adds a group of
batches: it creates `<organization>#batch#<batch id>` for each of them, and is refused where one exists. So a batch is
counted once by its id, also if it is sent again later or with other events.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from functions.flags import _feature_rows, _meter_keys, _periods
from functions.flags._feature_rows import NOT_FULL, FeatureRows
from functions.flags._usage_batch import MAX_COUNTERS, UsageBatch, feature_of, month_of
from shared import clock
from shared.store.transaction import TransactionCancelled, Update, write_together
from shared.tables import METERS, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.tenant import Tenant

# Batches per transaction, which has at most 100 rows; MAX_COUNTERS are in at most 33 further ones.
MAX_BATCHES = 50
# How long the id of a counted batch is remembered.
RETENTION = timedelta(days=100)
TRIES = 10
OPEN = "open"
DUE = METERS.indexes[0]
FAILED, TOO_LARGE = "ConditionalCheckFailed", "ValidationError"
# A row of a month: its month and name.
Row = tuple[str, str]
# Batches by id, with the number of the next piece.
Left = dict[str, tuple[UsageBatch, int]]


class Contended(Exception):
    """Other processes wrote the counters at each try; the messages are retried."""


class RowsTooLarge(Exception):
    """Rows would exceed DynamoDB's limit; their ended periods must be archived first."""

    def __init__(self, rows: Sequence[Row], reason: str) -> None:
        super().__init__(f"the counters of {', '.join(' '.join(row) for row in rows)} cannot be added to: {reason}")
        self.rows = rows


class UsageCounters:
    """The counters as one process writes them."""

    def __init__(self) -> None:
        self.rows = FeatureRows()

    def add(self, cloud: Cloud, tenant: Tenant, batches: Sequence[UsageBatch]) -> list[str]:
        """Count each batch once.

        Returns the ids of batches that were counted before with other content.

        Raises Contended and RowsTooLarge.
        """
        distinct = list({batch.id: batch for batch in batches}.values())
        changed: list[str] = []
        for group in _groups(distinct):
            changed += self._add(cloud, tenant, group)
        return changed

    def _add(self, cloud: Cloud, tenant: Tenant, batches: Sequence[UsageBatch]) -> list[str]:
        # Only a batch that is alone in its group has more than one piece.
        left: Left = {batch.id: (batch, 0) for batch in batches}
        changed: list[str] = []
        for _ in range(TRIES * max(len(batch.pieces) for batch in batches)):
            rows = self._by_row(tenant, left.values())
            markers = [_marker(cloud, tenant, batch, piece) for batch, piece in left.values()]
            writes = [*markers, *(self._addition(tenant, row, counts) for row, counts in rows.items())]
            try:
                write_together(cloud, writes, tries=TRIES)
            except TransactionCancelled as cancelled:
                if not {*cancelled.codes} & {FAILED, TOO_LARGE}:
                    raise Contended(f"{tenant.id}: {cancelled}") from cancelled
                changed += self._learn(tenant, left, [*rows], cancelled)
            else:
                for batch, piece in [*left.values()]:
                    _advance(left, batch, piece + 1)
            if not left:
                return changed
        raise Contended(f"{tenant.id}: the counters were written by others {TRIES} times in a row")

    def _by_row(self, tenant: Tenant, batches: Iterable[tuple[UsageBatch, int]]) -> dict[Row, Counter[str]]:
        """Sum up the pieces by the row that has their counters."""
        rows = defaultdict[Row, Counter[str]](Counter)
        for batch, piece in batches:
            for name, units in batch.pieces[piece].items():
                month = month_of(name)
                rows[month, self.rows.find(tenant, month, feature_of(name))][name] += units
        return rows

    def _learn(
        self,
        tenant: Tenant,
        left: dict[str, tuple[UsageBatch, int]],
        rows: Sequence[Row],
        cancelled: TransactionCancelled,
    ) -> list[str]:
        """Drop batches that were counted before, and cache full rows."""
        ends = list(zip(cancelled.codes, cancelled.items, strict=True))
        large = [row for row, (code, _) in zip(rows, ends[len(left) :], strict=True) if code == TOO_LARGE]
        if large:
            raise RowsTooLarge(large, str(cancelled))
        for (month, row), (code, item) in zip(rows, ends[len(left) :], strict=True):
            if code == FAILED:
                self.rows.learn(tenant, month, row, item)
        changed = []
        for (batch_id, (batch, _)), (code, item) in zip([*left.items()], ends, strict=False):
            if code == FAILED and item.get("content") != batch.content:
                changed.append(batch_id)
                del left[batch_id]
            elif code == FAILED:
                # Also after a lost reply, and after a crash between two pieces.
                _advance(left, batch, item["done"])
        return changed

    def _addition(self, tenant: Tenant, place: Row, counts: Mapping[str, int]) -> Update:
        month, row = place
        known = self.rows.is_full(tenant, month, row)
        numbers = range(len(counts))
        features = {} if known else {":features": {*map(feature_of, counts)}}
        adds = ["writes :one", *([] if known else ["features :features"]), *(f"#c{each} :c{each}" for each in numbers)]
        return Update(
            METERS,
            _meter_keys.month(tenant, month, row),
            f"ADD {', '.join(adds)} "
            "SET #due = if_not_exists(#due, :due), #at = if_not_exists(#at, :at), #expires = :expires",
            condition="" if known else NOT_FULL,
            names={
                "#due": DUE.pk,
                "#at": DUE.sk,
                "#expires": TTL,
                **{f"#c{number}": name for number, name in enumerate(counts)},
            },
            values={
                ":one": 1,
                ":due": DUE.partition(tenant.id, OPEN),
                ":at": clock.iso(_periods.start(month)),
                ":expires": int((_periods.end(month) + RETENTION).timestamp()),
                **features,
                **({":max": _feature_rows.MAX_FEATURES} if not known else {}),
                **{f":c{number}": units for number, units in enumerate(counts.values())},
            },
        )


def counters(row: Mapping[str, Any]) -> dict[str, int]:
    """Return the counters of a row of a month, by `<period>#<feature>`."""
    return {name: value for name, value in row.items() if "#" in name}


def _advance(left: Left, batch: UsageBatch, piece: int) -> None:
    if piece < len(batch.pieces):
        left[batch.id] = batch, piece
    else:
        del left[batch.id]


def _marker(cloud: Cloud, tenant: Tenant, batch: UsageBatch, piece: int) -> Update:
    """Record a counted piece of a batch.

    Refused where another process has counted it.
    """
    now = cloud.clock.now()
    values = {":done": piece + 1, ":content": batch.content}
    if piece:
        return Update(
            METERS,
            _meter_keys.batch(tenant, batch.id),
            "SET done = :done",
            condition="done = :piece AND content = :content",
            values={**values, ":piece": piece},
        )
    return Update(
        METERS,
        _meter_keys.batch(tenant, batch.id),
        "SET done = :done, content = :content, #at = :at, #expires = :expires",
        condition="attribute_not_exists(pk)",
        names={"#at": "counted_at", "#expires": TTL},
        values={**values, ":at": clock.iso(now), ":expires": int((now + RETENTION).timestamp())},
    )


def _groups(batches: Sequence[UsageBatch]) -> Iterator[list[UsageBatch]]:
    """Yield groups that fit into one write.

    A batch in several pieces is alone.
    """
    group, names = list[UsageBatch](), set[str]()
    for batch in batches:
        if len(batch.pieces) > 1:
            yield [batch]
            continue
        counts = batch.pieces[0].keys()
        if group and (len(group) == MAX_BATCHES or len(names | counts) > MAX_COUNTERS):
            yield group
            group, names = [], set()
        group.append(batch)
        names |= counts
    if group:
        yield group
