"""Bulk jobs against a store that throttles, resets connections and answers slowly: all is done, once."""

from __future__ import annotations

import math
from typing import Any

from functions.flags._counters import UsageCounters
from functions.flags._usage_batch import UsageBatch
from shared.aws import attributes
from shared.messages.tenant import Tenant
from shared.store.age_index import AgeIndex, ExpiredRows
from shared.store.batch_write import BATCH
from shared.store.bulk_delete import BulkDeleter
from shared.store.bulk_put import BulkWriter
from shared.tables import METERS, Index, Table
from tests.support.faulty_dynamodb import faulty_dynamodb

TABLE = Table("holds", "held messages", indexes=(Index("aged", "aged", "since", shards=2),))
ROWS = 1000
# Requests that a job makes, of those that it needs: see docs/explain/proof.md.
AMPLIFICATION = 2.3
OLD = "2020-01-01T00:00:00.000Z"


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"pk": f"hold#{number}", "sk": "-", **more}


def test_a_purge_deletes_every_row() -> None:
    with faulty_dynamodb((TABLE,)) as (faulty, cloud):
        rows = [
            {"pk": f"hold#{number}", "sk": "-", "aged": f"{number % 2:02d}", "since": OLD} for number in range(ROWS)
        ]
        faulty.database.load(TABLE.name, map(attributes.row, rows))
        expired = ExpiredRows(cloud, AgeIndex(TABLE, TABLE.indexes[0]), ("00", "01"), "2021-01-01T00:00:00.000Z")
        with BulkDeleter(cloud, TABLE) as deleter:
            deleter.add(expired.rows())
        assert deleter.gone == ROWS
        assert faulty.database.rows(TABLE.name) == []
        assert faulty.requests["BatchWriteItem"] < AMPLIFICATION * ROWS / BATCH


def test_new_rows_are_written_and_existing_ones_left() -> None:
    with faulty_dynamodb((TABLE,)) as (faulty, cloud):
        first = attributes.row(row(7, first=True))
        faulty.database.load(TABLE.name, [first])
        with BulkWriter(cloud, TABLE) as writer:
            for number in range(ROWS):
                writer.add(row(number))
        assert (writer.written, writer.there) == (ROWS - 1, 1)
        assert len(faulty.database.rows(TABLE.name)) == ROWS
        assert faulty.database.item(TABLE.name, "hold#7", "-") == attributes.row(
            {"pk": "hold#7", "sk": "-", "first": True}
        )


def test_usage_is_counted_once_per_batch() -> None:
    """Also where the answer to a transaction that was performed is lost."""
    tenant, counters, batches = Tenant("org_1"), UsageCounters(), 600
    with faulty_dynamodb((METERS,)) as (faulty, cloud):
        for start in range(0, batches, 5):
            group = [
                UsageBatch(f"batch-{number}", [{"2026-03#exports": 1, "2026-03-02#exports": 1}], "content")
                for number in range(start, start + 5)
            ]
            assert counters.add(cloud, tenant, group) == []
        row = attributes.plain(faulty.database.item(METERS.name, "org_1#month#2026-03", "-"))
        assert row["2026-03#exports"] == row["2026-03-02#exports"] == batches
        assert faulty.performed["TransactWriteItems"] > math.ceil(batches / 5), "no performed request lost its answer"
        assert faulty.requests["TransactWriteItems"] < AMPLIFICATION * batches / 5
