"""Webhooks delivered per second, as a share of the possible rate.
python -m benchmarks.webhooks [--rounds 3] [--dead 12]

Runs webhook-retry as a tick does, against a store that responds after 5 ms and a receiver that takes 50 ms: each
delivery is signed, its address checked, its row updated. Then again with deliveries to a receiver that never responds:
the delay of the others. Ratios are taken within a round, and their median counts. Store, receivers and caller are
separate processes. Exit code 1 if a bound is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import importlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from shared.tables import DUE

ROOT = Path(__file__).resolve().parent.parent
LATENCY = 0.05
DELIVERIES = 1_200
DEAD = 12
# Bounds: share of the possible rate, and delay of others by an unresponsive receiver.
SHARE, LATER = 0.85, 1.05
SECRET = "whsec_" + base64.b64encode(b"benchmarks sign with this").decode()
OLD = "2026-01-01T00:00:00.000Z"


class Deliveries:
    """Tables of the store: due deliveries, some to an unresponsive receiver."""

    def __init__(self, rows: int, dead: int, url: str) -> None:
        self.rows = rows
        self.every = rows // dead if dead else 0
        self.url = url
        self.calls: Counter[str] = Counter()
        self.shards: dict[str, list[int]] = {partition: [] for partition in DUE.partitions()}
        for row in range(rows):
            self.shards[_shard(row)].append(row)

    def answer(self, target: bytes, body: bytes) -> bytes:
        name = target.rpartition(b".")[2].decode()
        self.calls[name] += 1
        if name == "Query":
            return self._query(json.loads(body))
        if name == "BatchGetItem":
            return self._rows(json.loads(body)["RequestItems"])
        return b"{}"

    def _query(self, asked: dict[str, Any]) -> bytes:
        if "IndexName" not in asked:
            return b'{"Items":[],"Count":0,"ScannedCount":0}'
        shard = asked["ExpressionAttributeValues"][":partition"]["S"]
        after = int(asked["ExclusiveStartKey"]["sk"]["S"][1:]) if "ExclusiveStartKey" in asked else -1
        found = [row for row in self.shards[shard] if row > after][: asked["Limit"]]
        items = [{**_key(row), "due": {"S": shard}, "due_at": {"S": OLD}} for row in found]
        last = {"LastEvaluatedKey": items[-1]} if len(found) == asked["Limit"] else {}
        return json.dumps({"Items": items, "Count": len(items), "ScannedCount": len(items), **last}).encode()

    def _rows(self, asked: dict[str, Any]) -> bytes:
        [(table, keys)] = asked.items()
        made = self._delivery if table.endswith("deliveries") else self._webhook
        items = [made(key["sk"]["S"]) for key in keys["Keys"]]
        return json.dumps({"Responses": {table: items}, "UnprocessedKeys": {}}).encode()

    def _delivery(self, key: str) -> dict[str, Any]:
        number = int(key[1:])
        dead = self.every and number % self.every == 0
        webhook = "dead" if dead else f"w{number % 200}"
        said = {
            "created_at": OLD,
            "next_attempt_at": OLD,
            "state": "queued",
            "event": "alias.created",
            "webhook": webhook,
        }
        texts = {**said, "last_error": "", "body": '{"type":"alias.created"}', "due_at": OLD}
        numbers = {name: {"N": "0"} for name in ("attempts", "status")}
        places = {"due": {"S": _shard(number)}, "v": {"N": "1"}}
        return {**_key(number), **{name: {"S": text} for name, text in texts.items()}, **numbers, **places}

    def _webhook(self, key: str) -> dict[str, Any]:
        url = f"{self.url}/{'dead' if key == 'dead' else 'hook'}"
        return {"pk": {"S": "u"}, "sk": {"S": key}, "url": {"S": url}, "secrets": {"L": [{"S": SECRET}]}}

    def report(self) -> bytes:
        return json.dumps(self.calls).encode()


def _shard(row: int) -> str:
    return DUE.partition(f"u#d{row:06d}")


def _key(row: int) -> dict[str, Any]:
    return {"pk": {"S": "u"}, "sk": {"S": f"d{row:06d}"}}


class Receiver(asyncio.Protocol):
    """Responds after LATENCY, except on /dead, where it never responds.

    GET returns the time of the last request.
    """

    taken = 0
    last = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, _, body = self.received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if not head or (length and len(body) < int(length[1])) or b"POST /dead " in head:
            return
        if head.startswith(b"GET"):
            self._send(json.dumps([Receiver.taken, Receiver.last]).encode())
            return
        loop = asyncio.get_running_loop()
        loop.call_at(loop.time() + LATENCY, self._take)

    def _take(self) -> None:
        Receiver.taken += 1
        Receiver.last = time.time()
        self._send(b"")

    def _send(self, body: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
            )
            self.transport.close()


async def serve(made: Any) -> None:
    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def store(rows: int, dead: int, url: str) -> None:
    from benchmarks.stands.rows import LATENCY as LATE
    from benchmarks.stands.rows import Connection

    table: Any = Deliveries(rows, dead, url)
    asyncio.run(serve(lambda: Connection(table, LATE)))


def only(rows: int) -> None:
    """Run in this process with warm clients, as in a second invocation."""
    from functions.webhooks.webhook_retry import WebhookRetry
    from shared.aws.cloud import Cloud
    from shared.aws.names import Names
    from shared.observability.log import Log
    from shared.run.firing import Firing
    from shared.run.run import run

    settings = {"WEBHOOK_LOOPBACK": "true", "WEBHOOK_RETRY_MAX_RUNS_PER_TICK": str(rows)}
    cloud = Cloud(Names("benchmark", "000000000000", "us-east-1"), environment=settings)
    for client in (cloud.dynamodb, cloud.bulk):
        client.describe_limits()
    for module in (
        "shared.archetypes.sweep.runner",
        "shared.product.records.outgoing",
        "shared.http.webhook",
        "standardwebhooks",
    ):
        importlib.import_module(module)
    began = time.time()
    report = run(WebhookRetry(), Firing("webhook-retry", datetime.now(UTC)), cloud, Log(lambda _: None))
    print(json.dumps({"began": began, "ended": time.time(), "counts": report.counts, "width": WebhookRetry.width}))
    sys.stdout.flush()
    os._exit(0)


def measured(rows: int, dead: int) -> tuple[float, int]:
    """Seconds until the last possible delivery, and the number of concurrent ones."""
    with _process("--receive") as receiving:
        url = f"http://127.0.0.1:{_port(receiving)}"
        with _process("--store", str(rows), str(dead), url) as storing:
            endpoint = f"http://127.0.0.1:{_port(storing)}"
            given = {"AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": "us-east-1", "HOME": "/nonexistent"}
            keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example"}
            try:
                command = [sys.executable, "-m", "benchmarks.webhooks", "--only", str(rows)]
                path = {"PATH": os.environ.get("PATH", os.defpath)}
                done = subprocess.run(
                    command, env={**given, **keys, **path}, cwd=ROOT, capture_output=True, text=True, check=False
                )
                if done.returncode:
                    raise SystemExit(f"{rows:,} deliveries: {done.stderr}")
                with urllib.request.urlopen(url) as answer:
                    taken, last = json.load(answer)
            finally:
                storing.kill()
                receiving.kill()
    told = json.loads(done.stdout.splitlines()[-1])
    assert taken == rows - dead == told["counts"]["settled"], (taken, told)
    return last - told["began"], told["width"]


def _process(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.webhooks", *words], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def _port(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def main(rounds: int, dead: int) -> list[str]:
    shares, later, rates = [], [], []
    width = 0
    for _ in range(rounds):
        alone, width = measured(DELIVERIES, 0)
        beside, _ = measured(DELIVERIES + dead, dead)
        rates.append(DELIVERIES / alone)
        shares.append(rates[-1] / (width / LATENCY))
        later.append(beside / alone)
    share, late = median(shares), median(later)
    print(f"{median(rates):,.0f} deliveries/s, {width} at once to a receiver that takes {LATENCY * 1000:.0f} ms")
    print(f"{share:.0%} of what is possible (at least {SHARE:.0%}): {', '.join(f'{each:.0%}' for each in shares)}")
    print(
        f"{late - 1:+.1%} for the others beside a dead one (at most {LATER - 1:+.0%}): "
        f"{', '.join(f'{each - 1:+.1%}' for each in later)}"
    )
    faults = [] if share >= SHARE else [f"only {share:.0%} of what is possible"]
    return faults if late <= LATER else [*faults, f"a dead receiver costs the others {late - 1:+.1%}"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.webhooks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dead", type=int, default=DEAD, help="deliveries to the receiver that never answers")
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--store", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.receive:
        asyncio.run(serve(Receiver))
    elif args.store:
        store(int(args.store[0]), int(args.store[1]), args.store[2])
    elif args.only:
        only(args.only)
    else:
        sys.exit("\n".join(main(args.rounds, args.dead)) or 0)
