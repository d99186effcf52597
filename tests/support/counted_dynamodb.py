"""DynamoDB in memory for one cloud, which counts calls and read units."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from proof.world.dynamodb import MemoryDynamoDb
from proof.world.dynamodb.attribute_values import item_size
from proof.world.memory_clients import MemoryClient
from shared.aws.cloud import Cloud
from shared.tables import Table

UNIT = 4096


class CountedDynamoDb:
    """Replaces the DynamoDB of a cloud while it is used.

    calls: the operations that were called, each with its read units.
    """

    def __init__(self, cloud: Cloud, tables: Sequence[Table]) -> None:
        self.database = MemoryDynamoDb(tables, cloud.names.table, cloud.clock.now)
        self.calls: list[tuple[str, float]] = []
        self._read = 0
        process: Any = SimpleNamespace(process=SimpleNamespace(call=self._call))
        client = MemoryClient(process, "dynamodb", self.database, 1)
        cloud.__dict__["dynamodb"] = cloud.__dict__["bulk"] = client
        # The package has a function of this name.
        self._module: Any = importlib.import_module("proof.world.dynamodb.query")
        self._page = self._module._page
        self._count_pages()

    @property
    def units(self) -> float:
        return sum(units for _, units in self.calls)

    def _count_pages(self) -> None:
        """Note the bytes that a query evaluates, before its filter."""

        def page(rows: Any, limit: int | None) -> Any:
            rows = list(rows)
            items, last = self._page(rows, limit)
            self._read = sum(row.size for row in rows[: len(items)])
            return items, last

        self._module._page = page

    def close(self) -> None:
        self._module._page = self._page

    def _call(self, name: str, perform: Any, _: int) -> Any:
        answer = perform()
        operation, request = perform.args
        units = UNITS.get(operation)
        self.calls.append((operation, units(self, request, answer) if units else 0.0))
        return answer

    def _of_query(self, request: Any, _: Any) -> float:
        return _units(self._read, request.get("ConsistentRead", False))

    def _of_get(self, request: Any, answer: Any) -> float:
        return _units(item_size(answer.get("Item", {})), request.get("ConsistentRead", False))

    def _of_batch(self, request: Any, answer: Any) -> float:
        units = 0.0
        for table, wanted in request["RequestItems"].items():
            items, consistent = answer["Responses"][table], wanted.get("ConsistentRead", False)
            missing = len(wanted["Keys"]) - len(items)
            units += missing * _units(0, consistent) + sum(_units(item_size(item), consistent) for item in items)
        return units


Units = Callable[[CountedDynamoDb, Any, Any], float]
UNITS: dict[str, Units] = {
    "Query": CountedDynamoDb._of_query,
    "GetItem": CountedDynamoDb._of_get,
    "BatchGetItem": CountedDynamoDb._of_batch,
}


def _units(size: int, consistent: bool) -> float:
    return max(math.ceil(size / UNIT), 1) * (1.0 if consistent else 0.5)
