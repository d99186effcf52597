"""Messages per second of the usage consumer, beside Powertools' idempotent batches.
python -m benchmarks.consumer [--rounds 3]

Both use a store that responds after 5 ms; usage gets batches as it declares them, of one organization and of ten,
Powertools batches of 10. Ratios are taken within a round; the median counts. Powertools gets fewer messages, since its
rate does not depend on their number, and its handler only records them. Then calls and write units per message, for
batches of one organization, of ten, and of one with more features; and whether counters are exact when every message
is delivered twice, one in twenty three times, in any order. Exit code 1 if a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BATCH = 10
MESSAGES = {"usage": 3000, "powertools": 200}
# Bounds: multiple of the peer's rate, calls and write units per message.
RATIO, RATIO_OF_TEN, CALLS, CALLS_OF_TEN, UNITS = 12, 10, 0.2, 0.5, 2.6
FEATURES, MANY = 3, 50
TABLE = "nightshift-benchmark-idempotency"


def record(number: int, organizations: int = 1, features: int = FEATURES) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    event = {"feature": f"feature-{number % features}", "amount": 1, "at": now}
    payload = {"orgId": f"org_{number % organizations}", "batchId": f"batch-{number}", "events": [event]}
    return {
        "messageId": f"m{number}",
        "receiptHandle": "handle",
        "body": json.dumps({"type": "usage-ingestion", "payload": payload}),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "0"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:nightshift-benchmark-flagship-usage",
    }


def usage() -> Callable[[list[dict[str, Any]]], None]:
    """A batch as Lambda gives it to the job."""
    from functions.flags.usage import Usage
    from shared.aws import attributes
    from shared.aws.cloud import Cloud
    from shared.aws.names import Names
    from shared.messages.run_batch import run_batch
    from shared.observability.log import Log
    from shared.run.firing import Batch

    cloud = Cloud(Names("benchmark", "000000000000", "us-east-1"), environment={})
    for number in range(BATCH):
        cloud.dynamodb.put_item(
            TableName=cloud.names.table("organizations"), Item=attributes.row({"pk": f"org_{number}", "sk": "-"})
        )
    job, log = Usage(), Log(lambda _: None)

    def handle(records: list[dict[str, Any]]) -> None:
        assert run_batch(job, Batch(job.name, tuple(records)), cloud, log, 60) == []

    return handle


def powertools() -> Callable[[list[dict[str, Any]]], None]:
    """BatchProcessor with an idempotent record handler, as in Powertools' documentation."""
    import boto3
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
    from aws_lambda_powertools.utilities.idempotency import (
        DynamoDBPersistenceLayer,
        IdempotencyConfig,
        idempotent_function,
    )

    layer = DynamoDBPersistenceLayer(TABLE, boto3_client=boto3.client("dynamodb"))
    config = IdempotencyConfig(event_key_jmespath="body")
    processor = BatchProcessor(event_type=EventType.SQS)

    @idempotent_function(data_keyword_argument="record", persistence_store=layer, config=config)  # type: ignore[untyped-decorator]
    def one(record: Any) -> Any:
        return {"done": json.loads(record["body"])["payload"]["batchId"]}

    def handler(record: Any) -> dict[str, Any]:
        answer: dict[str, Any] = one(record=record.raw_event)
        return answer

    def handle(records: list[dict[str, Any]]) -> None:
        answer = process_partial_response({"Records": records}, handler, processor, None)
        assert answer == {"batchItemFailures": []}, answer

    return handle


def batch_size(way: str) -> int:
    """Messages per batch: as the job declares; BATCH for the peer."""
    if way != "usage":
        return BATCH
    from functions.flags.usage import Usage

    return Usage.batch_size


WAYS: dict[str, Callable[[], Callable[[list[dict[str, Any]]], None]]] = {"usage": usage, "powertools": powertools}


@contextmanager
def store() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.stands.counters"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(running.stdout.readline())}"
        finally:
            running.kill()


def measured(
    way: str, messages: int, organizations: int = 1, features: int = FEATURES, *, twice: bool = False
) -> dict[str, Any]:
    """Run in another process against another store: seconds, and the store's counts."""
    with store() as url:
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "benchmark",
            "AWS_SECRET_ACCESS_KEY": "benchmark",
            "AWS_DEFAULT_REGION": "us-east-1",
            "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        }
        words = [way, str(messages), str(organizations), str(features), str(int(twice))]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.consumer", "--only", *words],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def only(way: str, messages: int, organizations: int, features: int, twice: bool) -> None:
    handle, url = WAYS[way](), os.environ["AWS_ENDPOINT_URL"]
    # With open connections and cached organizations, as in a second invocation.
    handle([record(number, organizations, features) for number in range(-BATCH, 0)])
    _seen(url)
    records = [record(number, organizations, features) for number in range(messages)]
    if twice:
        records += records + records[::20]
        random.Random(4711).shuffle(records)
    size = batch_size(way)
    began, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(records), size):
        handle(records[start : start + size])
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    seen = _seen(url)
    total = sum(int(value["N"]) for row in seen["rows"].values() for name, value in row.items() if is_month(name))
    calls = sum(seen["calls"].values())
    print(json.dumps({"seconds": took, "cpu": cpu, "calls": calls, "units": seen["units"], "counted": total - BATCH}))


def is_month(name: str) -> bool:
    """Whether an attribute is the counter of a month, `2026-11#feature-1`."""
    return len(name.partition("#")[0]) == 7 and "#" in name


def _seen(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url) as answer:
        return json.loads(answer.read())  # type: ignore[no-any-return]


def rates(rounds: int) -> list[str]:
    ways = {"usage": ("usage", 1), "usage of ten": ("usage", BATCH), "powertools": ("powertools", 1)}
    seen: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (way, organizations) in ways.items():
            found = measured(way, MESSAGES[way], organizations)
            seen[name].append(MESSAGES[way] / found["seconds"])
            cpu[name].append(found["cpu"] / MESSAGES[way] * 1e6)
    for name, speeds in seen.items():
        print(f"{name:<13} {median(speeds):>7,.0f} messages/s, {median(cpu[name]):>5,.0f} µs of CPU each")
    faults = []
    for name, least in (("usage", RATIO), ("usage of ten", RATIO_OF_TEN)):
        ratio = median(ours / theirs for ours, theirs in zip(seen[name], seen["powertools"], strict=True))
        print(f"{name} is {ratio:.1f} times as fast (at least {least})")
        faults += [f"{name} only {ratio:.1f} times powertools"] if ratio < least else []
    return faults


def costs() -> list[str]:
    faults = []
    most = {(1, FEATURES): CALLS, (BATCH, FEATURES): CALLS_OF_TEN}
    for organizations, features in ((1, FEATURES), (BATCH, FEATURES), (1, MANY)):
        messages = MESSAGES["usage"]
        found = measured("usage", messages, organizations, features)
        calls, units = found["calls"] / messages, found["units"] / messages
        print(f"batches of {organizations:>2} organizations, {features:>2} features:", end=" ")
        print(f"{calls:.3f} calls and {units:.3f} write units a message")
        allowed = most.get((organizations, features))
        if allowed is not None and (calls > allowed or units > UNITS):
            faults.append(f"{calls:.3f} calls and {units:.3f} units a message; {allowed} and {UNITS} are allowed")
    return faults


def exactness() -> list[str]:
    messages = MESSAGES["usage"]
    counted = measured("usage", messages, twice=True)["counted"]
    print(f"{messages:,} messages twice and 5 % thrice, shuffled: {counted:,} counted")
    return [] if counted == messages else [f"{counted:,} were counted of {messages:,}"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.consumer", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison (default: 3)")
    parser.add_argument("--only", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.only:
        way, *counts, twice = given.only
        messages, organizations, features = map(int, counts)
        only(way, messages, organizations, features, twice == "1")
        return 0
    faults = [*rates(given.rounds), *costs(), *exactness()]
    for fault in faults:
        print(f"missed: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
