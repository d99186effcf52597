"""Idle cost of the deployment per month, item by item."""

from __future__ import annotations

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
    return "\n".join([*rows, f"{total(lines):8.2f}  dollars a month, idle, list prices of us-east-1"])


def _standing(templates: Mapping[str, Template]) -> Iterator[CostItem]:
    def count(*types: str) -> int:
        return len(list(resources(templates, *types)))

    mappings = count("AWS::Lambda::EventSourceMapping")
    yield CostItem("alarms", count("AWS::CloudWatch::Alarm"), "alarms", prices.ALARM_METRIC_MONTH)
    yield CostItem("dashboards", count("AWS::CloudWatch::Dashboard"), "dashboards", prices.DASHBOARD_MONTH)
    yield CostItem("secrets", count("AWS::SecretsManager::Secret"), "secrets", prices.SECRET_MONTH)
    yield CostItem("customer-managed keys", count("AWS::KMS::Key"), "keys", prices.KEY_MONTH)
    polls = mappings * POLLS_PER_MAPPING
    yield CostItem(f"polling of {mappings} queues by their functions", polls, "requests", prices.SQS_REQUEST)


def _ticking(templates: Mapping[str, Template]) -> Iterator[CostItem]:
    memory, architecture = _functions(templates)
    ticks = gigabyte_seconds = 0.0
    for function, count in _fired(templates):
        ticks += count
        gigabyte_seconds += count * SECONDS_PER_TICK * memory[function] / 1024
    yield CostItem("ticks fired", ticks, "ticks", prices.TICK)
    yield CostItem("functions started by ticks", ticks, "requests", prices.LAMBDA_REQUEST)
    yield CostItem("functions' time", gigabyte_seconds, "GB-seconds", prices.LAMBDA_GB_SECOND[architecture])
    yield CostItem("claims, ends and history", ticks * WRITE_UNITS_PER_TICK, "write units", prices.WRITE_UNIT)
    yield CostItem("logs of ticks", ticks * LOG_BYTES_PER_TICK / 1e9, "GB", prices.LOG_GB)


def _functions(templates: Mapping[str, Template]) -> tuple[dict[str, int], str]:
    functions = list(resources(templates, "AWS::Lambda::Function"))
    memory = {f"{function.stack}<{function.id}.Arn>": function.properties["MemorySize"] for function in functions}
    architectures = {architecture for function in functions for architecture in function.properties["Architectures"]}
    return memory, max(architectures, default="arm64")


def _fired(templates: Mapping[str, Template]) -> Iterator[tuple[str, float]]:
    """Functions that a schedule fires, and ticks per month."""
    for rule in resources(templates, "AWS::Events::Rule"):
        for target in rule.properties["Targets"]:
            yield rule.stack + text(target["Arn"]), ticks_a_month(rule.properties["ScheduleExpression"])
    for schedule in resources(templates, "AWS::Scheduler::Schedule"):
        arn = schedule.properties["Target"]["Arn"]
        yield schedule.stack + text(arn), ticks_a_month(schedule.properties["ScheduleExpression"])


def main() -> None:
    """`python -m infra.cost [folder]`: of the templates in `folder` (default: synthesized now)."""
    if sys.argv[1:]:
        print(table(idle(synth.read(Path(sys.argv[1])))))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(table(idle(synth.synthesize(Path(folder)))))


if __name__ == "__main__":
    main()
