"""Limits and cost of purges and consumers at 100 million a day.
python -m benchmarks.scale

A model with the limits of AWS, driven by calls, write units and processor time that this command measures. Beside it is
a naive design with its own measured counts: scan and delete one by one; Powertools' idempotency for each message and
one update of the counter. 10,000 organizations send messages by Zipf's law. Exit code 1 if a design of this project
does not reach 100 million a day.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks import consumer, run_cost, shards
from benchmarks.report.figures import Figures, Section
from benchmarks.report.svg import Line, plot
from infra import prices
from proof.crash.prover import Prover
from shared.run.firing import MAX_PARTS
from shared.run.send import CHAIN_DELAY
from shared.store.batch_write import BATCH

VOLUMES = (100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
GOAL = 100_000_000
DAY, RUN, PROCESSOR_MB = 86_400, 900, 1769
# Limits of an account and of a table, as AWS sets them before an increase is requested.
PARTITION_UNITS, TABLE_UNITS, CONCURRENCY = 1_000, 40_000, 1_000
# Milliseconds of a call to DynamoDB, as the stand-ins respond.
CALL = 0.005
ORGANIZATIONS, PEAK = 10_000, 3.0
RETENTION_DAYS = 30
# Units of a row up to 1 KB and of its entry in one index; a page of keys of 500 rows is 50 KB.
COLUMNS = ["design", "items a day", "first limit", "dollars a million"]
# A transaction costs twice the units of its writes.
TRANSACTION = 2
# Of a queue with a batch window; SQS allows 10,000.
LARGE_BATCH = 1_000
ROW_UNITS, READ_PER_ROW, SCAN_PER_ROW = 2.0, 0.0125, 0.125


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit in items a day, and its name."""

    name: str
    a_day: float


@dataclass(frozen=True, slots=True)
class Design:
    """A design: its limits, and the cost of an item.

    The cost depends on the volume.
    """

    name: str
    limits: tuple[Limit, ...]
    dollars: Callable[[int], float]

    @property
    def first(self) -> Limit:
        return min(self.limits, key=lambda limit: limit.a_day)


def lambda_dollars(seconds: float, memory: int) -> float:
    return seconds * memory / 1024 * prices.LAMBDA_GB_SECOND["arm64"]


def purges(cpu: float, memory: int = 512, partitions: int = 16) -> list[Design]:
    """Designs of a purge.

    cpu: seconds of a full processor for each row.
    """
    row_seconds = max(cpu * PROCESSOR_MB / memory, CALL / BATCH / 8)
    rate = min(1 / row_seconds, PARTITION_UNITS)
    parts = min(MAX_PARTS, DAY / RUN)
    shares = parts * (RUN - CHAIN_DELAY / 7)

    def ours(_: int) -> float:
        units = ROW_UNITS * prices.WRITE_UNIT + READ_PER_ROW * prices.READ_UNIT
        return units + lambda_dollars(row_seconds, memory)

    def scanned(_: int) -> float:
        read = SCAN_PER_ROW * RETENTION_DAYS * prices.READ_UNIT
        return ROW_UNITS * prices.WRITE_UNIT + read + lambda_dollars(CALL, memory)

    table = Limit("40,000 write units of the table", TABLE_UNITS / ROW_UNITS * DAY)
    index = Limit(f"1,000 writes of each of {partitions} index partitions", partitions * PARTITION_UNITS * DAY)
    return [
        Design("scan and delete one by one", (Limit("15 minutes of one run", RUN / CALL), table), scanned),
        Design("one run", (Limit("15 minutes of one run", rate * RUN), table, index), ours),
        Design("one chain of 7 parts", (Limit("14 hops of one chain", rate * RUN * 7), table, index), ours),
        Design(
            f"{partitions} shards, 100 parts",
            (Limit(f"{parts:.0f} parts of each shard in a day", partitions * rate * shares), table, index),
            ours,
        ),
    ]


@dataclass(frozen=True, slots=True)
class Counts:
    """Measured calls and write units of one message.

    They depend on the number of organizations in its batch.
    """

    calls: Callable[[float, int], float]
    units: Callable[[float, int], float]


def consumers(counted: Counts, powertools: tuple[float, float], batch: int, memory: int) -> list[Design]:
    """Designs of a consumer."""
    largest = 1 / harmonic(ORGANIZATIONS)
    mean = DAY / PEAK
    their_calls, their_units = powertools[0] + 1, powertools[1] + 1

    def design(name: str, seconds: float, units: float, hot: float, send: float) -> Design:
        limits = (
            Limit("1,000 writes of the largest organization's counter", PARTITION_UNITS / hot / largest * mean),
            Limit("40,000 write units of the table", TABLE_UNITS / units * mean),
            Limit("1,000 concurrent functions", CONCURRENCY / seconds * mean),
        )
        dollars = units * prices.WRITE_UNIT + lambda_dollars(seconds, memory) + send
        return Design(name, limits, lambda _: dollars)

    def usage(of: int) -> Design:
        # Writes to the largest organization's counter for each batch: one for up to 99 of its messages.
        writes = max(1 - (1 - largest) ** of, of * largest / 99)
        distinct = distinct_in_batch(of)
        seconds = max(1 / of, counted.calls(distinct, of)) * CALL
        hot = TRANSACTION * writes / (of * largest)
        return design(f"usage, batches of {of:,}", seconds, counted.units(distinct, of), hot, request(of))

    def request(of: int) -> float:
        return (prices.LAMBDA_REQUEST + 2 * max(1, of / 10) * prices.SQS_REQUEST) / of + prices.SQS_REQUEST

    glued = "Powertools and a counter, message by message"
    return [
        design(glued, their_calls * CALL, their_units, 1.0, request(batch)),
        usage(batch),
        usage(LARGE_BATCH),
    ]


def harmonic(count: int) -> float:
    return sum(1 / rank for rank in range(1, count + 1))


def distinct_in_batch(batch: int, messages: int = 40_000) -> float:
    """Organizations of a batch in the mean, of messages by Zipf's law."""
    chance, names = random.Random(15), range(ORGANIZATIONS)
    weights = [1 / (rank + 1) for rank in names]
    drawn = chance.choices(names, weights, k=messages)
    return sum(len(set(drawn[start : start + batch])) for start in range(0, len(drawn), batch)) / (messages / batch)


def measured_counts(batch: int) -> tuple[Counts, tuple[float, float]]:
    """Counts of the usage consumer and of Powertools.

    Measured for one and ten organizations, and linear between them.
    """
    messages = 1_000
    one, ten = (consumer.measured("usage", messages, count) for count in (1, batch))
    theirs = consumer.measured("powertools", 200)

    low, high = (float(found["calls"]) / messages for found in (one, ten))

    def calls(distinct: float, of: int) -> float:
        return (low + (high - low) * (distinct - 1) / (batch - 1)) * batch / of

    with Prover() as prover:
        bill, items, _ = run_cost.measure(prover, prover.jobs["usage"])

    def units(distinct: float, of: int) -> float:
        # Of a batch: the record of each message, and the update of each organization's counter, in its transaction.
        own = bill.units - TRANSACTION * (items + 1)
        return TRANSACTION + (TRANSACTION * distinct + own) / of

    return Counts(calls, units), (theirs["calls"] / 200, theirs["units"] / 200)


def table(designs: Sequence[Design]) -> list[list[str]]:
    return [
        [design.name, amount(design.first.a_day), design.first.name, f"{design.dollars(GOAL) * prices.MILLION:.2f}"]
        for design in designs
    ]


def amount(number: float) -> str:
    for size, word in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if number >= size:
            return f"{number / size:.1f} {word}"
    return f"{number:.0f}"


def lines(designs: Sequence[Design]) -> list[Line]:
    """Dollars a day by volume, up to the limit of each design."""
    return [
        Line(
            design.name,
            tuple((at, at * design.dollars(int(at))) for at in _volumes(design.first.a_day)),
            f"{amount(design.first.a_day)} a day",
        )
        for design in designs
    ]


def _volumes(most: float) -> list[float]:
    reached = [float(volume) for volume in VOLUMES if volume < most]
    return [*(reached or [most / 10]), most]


def backlog_hours(rows: float, rate: float, count: int) -> float:
    """Hours until that many shards have purged a backlog.

    Pauses between chains are included.
    """
    seconds = rows / count / rate
    return (seconds + math.floor(seconds / RUN / 7) * CHAIN_DELAY) / 3600


def main() -> int:
    figures = Figures(
        "scale",
        "100 million a day",
        "python -m benchmarks.scale",
        "Which limit is reached first, and what a million costs. A model of AWS's limits, with measured counts and "
        f"processor time. {ORGANIZATIONS:,} organizations send by Zipf's law, the largest "
        f"{100 / harmonic(ORGANIZATIONS):.0f} % of all; the busiest hour has {PEAK:.0f} times the mean.",
    )
    for each in (add_purges(figures)[-1], add_consumers(figures)[1]):
        if each.first.a_day < GOAL:
            figures.missed.append(f"{each.name} ends at {amount(each.first.a_day)} a day: {each.first.name}")
    return figures.store()


def add_purges(figures: Figures) -> list[Design]:
    rows = 32_000
    cpu = shards.measured(rows, 1)["cpu"] / rows
    designs = purges(cpu)
    text = (
        f"A row takes {cpu * 1e6:.0f} microseconds of this machine's processor, so "
        f"{cpu * PROCESSOR_MB / 512 * 1e6:.0f} at 512 MB. Rows are up to 1 KB with one index, and are kept for "
        f"{RETENTION_DAYS} days; a scan reads all of them each day. The brake stops a tick of more than "
        "`<ENV>_MOST_ROWS` until an operator raises it."
    )
    figures.sections.append(Section("Rows to purge", text, COLUMNS, table(designs), "scale-rows.svg"))
    figures.plots["scale-rows.svg"] = plot("Cost of a day, up to the limit", "rows a day", "dollars", lines(designs))
    rate = min(1 / (cpu * PROCESSOR_MB / 512), PARTITION_UNITS)
    hours = [[str(count), f"{backlog_hours(GOAL, rate, count):.1f}"] for count in (1, 2, 4, 8, 16, 32)]
    figures.sections.append(Section("Hours for a backlog of 100 million rows", "", ["shards", "hours"], hours))
    return designs


def add_consumers(figures: Figures) -> list[Design]:
    batch = consumer.BATCH
    distinct = distinct_in_batch(batch)
    counted, theirs = measured_counts(batch)
    designs = consumers(counted, theirs, batch, 512)
    calls, units = counted.calls(distinct, batch), counted.units(distinct, batch)
    text = (
        f"A batch of {batch} has messages of {distinct:.1f} organizations in the mean, {calls:.2f} calls and "
        f"{units:.2f} write units a message; Powertools makes {theirs[0]:.2f} calls and {theirs[1]:.2f} units, and the "
        "counter one of each."
    )
    figures.sections.append(Section("Messages to count", text, COLUMNS, table(designs), "scale-messages.svg"))
    title = "Cost of a day, up to the limit"
    figures.plots["scale-messages.svg"] = plot(title, "messages a day", "dollars", lines(designs))
    figures.peers.append(
        f"A batch of {batch} rarely has two messages of one organization, and transactions cost twice: it writes "
        f"{units:.1f} units a message, Powertools and a counter {theirs[1] + 1:.1f}. {LARGE_BATCH:,} would pay"
    )
    return designs


if __name__ == "__main__":
    sys.exit(main())
