"""Query what failed, by day or organization, through indexes.

Sparse: only rows of runs that were not good, and dead letters and uncertain effects of organizations, have the keys of
an index. So a good run writes no more than without them. Reads are eventually consistent: a row appears within a second
or so.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
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

Row = dict[str, Any]


def keys_of_run(job: str, run_id: str, started: datetime, tenant: str = "") -> dict[str, str]:
    """Return index keys for the row of a bad run."""
    shard = zlib.crc32(run_id.encode()) % FAILURES.shards
    return {FAILURES.pk: keys.failures(started.date(), shard), **_of_tenant(tenant), **_sort_key(job, started)}


def keys_of_tenant(job: str, at: datetime, tenant: str) -> dict[str, str]:
    """Return the index keys for a dead letter or an uncertain effect.

    None without a tenant.
    """
    return {**_of_tenant(tenant), **_sort_key(job, at)} if tenant else {}


def failed_runs(cloud: Cloud, since: datetime) -> Iterator[Row]:
    """Yield history rows of bad runs of all jobs, newest first.

    Four queries for each day.
    """
    day = cloud.clock.now().date()
    while day >= since.date():
        shards = (_query(cloud, FAILURES, keys.failures(day, number), since) for number in range(FAILURES.shards))
        yield from merge(*shards, key=lambda row: row[FAILURES.sk], reverse=True)
        day -= timedelta(days=1)


def of_tenant(cloud: Cloud, tenant: str, since: datetime) -> Iterator[Row]:
    """Yield failed runs, dead letters and uncertain effects of an organization.

    The newest first.

    One query.
    """
    return _query(cloud, OF_TENANT, _of_tenant(tenant)[OF_TENANT.pk], since)


def kind(row: Row) -> str:
    """Return the kind of a row: `RUN`, `DEAD_LETTER` or `UNCERTAIN`."""
    return str(row["pk"]).partition("#")[0]


def _query(cloud: Cloud, index: Index, partition: str, since: datetime) -> Iterator[Row]:
    rows = table.query(
        cloud,
        STATE,
        f"{index.pk} = :partition AND {index.sk} >= :since",
        {":partition": partition, ":since": clock.iso(since)},
        IndexName=index.name,
        ScanIndexForward=False,
        PaginationConfig={"PageSize": PAGE},
    )
    now = cloud.clock.now().timestamp()
    # The TTL deletes a row days after it has expired.
    return (row for row in rows if row.get(TTL, now + 1) > now)


def _of_tenant(tenant: str) -> dict[str, str]:
    # As rows show it: any sender can name any tenant.
    return {OF_TENANT.pk: keys.failures_of_tenant(redaction.excerpt(tenant, redaction.SHORT))} if tenant else {}


def _sort_key(job: str, at: datetime) -> dict[str, str]:
    return {FAILURES.sk: f"{clock.iso(at)}#{job}"}
