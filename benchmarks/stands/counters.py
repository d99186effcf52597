"""Stand-in for DynamoDB that stores rows and responds after a fixed time.

    python -m benchmarks.stands.counters [SECONDS]

It prints its port, then serves PutItem, GetItem, UpdateItem (ADD, DELETE, SET, and conditions of `=`, `contains` and
`attribute_not_exists`, as the consumers write them), TransactWriteItems of such updates, and Query (always empty).
`GET /` returns calls, write units as DynamoDB bills them, and all rows. Source of the units: the developer guide, "Read
and write operations".
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from typing import Any

from benchmarks.stands.rows import LATENCY, Connection

KIB = 1024
CLAUSE = re.compile(r"\b(ADD|SET|DELETE|REMOVE)\b")
IF_MISSING = re.compile(r"if_not_exists\(([#\w]+), (:\w+)\)")
ABSENT = re.compile(r"attribute_not_exists\(([#\w]+)\)")
CONTAINED = re.compile(r"NOT contains\(([#\w]+), (:\w+)\)")
EQUAL = re.compile(r"([#\w]+) = (:\w+)")
Item = dict[str, Any]


class Rows:
    """What `benchmarks.stands.rows.Connection` serves."""

    def __init__(self) -> None:
        self.rows: dict[str, Item] = {}
        self.calls: Counter[str] = Counter()
        self.units = 0

    def answer(self, target: bytes, body: bytes) -> bytes:
        name, asked = target.rpartition(b".")[2].decode(), json.loads(body)
        self.calls[name] += 1
        match name:
            case "GetItem":
                found = self.rows.get(_key(asked["TableName"], asked["Key"]))
                return json.dumps({"Item": found} if found else {}).encode()
            case "PutItem":
                key = _key(asked["TableName"], asked["Item"])
                self.units += _units(asked["Item"])
                if "ConditionExpression" in asked and key in self.rows:
                    return _refused(self.rows[key])
                self.rows[key] = asked["Item"]
                return b"{}"
            case "UpdateItem":
                return self._update(asked)
            case "TransactWriteItems":
                return self._transact([item["Update"] for item in asked["TransactItems"]])
            case "Query":
                return b'{"Items":[],"Count":0,"ScannedCount":0}'
        return b"{}"

    def _update(self, asked: Item) -> bytes:
        key = _key(asked["TableName"], asked["Key"])
        before = self.rows.get(key, {})
        if not _holds(before, asked):
            self.units += _units(before)
            return _refused(before)
        after = _updated({**asked["Key"], **before}, asked)
        self.units += max(_units(before), _units(after))
        self.rows[key] = after
        return json.dumps({"Attributes": after} if asked.get("ReturnValues") == "ALL_NEW" else {}).encode()

    def _transact(self, updates: list[Item]) -> bytes:
        """Perform updates together, for twice the units."""
        rows = [self.rows.get(_key(each["TableName"], each["Key"]), {}) for each in updates]
        held = [_holds(row, each) for row, each in zip(rows, updates, strict=True)]
        if all(held):
            units = self.units
            for each in updates:
                self._update(each)
            self.units += self.units - units
            return b"{}"
        self.units += 2 * sum(map(_units, rows))
        failed = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
        reasons = [
            {"Code": "None"} if holds else {**failed, "Item": row} for holds, row in zip(held, rows, strict=True)
        ]
        kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
        return json.dumps({"__type": kind, "message": "cancelled", "CancellationReasons": reasons}).encode()

    def report(self) -> bytes:
        units, self.units = self.units, 0
        return json.dumps({"calls": self.calls, "units": units, "rows": self.rows}).encode()


def _holds(item: Item, asked: Item) -> bool:
    names, values = asked.get("ExpressionAttributeNames", {}), asked.get("ExpressionAttributeValues", {})
    condition = asked.get("ConditionExpression", "")
    if " OR " in condition:
        # Status items and similar rows, which have one writer here.
        return True
    absent = all(names.get(name, name) not in item for name in ABSENT.findall(condition))
    fresh = all(
        values[value]["S"] not in item.get(names.get(name, name), {}).get("SS", ())
        for name, value in CONTAINED.findall(condition)
    )
    equal = all(item.get(names.get(name, name)) == values[value] for name, value in EQUAL.findall(condition))
    return absent and fresh and equal


def _updated(item: Item, asked: Item) -> Item:
    names, values = asked.get("ExpressionAttributeNames", {}), asked.get("ExpressionAttributeValues", {})
    parts = CLAUSE.split(asked["UpdateExpression"])
    for verb, text in zip(parts[1::2], parts[2::2], strict=True):
        for each in re.split(r",\s*(?![^(]*\))", text.strip()):
            words = each.replace(" = ", " ").split(" ", 1)
            name = names.get(words[0], words[0])
            if verb == "SET":
                missing = IF_MISSING.fullmatch(words[1])
                if not missing or name not in item:
                    item[name] = values[missing[2] if missing else words[1]]
            elif verb == "ADD":
                item[name] = _added(item.get(name), values[words[1]])
            elif verb == "DELETE":
                left = sorted({*item.get(name, {}).get("SS", ())} - {*values[words[1]]["SS"]})
                item.pop(name, None)
                item |= {name: {"SS": left}} if left else {}
            else:
                item.pop(name, None)
    return item


def _added(before: Item | None, more: Item) -> Item:
    if "SS" in more:
        return {"SS": sorted({*(before or {}).get("SS", ()), *more["SS"]})}
    return {"N": str(int((before or {"N": "0"})["N"]) + int(more["N"]))}


def _refused(item: Item) -> bytes:
    kind = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
    return json.dumps({"__type": kind, "message": "The conditional request failed", "Item": item}).encode()


def _key(table: str, item: Item) -> str:
    return f"{table}/" + "/".join(item[name]["S"] for name in ("pk", "sk", "id") if name in item)


def _units(item: Item) -> int:
    return max(1, -(-sum(len(name.encode()) + _size(value) for name, value in item.items()) // KIB))


def _size(attribute: Item) -> int:
    [(kind, value)] = attribute.items()
    if kind == "SS":
        return sum(len(text.encode()) for text in value)
    if kind == "N":
        return (len(value) + 1) // 2 + 1
    return len(json.dumps(value))


class Answering(Connection):
    """With the status that a refusal has."""

    def _send(self, body: bytes) -> None:
        if body.startswith(b'{"__type"'):
            self.transport.write(
                b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: 0\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body) + body
            )
            return
        super()._send(body)


async def serve(latency: float) -> None:
    rows: Any = Rows()
    server = await asyncio.get_running_loop().create_server(lambda: Answering(rows, latency), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) if len(sys.argv) > 1 else LATENCY))
