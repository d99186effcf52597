"""Stand-in for DynamoDB that responds to everything after a fixed time.

    python -m benchmarks.stands.rows ROWS PARTITIONS [SECONDS]

It prints its port, then serves a table of ROWS old rows in an age index of PARTITIONS partitions. Deletions are stored;
other writes are accepted and ignored. `GET /` returns the number of calls and of rows left. It has neither DynamoDB's
work, so that the caller is measured, nor its limits.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import zlib
from collections import Counter
from typing import Any

LATENCY = 0.005
# DynamoDB ends a page at a megabyte; a row of such an index has about 100 bytes.
PAGE = 10_000
KEY = re.compile(rb'"hold#(\d+)"')
OLD = "2020-01-01T00:00:00.000Z"


class Table:
    def __init__(self, rows: int, partitions: int) -> None:
        self.rows = rows
        self.partitions = partitions
        self.there = bytearray(b"\1") * rows
        self.calls: Counter[str] = Counter()

    def answer(self, target: bytes, body: bytes) -> bytes:
        name = target.rpartition(b".")[2].decode()
        self.calls[name] += 1
        match name:
            case "BatchWriteItem":
                for found in KEY.findall(body):
                    self.there[int(found)] = 0
                return b'{"UnprocessedItems":{}}'
            case "DeleteItem":
                for found in KEY.findall(body)[:1]:
                    self.there[int(found)] = 0
                return b"{}"
            case "Query":
                return self._query(json.loads(body))
            case "Scan":
                return self._page(json.loads(body), 0, 1)
            case _:
                return b"{}"

    def _query(self, asked: dict[str, Any]) -> bytes:
        if "IndexName" not in asked:
            return b'{"Items":[],"Count":0,"ScannedCount":0}'
        values = [value["S"] for value in asked["ExpressionAttributeValues"].values()]
        number = next(int(value) for value in values if value.isdecimal())
        return self._page(asked, number, self.partitions)

    def _page(self, asked: dict[str, Any], first: int, step: int) -> bytes:
        start = asked.get("ExclusiveStartKey")
        row = int(start["pk"]["S"][5:]) + step if start else first
        most, items = asked.get("Limit", PAGE), list[int]()
        while row < self.rows and len(items) < most:
            if self.there[row]:
                items.append(row)
            row += step
        more = row < self.rows or len(items) == most
        last = f',"LastEvaluatedKey":{self._item(items[-1])}' if more and items else ""
        shown = "" if asked.get("Select") == "COUNT" else ",".join(map(self._item, items))
        return f'{{"Items":[{shown}],"Count":{len(items)},"ScannedCount":{len(items)}{last}}}'.encode()

    def _item(self, row: int) -> str:
        aged = f'"aged":{{"S":"{row % self.partitions:02d}"}},"since":{{"S":"{OLD}"}}'
        return f'{{"pk":{{"S":"hold#{row:09d}"}},"sk":{{"S":"-"}},{aged}}}'

    def report(self) -> bytes:
        return json.dumps({"calls": self.calls, "left": self.there.count(1)}).encode()


class Connection(asyncio.Protocol):
    def __init__(self, table: Table, latency: float) -> None:
        self.table = table
        self.latency = latency
        self.received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.received[:end])
            headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
            named = {name.lower(): value for name, value in headers.items()}
            length = int(named.get(b"content-length", 0))
            if len(self.received) < end + 4 + length:
                return
            body = bytes(self.received[end + 4 : end + 4 + length])
            del self.received[: end + 4 + length]
            if head.startswith(b"GET"):
                self._send(self.table.report())
                self.table.calls.clear()
            else:
                # Measured from the request's arrival: building the response must not add latency.
                due = asyncio.get_running_loop().time() + self.latency
                made = self.table.answer(named[b"x-amz-target"], body)
                asyncio.get_running_loop().call_at(due, self._send, made)

    def _send(self, body: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: 0\r\n"
            b"x-amz-crc32: %d\r\nContent-Length: %d\r\n\r\n" % (zlib.crc32(body), len(body)) + body
        )


async def serve(rows: int, partitions: int, latency: float) -> None:
    table = Table(rows, partitions)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(table, latency), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else LATENCY))
