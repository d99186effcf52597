"""What the deployment costs in a month in which every tick finds nothing to do, item by item, from its templates."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra import prices, synth
from infra.expressions import ticks_a_month
from infra.template import Template, resources, text

# FACTS of a tick with nothing to do: claim, finish and history are a write unit each; the time lies between a warm
# run (50 ms) and a cold one (1 s, initialisation is billed); its log is three lines of ours and three of Lambda's.
WRITE_UNITS_PER_TICK = 3
SECONDS_PER_TICK = 0.5
LOG_BYTES_PER_TICK = 1500
# An idle mapping polls with five connections, each waiting for up to 20 s.
POLLS_PER_MAPPING = 5 * 30 * 86_400 / 20


@dataclass(frozen=True, slots=True)
class Line:
    item: str
    count: float
    unit: str
    price: float

    @property
    def dollars(self) -> float:
        return self.count * self.price


def idle(templates: Mapping[str, Template]) -> list[Line]:
    """Every item that costs something, the dearest first."""
    lines = [*_standing(templates), *_ticking(templates)]
    return sorted((line for line in lines if line.count), key=lambda line: -line.dollars)


def total(lines: Iterable[Line]) -> float:
    return sum(line.dollars for line in lines)


def table(lines: Iterable[Line]) -> str:
    rows = [f"{line.dollars:8.2f}  {line.count:12,.0f} {line.unit:<12} {line.item}" for line in lines]
    return "\n".join([*rows, f"{total(lines):8.2f}  dollars a month, idle, list prices of us-east-1"])


def _standing(templates: Mapping[str, Template]) -> Iterator[Line]:
    def count(*types: str) -> int:
        return len(list(resources(templates, *types)))

    mappings = count("AWS::Lambda::EventSourceMapping")
    yield Line("alarms", count("AWS::CloudWatch::Alarm"), "alarms", prices.ALARM_METRIC_MONTH)
    yield Line("dashboards", count("AWS::CloudWatch::Dashboard"), "dashboards", prices.DASHBOARD_MONTH)
    yield Line("secrets", count("AWS::SecretsManager::Secret"), "secrets", prices.SECRET_MONTH)
    yield Line("encryption keys of our own", count("AWS::KMS::Key"), "keys", prices.KEY_MONTH)
    polls = mappings * POLLS_PER_MAPPING
    yield Line(f"polling of {mappings} queues by their functions", polls, "requests", prices.SQS_REQUEST)


def _ticking(templates: Mapping[str, Template]) -> Iterator[Line]:
    memory, architecture = _functions(templates)
    ticks = gigabyte_seconds = 0.0
    for function, count in _fired(templates):
        ticks += count
        gigabyte_seconds += count * SECONDS_PER_TICK * memory[function] / 1024
    yield Line("ticks fired", ticks, "ticks", prices.TICK)
    yield Line("functions started by ticks", ticks, "requests", prices.LAMBDA_REQUEST)
    yield Line("functions' time", gigabyte_seconds, "GB-seconds", prices.LAMBDA_GB_SECOND[architecture])
    yield Line("claims, ends and history", ticks * WRITE_UNITS_PER_TICK, "write units", prices.WRITE_UNIT)
    yield Line("logs of ticks", ticks * LOG_BYTES_PER_TICK / 1e9, "GB", prices.LOG_GB)


def _functions(templates: Mapping[str, Template]) -> tuple[dict[str, int], str]:
    found = list(resources(templates, "AWS::Lambda::Function"))
    memory = {f"{function.stack}<{function.id}.Arn>": function.properties["MemorySize"] for function in found}
    architectures = {architecture for function in found for architecture in function.properties["Architectures"]}
    return memory, max(architectures, default="arm64")


def _fired(templates: Mapping[str, Template]) -> Iterator[tuple[str, float]]:
    """Each function that is fired, and how often in a month."""
    for rule in resources(templates, "AWS::Events::Rule"):
        for target in rule.properties["Targets"]:
            yield rule.stack + text(target["Arn"]), ticks_a_month(rule.properties["ScheduleExpression"])
    for schedule in resources(templates, "AWS::Scheduler::Schedule"):
        arn = schedule.properties["Target"]["Arn"]
        yield schedule.stack + text(arn), ticks_a_month(schedule.properties["ScheduleExpression"])


def main() -> None:
    """`python -m infra.cost [folder]`: of the templates in that folder, else of what is declared now."""
    if sys.argv[1:]:
        print(table(idle(synth.read(Path(sys.argv[1])))))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(table(idle(synth.synthesize(Path(folder)))))


if __name__ == "__main__":
    main()
