"""Invariants of claim items, checked at each write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from shared.store import keys

if TYPE_CHECKING:
    from proof.world.dynamodb import MemoryDynamoDb
    from proof.world.process import Process
    from proof.world.world import World

CLAIMS = keys.claims("")


class ClaimWatch:
    """The state table, with each write of a claim item checked.

    It has the interface of a service in memory.
    """

    def __init__(self, world: World, database: MemoryDynamoDb, table: str) -> None:
        self.world = world
        self.database = database
        self.table = table
        #: Invariants that a write has violated, for people.
        self.violations: list[str] = []
        #: The process of each run that has claimed an item.
        self.owners: dict[str, Process] = {}
        #: The processes that have claimed an item.
        self._claimants: WeakSet[Process] = WeakSet()

    def clear(self) -> None:
        self.violations.clear()
        self.owners.clear()
        self._claimants.clear()

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Perform an operation. Raises ClientError."""
        key = self._claim_key(operation, request)
        if key is None:
            return self.database.call(operation, request)
        before = self._item(key)
        answer = self.database.call(operation, request)
        self._check(f"{key['pk']['S']}/{key['sk']['S']}", before, self._item(key))
        return answer

    def _claim_key(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if operation != "UpdateItem" or request["TableName"] != self.table:
            return None
        key: Mapping[str, Any] = request["Key"]
        return key if key["pk"]["S"].endswith(CLAIMS) else None

    def _item(self, key: Mapping[str, Any]) -> Mapping[str, Any]:
        item: Mapping[str, Any] = self.database.call("GetItem", {"TableName": self.table, "Key": key}).get("Item", {})
        return item

    def _check(self, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        process = self.world.processes[-1]
        claimed = _text(after, "holder")
        if claimed and claimed != _text(before, "holder"):
            self.owners[claimed] = process
            self._claimants.add(process)
        if int(_text(after, "fence") or 0) < int(_text(before, "fence") or 0):
            self._report(f"{name}: the fence fell from {_text(before, 'fence')} to {_text(after, 'fence')}")
        if _text(after, "last") < _text(before, "last"):
            self._report(f"{name}: the last tick fell from {_text(before, 'last')} to {_text(after, 'last')}")
        self._check_holder(name, before, after, process)
        self._check_writer(name, before, after, process)

    def _check_holder(self, name: str, before: Mapping[str, Any], after: Mapping[str, Any], process: Process) -> None:
        """No lease is taken while its process has time."""
        holder = _text(before, "holder")
        owner = self.owners.get(holder)
        if not holder or holder == _text(after, "holder") or owner is None or owner is process:
            return
        if owner in self.world.processes and self.world.clock.now() < owner.stopped_at:
            self._report(f"{name}: run {holder} lost its lease while its process had time")

    def _check_writer(self, name: str, before: Mapping[str, Any], after: Mapping[str, Any], process: Process) -> None:
        """A status is written by the holder or a watcher.

        Also by a run before its claim: it records the end of another one, or that its job is switched off.
        """
        run = _text(before, "run")
        if process not in self._claimants:
            return
        if before.get("status") == after.get("status") or not run or process.job != _job_of(name, self.world):
            return
        if self.owners.get(run) not in (None, process):
            self._report(f"{name}: a run that had lost its lease wrote the status of run {run}")

    def _report(self, violation: str) -> None:
        self.violations.append(violation)


def _job_of(name: str, world: World) -> str:
    key = name.partition(CLAIMS)[0]
    return next((job.name for job in world.jobs.values() if job.key == key), "")


def _text(item: Mapping[str, Any], attribute: str) -> str:
    value = item.get(attribute, {})
    return str(value.get("S", value.get("N", "")))
