"""Cost of a million runs of each job, and of organizations' messages.

By the price table, without work; each second of work costs `per_second` more, and calls of its own come on top.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra import cost, prices
from infra.template import Template, resources, text

# Requests to SQS for each batch: receive and delete. Each message is sent by itself.
BATCH_REQUESTS = 2
# A batch claims nothing, and writes its status and history.
BATCH_WRITES = 2


@dataclass(frozen=True, slots=True)
class RunCost:
    """Dollars for a million ticks, or messages of a consumer."""

    job: str
    #: `ticks` or `messages`.
    unit: str
    #: MB.
    memory: int
    #: Ticks a month; 0 for a consumer.
    a_month: float
    #: Dollars of a million without work; of messages, in full batches.
    per_million: float
    #: Dollars that each second of work adds to a million.
    per_second: float


def of_templates(templates: Mapping[str, Template]) -> list[RunCost]:
    """One entry per function that a schedule or queue starts."""
    ticks: dict[str, float] = defaultdict(float)
    for started, count in cost.fired(templates):
        ticks[started] += count
    batches = {
        mapping.stack + text(mapping.properties["FunctionName"]): int(mapping.properties.get("BatchSize", 10))
        for mapping in resources(templates, "AWS::Lambda::EventSourceMapping")
    }
    found = []
    for function in resources(templates, "AWS::Lambda::Function"):
        name = text(function.properties["FunctionName"]).split("-", 2)[-1]
        arn, reference = f"{function.stack}<{function.id}.Arn>", f"{function.stack}<{function.id}>"
        architecture = function.properties.get("Architectures", ["arm64"])[0]
        second = function.properties["MemorySize"] / 1024 * prices.LAMBDA_GB_SECOND[architecture] * prices.MILLION
        if arn in ticks:
            found.append(_of_ticks(name, function.properties["MemorySize"], ticks[arn], second))
        elif reference in batches:
            found.append(_of_messages(name, function.properties["MemorySize"], batches[reference], second))
    return sorted(found, key=lambda each: each.job)


def _of_ticks(job: str, memory: int, a_month: float, second: float) -> RunCost:
    log = cost.LOG_BYTES_PER_TICK / 1e9 * prices.LOG_GB
    per_run = prices.LAMBDA_REQUEST + cost.WRITE_UNITS_PER_TICK * prices.WRITE_UNIT + log
    return RunCost(job, "ticks", memory, a_month, per_run * prices.MILLION + cost.SECONDS_PER_TICK * second, second)


def _of_messages(job: str, memory: int, batch: int, second: float) -> RunCost:
    log = cost.LOG_BYTES_PER_TICK / 1e9 * prices.LOG_GB
    per_batch = prices.LAMBDA_REQUEST + BATCH_REQUESTS * prices.SQS_REQUEST + BATCH_WRITES * prices.WRITE_UNIT + log
    per_message = prices.SQS_REQUEST + per_batch / batch
    return RunCost(
        job, "messages", memory, 0, per_message * prices.MILLION + cost.SECONDS_PER_TICK * second / batch, second
    )


def of_run(memory: int, ms: int, architecture: str = "arm64") -> float:
    """Dollars of one recorded run: its time, request and bookkeeping.

    Without calls that its own code makes. memory: in MB.
    """
    seconds = memory / 1024 * ms / 1000 * prices.LAMBDA_GB_SECOND[architecture]
    log = cost.LOG_BYTES_PER_TICK / 1e9 * prices.LOG_GB
    return seconds + prices.LAMBDA_REQUEST + cost.WRITE_UNITS_PER_TICK * prices.WRITE_UNIT + log


@dataclass(frozen=True, slots=True)
class TenantCost:
    """Dollars of an organization's messages of one job and day."""

    organization: str
    day: str
    job: str
    messages: int
    dollars: float


def of_tenants(lines: Iterable[str], runs: Iterable[RunCost]) -> list[TenantCost]:
    """Price the messages that log lines count by organization.

    Batches log `<job>_tenant` with the number of messages of each organization. Other lines are skipped.
    """
    counted: dict[tuple[str, str, str], int] = defaultdict(int)
    for line in lines:
        entry = _entry(line)
        if str(entry.get("message", "")).endswith("_tenant") and isinstance(entry.get("messages"), int):
            organization, at, job = (str(entry.get(name, "")) for name in ("organizationId", "timestamp", "job"))
            counted[organization, at[:10], job] += entry["messages"]
    per_message = {each.job: each.per_million / prices.MILLION for each in runs}
    return [
        TenantCost(organization, day, job, messages, messages * per_message.get(job, 0.0))
        for (organization, day, job), messages in sorted(counted.items())
    ]


def _entry(line: str) -> dict[str, Any]:
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
