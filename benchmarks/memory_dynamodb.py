"""CPU of a call to DynamoDB in memory, beside moto's.
python -m benchmarks.memory_dynamodb [--rounds 5] [--moto]

The row is a job's status row, the update its claim: a condition of seven comparisons, four changes. A row of
`deliveries` is in an index. A figure is microseconds of CPU per call, the best round of 2,000 calls. Exit code 1 if
GetItem takes over 10 µs, or an update over 30.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from proof.world.dynamodb import MemoryDynamoDb
from shared.aws import attributes
from shared.tables import DELIVERIES, STATE

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CALLS, MOTO_CALLS = 2000, 100
MOST = {"GetItem": 10.0, "UpdateItem": 30.0}
KEY = attributes.row({"pk": "job#pricing", "sk": "shop.example"})
ROW = {
    **KEY,
    **attributes.row(
        {
            "state": "done",
            "last": "2026-03-02T11:00:00.000Z",
            "run": "20260302T110000.000Z-1f0c5d3a",
            "fence": 1042,
            "lease_until": 0,
            "streak": 0,
            "at": "2026-03-02T11:00:04.120Z",
            "status": {"ok": True, "at": "2026-03-02T11:00:04.120Z", "ms": 4120, "note": "12 plans, 3 currencies"},
        }
    ),
}
CLAIM = {
    "TableName": "state",
    "Key": KEY,
    "UpdateExpression": "SET #run = :run, holder = :run, lease_until = :until ADD fence :one",
    "ConditionExpression": "(attribute_not_exists(#last) OR #last < :tick OR #last > :ahead) AND "
    "(attribute_not_exists(lease_until) OR lease_until < :now OR lease_until > :impossible) AND "
    "attribute_not_exists(paused)",
    "ExpressionAttributeNames": {"#run": "run", "#last": "last"},
    "ExpressionAttributeValues": {
        f":{name}": attributes.pack(value)
        for name, value in {
            "run": "20260302T120000.000Z-77aa01ce",
            "tick": "2026-03-02T12:00:00.000Z",
            "until": 1,
            "ahead": "2026-03-02T13:00:00.000Z",
            "now": 1772452800,
            "impossible": 1772539200,
            "one": 1,
        }.items()
    },
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}
DELIVERY = {**ROW, **attributes.row({"due": "00", "due_at": "2026-03-02T12:00:00.000Z"})}
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "PutItem": ("PutItem", {"TableName": "state", "Item": ROW}),
    "PutItem with an index": ("PutItem", {"TableName": "deliveries", "Item": DELIVERY}),
    "GetItem": ("GetItem", {"TableName": "state", "Key": KEY, "ConsistentRead": True}),
    "UpdateItem": ("UpdateItem", {**CLAIM, "ReturnValues": "ALL_OLD"}),
    "Query of an index": (
        "Query",
        {
            "TableName": "deliveries",
            "IndexName": "due",
            "KeyConditionExpression": "due = :due AND due_at <= :until",
            "ExpressionAttributeValues": {":due": {"S": "00"}, ":until": {"S": "2027"}},
        },
    ),
    "TransactWriteItems of two": (
        "TransactWriteItems",
        {"TransactItems": [{"Put": {"TableName": "deliveries", "Item": DELIVERY}}, {"Update": CLAIM}]},
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory_dynamodb")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the best counts (default: 5)")
    parser.add_argument("--moto", action="store_true", help="measure moto too, which takes a minute")
    options = parser.parse_args()
    database = MemoryDynamoDb((STATE, DELIVERIES), str, lambda: NOW)
    found = {name: best(partial(database.call, *call), CALLS, options.rounds) for name, call in REQUESTS.items()}
    found["snapshot and restore"] = best(lambda: database.restore(database.snapshot()), CALLS, options.rounds)
    other = moto(options.rounds) if options.moto else {}
    for name, micros in found.items():
        print(f"{name:26} {micros:8.1f} µs{f'   moto {other[name]:8.0f} µs' if name in other else ''}")
    return 1 if any(found[name] > most for name, most in MOST.items()) else 0


def best(call: Callable[[], Any], calls: int, rounds: int) -> float:
    """Microseconds of CPU per call, in the best round."""
    figures = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(calls):
            call()
        figures.append(time.process_time() - began)
    return min(figures) / calls * 1e6


def moto(rounds: int) -> dict[str, float]:
    import boto3
    from botocore import xform_name
    from moto import mock_aws

    from tests.conformance.dynamodb_backends import create

    with mock_aws():
        client = boto3.Session("testing", "testing", region_name="us-east-1").client("dynamodb")
        for table in (STATE, DELIVERIES):
            create(client, table, table.name)
        return {
            name: best(partial(getattr(client, xform_name(operation)), **request), MOTO_CALLS, rounds)
            for name, (operation, request) in REQUESTS.items()
        }


if __name__ == "__main__":
    sys.exit(main())
