"""Seconds and calls of a probe, beside the looks alone.
python -m benchmarks.probes [--rounds 3] [--hosts 300]

Every host answers after 200 ms, DynamoDB and S3 after 5 ms. The looks alone are the same visits by the same threads,
whose results are dropped. Each measurement is another process. Ratios are taken within a round; the median counts.
Then the calls of ten hosts whose pointers are known. Exit code 1 if a bound is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, ClassVar

ROOT = Path(__file__).resolve().parent.parent
LOOK, STORE = 0.2, 0.005
# Bounds: multiple of the looks alone, calls for each host, and further calls of a run.
RATIO, CALLS, FIXED = 1.3, 3, 5
FEW = 10
HEAD = b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: "e"\r\nContent-Type: text/html\r\n\r\n'
POINTER = {"L": [{"S": "2020-01-01T00:00:00.000Z"}, {"S": '"e"'}]}
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
TARGET = re.compile(rb"x-amz-target: \S+\.(\w+)", re.IGNORECASE)


class Site(asyncio.Protocol):
    """Server of a page, and of what probes call.

    It stores nothing. Each host has a pointer of an earlier run.
    """

    calls: ClassVar[Counter[str]] = Counter()
    latency = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, _, body = self.received.partition(b"\r\n\r\n")
            found = LENGTH.search(head)
            length = int(found[1]) if found else 0
            if len(body) < length:
                if b"100-continue" in head and not body:
                    self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            self.received = body[length:]
            loop = asyncio.get_running_loop()
            loop.call_at(loop.time() + self.latency, self._send, self._answer(head, body[:length]))

    def _send(self, body: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(
                b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: "e"\r\nContent-Type: text/html\r\n\r\n' % len(body)
                + body
            )

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"GET /calls "):
            made = json.dumps(self.calls).encode()
            self.calls.clear()
            return made
        target = TARGET.search(head)
        name = target[1].decode() if target else head.partition(b" ")[0].decode()
        self.calls[name] += 1
        if name == "BatchGetItem":
            [(table, asked)] = json.loads(body)["RequestItems"].items()
            found = [{**key, "latest": POINTER} for key in asked["Keys"]]
            return json.dumps({"Responses": {table: found}, "UnprocessedKeys": {}}).encode()
        if name == "Query":
            return b'{"Items":[],"Count":0,"ScannedCount":0}'
        if name == "PUT":
            return b""
        return b"{}" if target else b"hello"


async def serve(latency: float, hosts: int) -> None:
    """Serve on as many loopback addresses, one port."""
    Site.latency = latency
    loop = asyncio.get_running_loop()
    addresses = [f"127.0.{number // 250}.{number % 250 + 1}" for number in range(hosts)]
    server = await loop.create_server(Site, addresses[0], 0, backlog=512)
    port = server.sockets[0].getsockname()[1]
    servers = [server, *[await loop.create_server(Site, each, port, backlog=512) for each in addresses[1:]]]
    print(port, flush=True)
    await asyncio.gather(*(each.serve_forever() for each in servers))


def only(way: str, hosts: int, port: int) -> None:
    """Run in this process with warm clients, as in a second invocation."""
    from shared.archetypes.probe import HttpResponse, Probe, Verdict
    from shared.archetypes.probe import recorder as recording
    from shared.aws.cloud import Cloud
    from shared.aws.names import Names
    from shared.job import hourly
    from shared.observability.log import Log
    from shared.run.firing import Firing
    from shared.run.run import run

    class Look(Probe):
        """Check that a host answers."""

        name = "look"
        schedule = hourly(minute=0)
        timeout = 300
        rate = 1000

        def judge(self, answer: HttpResponse) -> Verdict:
            return Verdict(answer.status == 200)

    if way == "looks":
        record = recording.HostRecorder._record
        recording.HostRecorder._record = lambda *_: Verdict(True)  # type: ignore[method-assign]
        assert record is not recording.HostRecorder._record
    urls = [f"http://127.0.{number // 250}.{number % 250 + 1}:{port}" for number in range(hosts)]
    settings = {"BASE_URLS": json.dumps(urls), "LOOK_MAX_RUNS_PER_TICK": str(hosts)}
    cloud = Cloud(Names("benchmark", "000000000000", "us-east-1"), environment=settings)
    for client in (cloud.dynamodb, cloud.bulk):
        client.describe_limits()
    _ = cloud.s3
    _calls()
    began, cpu = time.perf_counter(), time.process_time()
    report = run(Look(), Firing("look", datetime.now(UTC)), cloud, Log(lambda _: None))
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    assert report.counts.get("ok") == hosts, report
    print(json.dumps({"seconds": took, "cpu": cpu, "calls": _calls()}))
    sys.stdout.flush()
    os._exit(0)


def _calls() -> dict[str, int]:
    import urllib.request

    with urllib.request.urlopen(f"{os.environ['AWS_ENDPOINT_URL']}/calls") as answer:
        return json.load(answer)  # type: ignore[no-any-return]


def measured(way: str, hosts: int) -> dict[str, Any]:
    with _server(LOOK, hosts) as looking, _server(STORE, 1) as storing:
        try:
            port = _port(looking)
            environment = {
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": "/nonexistent",
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{_port(storing)}",
                "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
                "AWS_SECRET_ACCESS_KEY": "example",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
            words = [way, str(hosts), port]
            command = [sys.executable, "-m", "benchmarks.probes", "--only", *words]
            done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        finally:
            looking.kill()
            storing.kill()
    if done.returncode:
        raise SystemExit(f"{way}, {hosts} hosts: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def _server(latency: float, hosts: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.probes", "--serve", str(latency), str(hosts)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def _port(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def main(rounds: int, hosts: int) -> list[str]:
    ratios = []
    for _ in range(rounds):
        whole, looks = measured("whole", hosts)["seconds"], measured("looks", hosts)["seconds"]
        ratios.append(whole / looks)
        print(f"{hosts} hosts: {whole:.1f} s, the looks alone {looks:.1f} s")
    calls = measured("whole", FEW)["calls"]
    total = sum(calls.values())
    print(
        f"{median(ratios):.2f} times the looks alone (at most {RATIO}): {', '.join(f'{each:.2f}' for each in ratios)}"
    )
    print(f"{FEW} hosts: {total} calls, {CALLS} each and {total - CALLS * FEW} more (at most {FIXED}): {calls}")
    faults = [f"{median(ratios):.2f} times the looks alone"] if median(ratios) > RATIO else []
    return [*faults, f"{total} calls for {FEW} hosts"] if total > CALLS * FEW + FIXED else faults


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.probes")
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison (default: 3)")
    parser.add_argument("--hosts", type=int, default=300, help="number of hosts (default: 300)")
    parser.add_argument("--only", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    args = parse()
    if args.serve:
        asyncio.run(serve(float(args.serve[0]), int(args.serve[1])))
    elif args.only:
        only(args.only[0], *map(int, args.only[1:]))
    else:
        sys.exit("\n".join(main(args.rounds, args.hosts)) or 0)
