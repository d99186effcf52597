"""CPU of a call to DynamoDB in memory, beside moto's.
python -m benchmarks.memory_dynamodb [--rounds 6]

The row is a job's status row, the update its claim: a condition of seven comparisons, four changes. A row of
`deliveries` is in an index. Figures are microseconds of CPU per call, measured in turn with moto's. Exit code 1 if a
call is certainly less than LEAST times as fast.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from statistics import median
from typing import Any

from benchmarks.report.figures import Figures, Section
from benchmarks.report.ratio import interleaved, ratio
from proof.world.dynamodb import MemoryDynamoDb
from shared.aws import attributes
from shared.tables import DELIVERIES, STATE

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CALLS = 500
LEAST = {"GetItem": 50.0, "UpdateItem": 50.0}
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
    parser.add_argument("--rounds", type=int, default=6, help="default: 6")
    options = parser.parse_args()
    database = MemoryDynamoDb((STATE, DELIVERIES), str, lambda: NOW)
    figures = Figures(
        "memory_dynamodb",
        "DynamoDB in memory",
        "python -m benchmarks.memory_dynamodb",
        "Processor time of a call to the crash prover's DynamoDB, beside moto's",
    )
    rows = []
    for name, theirs in moto_calls():
        ours = partial(database.call, *REQUESTS[name])
        taken = interleaved({"ours": partial(micros, ours, CALLS), "moto": partial(micros, theirs, 20)}, options.rounds)
        faster = ratio(taken["moto"], taken["ours"])
        rows.append([name, f"{median(taken['ours']):.1f}", f"{median(taken['moto']):,.0f}", str(faster)])
        if name in LEAST and faster.below(LEAST[name]):
            figures.missed.append(f"{name} is {faster} times as fast as moto's; at least {LEAST[name]} is expected")
    columns = ["call", "µs", "µs of moto", "times as fast"]
    figures.sections.append(Section("Calls", "", columns, rows))
    return figures.store()


def micros(call: Callable[[], Any], calls: int) -> float:
    """Microseconds of processor time for each call."""
    began = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - began) / calls * 1e6


def moto_calls() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield each request's name and its call of moto."""
    import boto3
    from botocore import xform_name
    from moto import mock_aws

    from tests.conformance.dynamodb_backends import create

    with mock_aws():
        client = boto3.Session("testing", "testing", region_name="us-east-1").client("dynamodb")
        for table in (STATE, DELIVERIES):
            create(client, table, table.name)
        for name, (operation, request) in REQUESTS.items():
            yield name, partial(getattr(client, xform_name(operation)), **request)


if __name__ == "__main__":
    sys.exit(main())
