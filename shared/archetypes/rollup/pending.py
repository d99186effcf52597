"""Pending sums: what a rollup could not add for single owners.

An owner whose sums cannot be added, such as one with text in place of a number, does not stop the others. Its part of
the window is stored, and added by the next run that can. Windows of an owner are added in order: while one of them is
pending, later ones are stored too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

from shared.archetypes.rollup.periods import Days
from shared.aws import permissions
from shared.aws.names import STATE
from shared.aws.permissions import Grant
from shared.store import keys, table
from shared.tables import STATE as STATE_TABLE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.run.context import RunContext
    from shared.run.owner_failures import OwnerFailures

# Adds the sums of an owner by day, once for the window of this end.
Add = Callable[[str, Days, str], Any]


def reading(job: str) -> Grant:
    """Permission to read the pending sums of a job."""
    return permissions.read_rows(STATE, keys.pending_sums(job))


def writing(job: str) -> Grant:
    """Permission to store and delete the pending sums of a job."""
    return permissions.write_rows(STATE, keys.pending_sums(job))


def owners(cloud: Cloud, job: str) -> set[str]:
    """Read the owners with pending sums."""
    return {row["owner"] for row in _rows(cloud, job)}


class PendingSums:
    """The pending sums of one run."""

    def __init__(self, run: RunContext, failures: OwnerFailures) -> None:
        self.run = run
        self.failures = failures
        self._owners: set[str] = set()

    def __contains__(self, owner: str) -> bool:
        return owner in self._owners

    def add(self, add: Add) -> None:
        """Add what earlier runs stored.

        The oldest window of each owner is the first.
        """
        for row in _rows(self.run.cloud, self.run.job.name):
            owner = row["owner"]
            if owner in self._owners:
                continue
            with self.failures.isolate(owner):
                add(owner, {date.fromisoformat(day): sums for day, sums in row["days"].items()}, row["end"])
                table.delete(self.run.cloud, STATE_TABLE, keys.RowKey(row["pk"], row["sk"]))
            if owner in self.failures:
                self._owners.add(owner)

    def store(self, owner: str, days: Days, end: str) -> None:
        """Store an owner's part of a window.

        A repeated window has the same rows, and so the same part.
        """
        self._owners.add(owner)
        key = keys.pending_sum(self.run.job.name, owner, end)
        sums = {f"{day}": list(numbers) for day, numbers in days.items()}
        table.put(self.run.cloud, STATE_TABLE, {**key.attributes, "owner": owner, "end": end, "days": sums})


def _rows(cloud: Cloud, job: str) -> Iterator[dict[str, Any]]:
    return table.query(cloud, STATE_TABLE, "pk = :pk", {":pk": keys.pending_sums(job)}, ConsistentRead=True)
