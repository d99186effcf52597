"""A table of held messages, with an index by age, and jobs that purge it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shared import clock
from shared.archetypes.purge import Purge
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job.duration import days
from shared.job.idempotency import natural
from shared.run.context import RunContext
from shared.store.age_index import Row
from shared.tables import Index, Table

AGED = Index("aged", "aged", "since", ("state",), shards=4)
HOLDS = Table("held", "held messages", indexes=(AGED,))


class Holds(Purge):
    """Purge held messages after 30 days."""

    name = "holds"
    table = HOLDS
    keep = days(30)
    idempotency = natural("a row once deleted is not found again")

    def __init__(self) -> None:
        self.archived: list[str] = []
        self.told: list[tuple[str, Any]] = []

    def archive(self, run: RunContext, rows: Sequence[Row]) -> None:
        self.archived += [row.pk for row in rows]


class Warned(Holds):
    """Purge held messages after 30 days, a day after their owner was warned."""

    name = "holds"
    warn = days(1)
    effects = days(60)

    def warning(self, row: Row) -> Any:
        if row.item.get("owner") == "nobody":
            raise ValueError("nobody is no address")
        return f"{row.pk} of {row.item.get('owner')} goes tomorrow"

    def send(self, run: RunContext, message: Any, token: str) -> None:
        self.told.append((token, message))


def put(cloud: Cloud, key: str, since: datetime | str, kind: str = "", **rest: Any) -> None:
    """A row whose age counts from `since`."""
    at = since if isinstance(since, str) else clock.iso(since)
    item = {"pk": key, "sk": "-", "aged": AGED.partition(key, kind), "since": at, **rest}
    cloud.dynamodb.put_item(TableName=cloud.names.table("held"), Item=attributes.row(item))


def there(cloud: Cloud) -> list[str]:
    """The keys of all rows."""
    found = cloud.dynamodb.scan(TableName=cloud.names.table("held"))["Items"]
    return sorted(item["pk"]["S"] for item in found)
