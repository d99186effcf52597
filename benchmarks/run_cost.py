"""Calls, write units and dollars of a run, beside hand-glued code.
python -m benchmarks.run_cost

Runs one job of each archetype on its sample data, in the memory of the crash prover, and once more with nothing to do.
Calls are counted at the client, write units from the sizes of items and index entries. The peer is what is written
first: a lock, Powertools' idempotency, a status row twice, a history row, two objects for an artifact, and calls for
each item; its counts are in PEERS, and it makes the same queries. Prices: infra/prices.py. Exit code 1 if a run costs
more than the peer's share that SHARES allows.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from benchmarks.report.figures import Figures, Section
from benchmarks.report.svg import bars
from infra import prices
from proof.crash.prover import Prover
from proof.crash.scenario import ROLLOUT, sample_messages
from proof.world.dynamodb.attribute_values import item_size
from proof.world.process import Process
from proof.world.world import World
from shared.job.definition import Job
from shared.tables import TABLES, Index

KIB = 1024
# Seconds of a call of AWS, for which the function waits and pays.
CALL = 0.005
# Of a scheduled run without work: lock, idempotency record, status, their ends, history. With them, of an artifact.
GLUE_CALLS, GLUE_UNITS = 7, 7
ARTIFACT_PUTS = 2
MESSAGES = 10
# What a run with and without work may cost, as a share of the peer.
SHARES = {"probe": 0.90, "purge": 0.90, "sweep": 1.0, "consumer": 0.75, "rollup": 0.45}


@dataclass(slots=True)
class Bill:
    """Calls by service and write units of one or several runs."""

    calls: Counter[str] = field(default_factory=Counter)
    units: float = 0
    memory: int = 256

    @property
    def requests(self) -> int:
        return self.calls.total()

    @property
    def gb_seconds(self) -> float:
        return self.requests * CALL * self.memory / 1024

    @property
    def dollars(self) -> float:
        """Dollars of a million such runs."""
        puts = sum(count for name, count in self.calls.items() if name in ("s3:PutObject", "s3:CopyObject"))
        queued = sum(count for name, count in self.calls.items() if name.startswith("sqs:"))
        each = (
            prices.LAMBDA_REQUEST
            + self.units * prices.WRITE_UNIT
            + puts * prices.S3_PUT
            + queued * prices.SQS_REQUEST
            + self.gb_seconds * prices.LAMBDA_GB_SECOND["arm64"]
        )
        return each * prices.MILLION


@dataclass(frozen=True, slots=True)
class Peer:
    """Counts of hand-glued code for one item: calls, write units, objects."""

    calls: int
    units: int
    puts: int = 0
    #: Whether it is a run for each item, such as a message, in place of one for all.
    each_alone: bool = False
    text: str = ""

    def bill(self, items: int, ours: Bill) -> Bill:
        glue = (0, 0) if self.each_alone else (GLUE_CALLS, GLUE_UNITS)
        queries = 0 if self.each_alone else ours.calls["dynamodb:Query"]
        calls = Counter({"dynamodb": glue[0] + queries + items * self.calls, "s3:PutObject": items * self.puts})
        return Bill(calls, glue[1] + items * self.units, ours.memory)


PEERS = {
    "probe": Peer(2, 2, ARTIFACT_PUTS, text="a status and a history row and two objects for each host"),
    "purge": Peer(2, 4, text="two deletions for each row, of it and of its headers, with their index entries"),
    "sweep": Peer(
        4, 6, text="an idempotency record and its end, the alias and its audit entry with their index entries"
    ),
    "consumer": Peer(3, 3, each_alone=True, text="an idempotency record and its end, and an update for each message"),
    "rollup": Peer(4, 5, text="an idempotency record and its end, the sums of the day and of the week for each row"),
}
JOBS = {
    "probe": "pricing",
    "purge": "message-metadata-cleanup",
    "sweep": "alias-expiration",
    "consumer": "usage",
    "rollup": "bandwidth-rollup",
}


class Meter:
    """Counts write units and calls of one job in a world."""

    def __init__(self, world: World, job: str) -> None:
        self.world = world
        self.job = job
        self.bill = Bill(memory=world.jobs[job].memory)
        self.processes: list[Process] = []
        self._factor = 1

    @contextmanager
    def running(self) -> Iterator[Bill]:
        """Measure for the time of the block."""
        database, start = self.world.dynamodb, self.world.start_process
        tables = database._by_name
        observers = {name: table.observer for name, table in tables.items()}

        def started(job: Job) -> Process:
            self.processes.append(start(job))
            return self.processes[-1]

        for name, observer in observers.items():
            database.observe(name, partial(self._changed, name, observer))
        self.world.__dict__["start_process"] = started
        database.__dict__["call"] = partial(self._call, database.call)
        try:
            yield self.bill
        finally:
            del database.__dict__["call"], self.world.__dict__["start_process"]
            for name, observer in observers.items():
                tables[name].observer = observer
        for process in self.processes:
            if process.job == self.job:
                self.bill.calls.update(name for name in process.calls if not name.startswith("outside:"))

    def _call(self, perform: Callable[[str, Any], Any], operation: str, request: Any) -> Any:
        self._factor = 2 if operation == "TransactWriteItems" else 1
        try:
            return perform(operation, request)
        except ClientError:
            # A write whose condition is false costs as much.
            self.bill.units += self._counts()
            raise

    def _changed(self, name: str, other: Any, table: str, key: Any, before: Any, after: Any) -> None:
        if self._counts():
            self.bill.units += self._factor * units(name, before, after)
        if other is not None:
            other(table, key, before, after)

    def _counts(self) -> bool:
        return bool(self.world.processes) and self.world.processes[-1].job == self.job


def units(name: str, before: Any, after: Any) -> int:
    """Write units of a change of an item and its index entries."""
    table = next(each for each in TABLES if each.name == name)
    size = max(item_size(item) if item else 0 for item in (before, after))
    return math.ceil(size / KIB) + sum(_index_units(index, before, after) for index in table.indexes)


def _index_units(index: Index, before: Any, after: Any) -> int:
    old, new = (_entry(index, item) for item in (before, after))
    if old == new:
        return 0
    moved = old is not None and new is not None and old[:2] != new[:2]
    return 2 if moved else 1


def _entry(index: Index, item: Any) -> tuple[Any, ...] | None:
    if not item or index.pk not in item or index.sk not in item:
        return None
    rest = (
        tuple(item.get(name) for name in index.include) if not index.whole else (tuple(sorted(map(str, item.items()))),)
    )
    return (item[index.pk], item[index.sk], *rest)


def measure(prover: Prover, job: Job) -> tuple[Bill, int, Bill]:
    """Bills of a run with sample data and of an idle one.

    Between them, the number of items of the first one.
    """
    world = prover.world
    world.restore(prover.sampled)
    now = world.clock.now() + ROLLOUT
    first, items = _run(world, job, now)
    idle, left = _run(world, job, world.clock.now() + timedelta(hours=1))
    # What is left after the first tick, such as the rest of a period, takes one more.
    while left and not job.queue:
        idle, left = _run(world, job, world.clock.now() + timedelta(days=1))
        if left == items:
            break
    return first, items, idle


def _run(world: World, job: Job, after: datetime) -> tuple[Bill, int]:
    world.clock.advance_to(max(after, world.clock.now()))
    world.log.lines.clear()
    meter = Meter(world, job.name)
    with meter.running() as bill:
        if job.queue:
            bodies = sample_messages(job, world.clock.now())
            for number in range(MESSAGES):
                url = world.names.queue_url(job.queue)
                body = bodies[number % len(bodies)].replace('"batchId": "', f'"batchId": "{number}-')
                world.sqs.call("SendMessage", {"QueueUrl": url, "MessageBody": body})
        else:
            (tick,) = [next(iter(each.after(world.clock.now()))) for each in job.schedules()][:1]
            world.plan_tick(job.name, tick)
        world.run_until_idle(world.clock.now() + timedelta(days=2))
    counts = [fields.get("result") for _, message, fields in world.log.lines if message == f"{job.name}_complete"]
    items = (
        MESSAGES if job.queue else sum(max(found.values(), default=0) for found in counts if isinstance(found, dict))
    )
    return bill, items


def row(name: str, what: str, items: int, ours: Bill, theirs: Bill) -> list[str]:
    return [
        name,
        what,
        str(items),
        f"{ours.requests} / {theirs.requests}",
        f"{ours.units:.0f} / {theirs.units:.0f}",
        f"{ours.gb_seconds * 1000:.1f} / {theirs.gb_seconds * 1000:.1f}",
        f"{ours.dollars:.2f} / {theirs.dollars:.2f}",
        f"{ours.dollars / theirs.dollars:.2f}",
    ]


def main() -> int:
    figures = Figures(
        "run_cost",
        "Cost of a run",
        "python -m benchmarks.run_cost",
        "Calls, write units and dollars of a million runs, ours / hand-glued. "
        f"Prices as of {prices.AS_OF}; a call takes {CALL * 1000:.0f} ms, for which the function waits.",
    )
    rows, shown = [], []
    with Prover() as prover:
        for archetype, name in JOBS.items():
            job, peer = prover.jobs[name], PEERS[archetype]
            work, items, idle = measure(prover, job)
            theirs, nothing = peer.bill(items, work), peer.bill(0, idle)
            rows.append(row(f"{archetype}: {name}", "sample work", items, work, theirs))
            share = work.dollars / theirs.dollars
            shown.append((f"{archetype}, with work", share, share, share))
            if share > SHARES[archetype]:
                figures.missed.append(f"{name} costs {share:.2f} of the peer; at most {SHARES[archetype]} is expected")
            if not job.queue and archetype != "probe":
                rows.append(row(f"{archetype}: {name}", "nothing to do", 0, idle, nothing))
                share = idle.dollars / nothing.dollars
                shown.append((f"{archetype}, idle", share, share, share))
    columns = ["job", "run", "items", "calls", "write units", "GB-ms", "dollars a million", "share"]
    figures.sections.append(Section("Ours and hand-glued", "", columns, rows, "run-cost.svg"))
    figures.plots["run-cost.svg"] = bars("Cost of a run", "share of the hand-glued peer", shown)
    peers = [[name, peer.text] for name, peer in PEERS.items()]
    text = (
        f"Each scheduled run makes {GLUE_CALLS} calls and {GLUE_UNITS} write units: lock, Powertools' idempotency "
        "record and its end, status at the start and at the end, history, unlock; and the queries of ours. Beside them:"
    )
    figures.sections.append(Section("The hand-glued peer", text, ["archetype", "for each item"], peers))
    figures.peers += [
        "Two objects for each host are nine tenths of the cost of a probe, ours and the peer's",
        "Transactions cost twice their units: an item of a sweep with its audit entry costs what four calls do",
    ]
    return figures.store()


if __name__ == "__main__":
    sys.exit(main())
