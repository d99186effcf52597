"""DynamoDB's TTL in a simulation: expired rows are deleted, some late."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from shared.tables import TABLES, TTL

if TYPE_CHECKING:
    from proof.simulation.simulated_world import SimulatedWorld

INTERVAL = timedelta(hours=1)
# Share of the expired rows that one look deletes. AWS promises a few days.
SHARE = 0.7


class Expiry:
    """Deletes expired rows each hour."""

    def __init__(self, world: SimulatedWorld, seed: str) -> None:
        self.world = world
        self.random = Random(seed)
        self.deleted = 0

    def begin(self) -> None:
        self.world.plan(self.world.clock.now() + INTERVAL, self._delete)

    def _delete(self) -> None:
        now = self.world.clock.now().timestamp()
        for table in TABLES:
            name = self.world.names.table(table.name)
            for row in self.world.dynamodb.shared_rows(table.name):
                expires = row.get(TTL, {}).get("N")
                if expires and float(expires) < now and self.random.random() < SHARE:
                    key = {table.pk: row[table.pk], table.sk: row[table.sk]}
                    self.world.dynamodb.call("DeleteItem", {"TableName": name, "Key": key})
                    self.deleted += 1
        self.begin()
