"""Counters of an organization's month: one row, to which a batch of messages is added by one conditional write.

`<organization>#month#<yyyy-mm>` / `-` has a number for each `<period>#<feature>`, and the ids of the latest batches in
them. The write holds only if none of its own batches is there yet, and if this process has seen all older ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from functions.flags import _periods
from functions.flags._counted_batches import KEPT, Seen, month_key
from functions.flags._monthly_parts import MOST_COUNTERS, Share
from shared import clock
from shared.aws import attributes
from shared.tables import METERS, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.tenant import Tenant

# Ids in the row, beyond which they are moved out. More of them, and each write costs more units; fewer, and more writes
# do nothing but move them: `python -m benchmarks.consumer` has 0.12 calls and 0.2 units a message.
RING = 100
# Of one write: a condition has 4,096 bytes and 300 operators.
MOST_BATCHES = 50
TRIES = 8
OPEN = "open"
DUE = METERS.indexes[0]


class Contended(Exception):
    """Others wrote to the month time and again; the messages come back."""


class Meter:
    """Of one process."""

    def __init__(self) -> None:
        self.seen = Seen()

    def add(self, cloud: Cloud, tenant: Tenant, month: str, shares: Sequence[Share]) -> Iterator[Mapping[str, Any]]:
        """Count each share once; the month's row after each write, or as it was where there was nothing to add."""
        distinct = list({share.id: share for share in shares}.values())
        for part in _parts(distinct):
            yield self._add(cloud, tenant, month, part)

    def _add(self, cloud: Cloud, tenant: Tenant, month: str, shares: Sequence[Share]) -> Mapping[str, Any]:
        left: dict[str, Share] = {share.id: share for share in shares}
        head: Mapping[str, Any] = {}
        for _ in range(TRIES):
            known = self.seen.number(tenant, month)
            for share in self.seen.among(cloud, tenant, month, left):
                del left[share]
            if not left:
                return head
            try:
                head = self._write(cloud, tenant, month, left.values(), known)
            except cloud.ConditionalCheckFailed as error:
                head = attributes.plain(error.response.get("Item"))
                # Also those of ours whose first write won, while its answer was lost.
                for share in {*head.get("ids", ())} & left.keys():
                    del left[share]
                self.seen.advance(tenant, month, head.get("chunks", 0))
                continue
            if len(head["ids"]) >= RING:
                self.seen.spill(cloud, tenant, month, known, {*head["ids"]})
            return head
        raise Contended(f"{tenant.id}: the counters of {month} were written by others {TRIES} times in a row")

    def _write(
        self, cloud: Cloud, tenant: Tenant, month: str, shares: Iterable[Share], known: int
    ) -> Mapping[str, Any]:
        total, ids = Counter[str](), []
        for share in shares:
            total.update(share.counts)
            ids.append(share.id)
        names = {f"#c{number}": name for number, name in enumerate(total)}
        values = {f":c{number}": attributes.pack(amount) for number, amount in enumerate(total.values())}
        marks = {f":i{number}": attributes.pack(share) for number, share in enumerate(ids)}
        fresh = [f"NOT contains(ids, {mark})" for mark in marks]
        first = clock.iso(_periods.start(month))
        answer = cloud.dynamodb.update_item(
            TableName=cloud.names.table(METERS.name),
            Key=month_key(tenant, month),
            UpdateExpression=(
                f"ADD ids :ids, {', '.join(f'#c{number} :c{number}' for number in range(len(total)))} "
                "SET #due = if_not_exists(#due, :due), #at = if_not_exists(#at, :at), #expires = :expires"
            ),
            ConditionExpression=" AND ".join(
                ["#chunks = :chunks" if known else "attribute_not_exists(#chunks)", *fresh]
            ),
            ExpressionAttributeNames={"#chunks": "chunks", "#due": DUE.pk, "#at": DUE.sk, "#expires": TTL, **names},
            ExpressionAttributeValues={
                **values,
                **marks,
                ":ids": {"SS": ids},
                ":due": attributes.pack(DUE.partition(tenant.id, OPEN)),
                ":at": attributes.pack(first),
                ":expires": attributes.pack(int((_periods.end(month) + KEPT).timestamp())),
                **({":chunks": attributes.pack(known)} if known else {}),
            },
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        return attributes.plain(answer["Attributes"])


def counters(head: Mapping[str, Any]) -> dict[str, int]:
    """By `<period>#<feature>`."""
    return {name: value for name, value in head.items() if "#" in name}


def _parts(shares: Sequence[Share]) -> Iterator[list[Share]]:
    """As many as one write takes."""
    part, names = list[Share](), set[str]()
    for share in shares:
        if part and (len(part) == MOST_BATCHES or len(names | share.counts.keys()) > MOST_COUNTERS):
            yield part
            part, names = [], set()
        part.append(share)
        names |= share.counts.keys()
    if part:
        yield part
