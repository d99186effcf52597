"""Idle cost of the deployment per month, item by item."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra import prices, synth
from infra.expressions import ticks_a_month
from infra.template import Template, resources, text

# A tick with nothing to do. Claim, finish and history take a write unit each; the time lies between a warm run (50 ms)
# and a cold one (1 s, initialisation is billed); the log has three lines of the run and three of Lambda.
WRITE_UNITS_PER_TICK = 3
SECONDS_PER_TICK = 0.5
LOG_BYTES_PER_TICK = 1500
# An idle mapping polls with five connections, each waiting for up to 20 s.
POLLS_PER_MAPPING = 5 * 30 * 86_400 / 20


@dataclass(frozen=True, slots=True)
class CostItem:
    item: str
    count: float
    unit: str
    price: float

    @property
    def dollars(self) -> float:
        return self.count * self.price


def idle(templates: Mapping[str, Template]) -> list[CostItem]:
    """List every item with a cost, the most expensive first."""
    lines = [*_standing(templates), *_ticking(templates)]
    return sorted((line for line in lines if line.count), key=lambda line: -line.dollars)


def total(lines: Iterable[CostItem]) -> float:
    return sum(line.dollars for line in lines)


def table(lines: Iterable[CostItem]) -> str:
    rows = [f"{line.dollars:8.2f}  {line.count:12,.0f} {line.unit:<12} {line.item}" for line in lines]
    return "\n".join([*rows, f"{total(lines):8.2f}  dollars a month, idle, list prices of us-east-1 of {prices.AS_OF}"])


def _standing(templates: Mapping[str, Template]) -> Iterator[CostItem]:
    def count(*types: str) -> int:
        return len(list(resources(templates, *types)))

    mappings = count("AWS::Lambda::EventSourceMapping")
    yield CostItem("alarms", count("AWS::CloudWatch::Alarm"), "alarms", prices.ALARM_METRIC_MONTH)
    yield CostItem("dashboards", _large_dashboards(templates), "dashboards", prices.DASHBOARD_MONTH)
    yield CostItem("secrets", count("AWS::SecretsManager::Secret"), "secrets", prices.SECRET_MONTH)
    yield CostItem("customer-managed keys", count("AWS::KMS::Key"), "keys", prices.KEY_MONTH)
    polls = mappings * POLLS_PER_MAPPING
    yield CostItem(f"polling of {mappings} queues by their functions", polls, "requests", prices.SQS_REQUEST)


def _large_dashboards(templates: Mapping[str, Template]) -> int:
    """Dashboards with more metrics than a free one may have."""
    bodies = (text(each.properties["DashboardBody"]) for each in resources(templates, "AWS::CloudWatch::Dashboard"))
    counts = (
        sum(len(widget["properties"].get("metrics", [])) for widget in json.loads(body)["widgets"]) for body in bodies
    )
    return sum(count > prices.FREE_METRICS for count in counts)


def _ticking(templates: Mapping[str, Template]) -> Iterator[CostItem]:
    memory, architecture = _functions(templates)
    ticks = gigabyte_seconds = 0.0
    for function, count in fired(templates):
        ticks += count
        gigabyte_seconds += count * SECONDS_PER_TICK * memory[function] / 1024
    scheduled = sum(count for _, count in fired(templates, "AWS::Scheduler::Schedule"))
    yield CostItem("ticks in time zones", scheduled, "ticks", prices.SCHEDULE_TICK)
    yield CostItem("functions started by ticks", ticks, "requests", prices.LAMBDA_REQUEST)
    yield CostItem("functions' time", gigabyte_seconds, "GB-seconds", prices.LAMBDA_GB_SECOND[architecture])
    yield CostItem("claims, ends and history", ticks * WRITE_UNITS_PER_TICK, "write units", prices.WRITE_UNIT)
    yield CostItem("logs of ticks", ticks * LOG_BYTES_PER_TICK / 1e9, "GB", prices.LOG_GB)


def _functions(templates: Mapping[str, Template]) -> tuple[dict[str, int], str]:
    functions = list(resources(templates, "AWS::Lambda::Function"))
    memory = {f"{function.stack}<{function.id}.Arn>": function.properties["MemorySize"] for function in functions}
    architectures = {architecture for function in functions for architecture in function.properties["Architectures"]}
    return memory, max(architectures, default="arm64")


STARTERS = ("AWS::Events::Rule", "AWS::Scheduler::Schedule")


def fired(templates: Mapping[str, Template], *types: str) -> Iterator[tuple[str, float]]:
    """Functions that a rule or schedule fires, and ticks per month."""
    for starter in resources(templates, *(types or STARTERS)):
        properties = starter.properties
        for target in properties["Targets"] if "Targets" in properties else [properties["Target"]]:
            yield starter.stack + text(target["Arn"]), ticks_a_month(properties["ScheduleExpression"])


def main() -> None:
    """`python -m infra.cost [folder]`: of the templates in `folder` (default: synthesized now)."""
    if sys.argv[1:]:
        print(table(idle(synth.read(Path(sys.argv[1])))))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(table(idle(synth.synthesize(Path(folder)))))


if __name__ == "__main__":
    main()
