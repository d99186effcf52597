"""Query what failed, by day or organization, through indexes.

Sparse: only rows of runs that were not good, of dead letters and of uncertain effects have the keys of an index. So a
good run writes no more than without them. Reads are eventually consistent: a row appears within a second or so.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from heapq import merge
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.store import keys, table
from shared.tables import FAILURES, OF_TENANT, STATE, TTL, Index

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Kinds of rows: the first word of the partition key.
RUN, DEAD_LETTER, UNCERTAIN = "runs", "dead", "uncertain"
# Rows of one request: most readers want the newest few.
PAGE = 200
# Partitions with the rows of all jobs. One each is enough: dead letters are written by one consumer, and uncertain
# effects by interrupted runs.
ALL_DEAD_LETTERS, ALL_UNCERTAIN = "letters", "uncertain"
EVER = datetime(1970, 1, 1, tzinfo=UTC)

Row = dict[str, Any]


def keys_of_run(job: str, run_id: str, started: datetime, tenant: str = "") -> dict[str, str]:
    """Return index keys for the row of a bad run."""
    shard = zlib.crc32(run_id.encode()) % FAILURES.shards
    return {FAILURES.pk: keys.failures(started.date(), shard), **_of_tenant(tenant), **_sort_key(job, started)}


def keys_of_dead_letter(job: str, at: datetime, tenant: str) -> dict[str, str]:
    """Return index keys for the row of a dead letter."""
    return {FAILURES.pk: keys.all_of_kind(ALL_DEAD_LETTERS), **_of_tenant(tenant), **_sort_key(job, at)}


def keys_of_uncertain_effect(job: str, at: datetime, tenant: str) -> dict[str, str]:
    """Return index keys for the row of an uncertain effect."""
    return {FAILURES.pk: keys.all_of_kind(ALL_UNCERTAIN), **_of_tenant(tenant), **_sort_key(job, at)}


def dead_letters(cloud: Cloud, queries: int) -> tuple[list[Row], bool]:
    """Read the newest dead letters of all jobs.

    Returns them, and whether there are more. Each query reads up to 1 MB.
    """
    found: list[Row] = []
    start: Any = None
    for _ in range(queries):
        rows, start = table.query_page(
            cloud,
            STATE,
            f"{FAILURES.pk} = :partition",
            {":partition": keys.all_of_kind(ALL_DEAD_LETTERS)},
            start=start,
            IndexName=FAILURES.name,
            ScanIndexForward=False,
        )
        found += _unexpired(cloud, rows)
        if not start:
            break
    return found, bool(start)


def uncertain_effects(cloud: Cloud) -> Iterator[Row]:
    """Yield uncertain effects of all jobs, newest first.

    One query for each PAGE rows.
    """
    return _query(cloud, FAILURES, keys.all_of_kind(ALL_UNCERTAIN), EVER)


def failed_runs(cloud: Cloud, since: datetime, page: int = PAGE) -> Iterator[Row]:
    """Yield history rows of bad runs of all jobs, newest first.

    Four queries for each day, and more for a day with over four times `page` rows.
    """
    day = cloud.clock.now().date()
    while day >= since.date():
        shards = (_query(cloud, FAILURES, keys.failures(day, number), since, page) for number in range(FAILURES.shards))
        yield from merge(*shards, key=lambda row: row[FAILURES.sk], reverse=True)
        day -= timedelta(days=1)


def of_tenant(cloud: Cloud, tenant: str, since: datetime, page: int = PAGE) -> Iterator[Row]:
    """Yield failed runs, dead letters and uncertain effects of an organization.

    The newest first. One query for each `page` rows.
    """
    return _query(cloud, OF_TENANT, _of_tenant(tenant)[OF_TENANT.pk], since, page)


def kind(row: Row) -> str:
    """Return the kind of a row: `RUN`, `DEAD_LETTER` or `UNCERTAIN`."""
    return str(row["pk"]).partition("#")[0]


def _query(cloud: Cloud, index: Index, partition: str, since: datetime, page: int = PAGE) -> Iterator[Row]:
    rows = table.query(
        cloud,
        STATE,
        f"{index.pk} = :partition AND {index.sk} >= :since",
        {":partition": partition, ":since": clock.iso(since)},
        IndexName=index.name,
        ScanIndexForward=False,
        Limit=page,
    )
    return _unexpired(cloud, rows)


def _unexpired(cloud: Cloud, rows: Iterable[Row]) -> Iterator[Row]:
    # The TTL deletes a row days after it has expired.
    now = cloud.clock.now().timestamp()
    return (row for row in rows if row.get(TTL, now + 1) > now)


def _of_tenant(tenant: str) -> dict[str, str]:
    # As rows show it: any sender can name any tenant.
    return {OF_TENANT.pk: keys.failures_of_tenant(redaction.excerpt(tenant, redaction.SHORT))} if tenant else {}


def _sort_key(job: str, at: datetime) -> dict[str, str]:
    return {FAILURES.sk: f"{clock.iso(at)}#{job}"}
