"""What operators did to many things at once: `audit#<yyyy-mm>` / `<instant>#<id>`, written before it is begun."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.aws import attributes
from shared.aws.names import STATE
from shared.tables import TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# A year and a month, so that what was done at this time last year can still be read.
RETENTION = timedelta(days=400)


class ReasonMissing(ValueError):
    """Nobody says why, or who; nothing was done."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is written down with who did it and why; say why: --reason TEXT")


class OperatorAuditEntry:
    """`with OperatorAuditEntry(...) as entry: entry.add(id)`; the row says how it ended also where that was an error.

    what: `dead retry`. scope: what was meant. The row has count and digest of the ids that were added: the first 16
    digits of the SHA-256 of them all, a line each, in the order that they were taken.
    """

    def __init__(self, cloud: Cloud, what: str, who: str, reason: str, scope: Mapping[str, Any]) -> None:
        if not reason.strip() or not who.strip():
            raise ReasonMissing(what)
        self.cloud = cloud
        self.count = 0
        self._digest = hashlib.sha256()
        now = cloud.clock.now()
        self.key = {"pk": month_partition(now), "sk": f"{clock.iso(now)}#{secrets.token_hex(4)}"}
        told = {
            "what": what,
            "who": who,
            "reason": redaction.text(reason.strip()),
            "scope": redaction.data(dict(scope)),
        }
        self.row = {**self.key, **told, TTL: int((now + RETENTION).timestamp())}

    def add(self, name: str) -> None:
        self.count += 1
        self._digest.update(f"{name}\n".encode())

    def __enter__(self) -> OperatorAuditEntry:
        self.cloud.dynamodb.put_item(
            TableName=self.cloud.names.table(STATE),
            Item=attributes.row(self.row),
            ConditionExpression="attribute_not_exists(pk)",
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        values = {
            ":count": self.count,
            ":ids": self._digest.hexdigest()[:16],
            ":now": clock.iso(self.cloud.clock.now()),
            ":end": f"{kind.__name__}: {redaction.sample(str(error), 200)}" if kind else "done",
        }
        self.cloud.dynamodb.update_item(
            TableName=self.cloud.names.table(STATE),
            Key=attributes.row(self.key),
            UpdateExpression="SET #count = :count, ids = :ids, ended = :now, #end = :end",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeNames={"#count": "count", "#end": "end"},
            ExpressionAttributeValues=attributes.row(values),
        )


def entries(cloud: Cloud, months: int) -> Iterator[dict[str, Any]]:
    """Newest first, of this month and those before it, so many in all. A query a month."""
    month = cloud.clock.now()
    for _ in range(months):
        pages = cloud.dynamodb.get_paginator("query").paginate(
            TableName=cloud.names.table(STATE),
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=attributes.row({":pk": month_partition(month)}),
            ScanIndexForward=False,
        )
        for page in pages:
            for item in map(attributes.plain, page["Items"]):
                kept = {name: value for name, value in item.items() if name not in ("pk", "sk", TTL)}
                yield {"at": item["sk"].partition("#")[0], **kept}
        month = month.replace(day=1) - timedelta(days=1)


def month_partition(instant: datetime) -> str:
    return f"audit#{instant:%Y-%m}"
