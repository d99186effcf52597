"""DynamoDB of a test: boto3's client as it is, without its HTTP request; the answer comes from a store in memory.

The store is held to AWS, moto and the local engine by tests/conformance.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from proof.world.dynamodb import MemoryDynamoDb
from shared.aws.names import Names
from shared.tables import Table


class SimulatedTables:
    """Tables of one deployment, and the event handlers that answer a client's calls from them."""

    def __init__(self, names: Names, now: Callable[[], datetime], tables: Sequence[Table]) -> None:
        self._names = names
        self._lock = threading.RLock()
        self._logical = {names.table(table.name): table.name for table in tables}
        self.database = MemoryDynamoDb(tables, names.table, now)

    def serve(self, client: Any) -> None:
        """Answer all calls of a DynamoDB client."""
        # Last, and for no operation in particular, since botocore calls the most specific handlers first: a handler of
        # a test may change the parameters, or answer or fail the call itself.
        client.meta.events.register_last("before-parameter-build", self._keep_parameters)
        client.meta.events.register_last("before-call", self._answer)

    def add(self, table: Table) -> None:
        """Create an empty table."""
        name = self._names.table(table.name)
        self._logical[name] = table.name
        self.database.add(table, name)

    def _keep_parameters(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["parameters"] = params

    def _answer(self, model: Any, context: dict[str, Any], **_: Any) -> tuple[Any, Mapping[str, Any]]:
        parameters = context.pop("parameters")
        try:
            with self._lock:
                answer = self._call(model.name, parameters)
        except ClientError as error:
            answer = dict(error.response)
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 200)
        answer["ResponseMetadata"] = {
            "HTTPStatusCode": status,
            "HTTPHeaders": {},
            "RequestId": "test",
            "RetryAttempts": 0,
        }
        return SimpleNamespace(status_code=status), answer

    def _call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        if operation == "Scan":
            return self._scan(**parameters)
        return self.database.call(operation, parameters)

    def _scan(self, TableName: str) -> dict[str, Any]:  # noqa: N803 - AWS's name
        """All rows at once; no job scans a table."""
        items = self.database.rows(self._logical[TableName])
        return {"Items": items, "Count": len(items), "ScannedCount": len(items)}
