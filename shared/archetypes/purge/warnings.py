"""Rows whose owners were warned of deletion.

They age from the warning on, in partitions of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from shared import clock
from shared.store import table

if TYPE_CHECKING:
    from shared.run.context import RunContext
    from shared.store.age_index import AgeIndex, Row

KIND = "warned"
# A run that starts this soon after its tick counts as started at it: jitter must not delay an hourly job by an hour.
JITTER = timedelta(minutes=5)


def partition(name: str) -> str:
    """Partition of the warned rows of a partition: `07` -> `warned#07`."""
    return f"{KIND}#{name}"


def partitions(names: Iterable[str]) -> list[str]:
    return [partition(name) for name in names]


def is_marked(row: Row) -> bool:
    return row.partition.startswith(f"{KIND}#")


def ages_from(run: RunContext) -> str:
    """Timestamp from which rows age whose owners are warned by this run."""
    return clock.iso(run.started if run.started - run.at > JITTER else run.at)


def mark(run: RunContext, source: AgeIndex, row: Row, at: str) -> bool:
    """Let the row age from `at`; False if it has changed.

    It may have changed since it was read because its owner acted.
    """
    partition_name, since_name = source.keys
    warned = partition(row.partition)
    return table.update_if(
        run.cloud,
        source.table,
        row.key,
        "SET #partition = :warned, #since = :at",
        {":was": row.partition, ":since": row.since, ":warned": warned, ":at": at},
        "#partition = :was AND #since = :since",
        names={"#partition": partition_name, "#since": since_name},
        won=lambda item: (item.get(partition_name), item.get(since_name)) == (warned, at),
    )
