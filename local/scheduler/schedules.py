"""Deployed rules and schedules, and their deliveries for a minute."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from local.scheduler.delivery import Target, UnknownTarget
from local.scheduler.expression import next_after

MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Source:
    """A rule or a schedule. `targets(at)` are its deliveries for that minute."""

    name: str
    arn: str
    expression: str
    zone: str
    enabled: bool
    targets: Callable[[datetime], list[Target]]
    starts: datetime | None = None
    ends: datetime | None = None

    def next_after(self, moment: datetime) -> datetime | None:
        """None where it is disabled or has ended."""
        if self.starts:
            moment = max(moment, self.starts - MOMENT)
        time = next_after(self.expression, moment, self.zone) if self.enabled else None
        return time if time and (self.ends is None or time <= self.ends) else None

    def due(self, minute: datetime) -> bool:
        return self.next_after(minute - MOMENT) == minute


def deployed(events: Any, scheduler: Any) -> list[Source]:
    """Read all of them. Raises UnknownTarget and ExpressionError."""
    sources = [*_rules(events), *_schedules(scheduler)]
    for source in sources:
        source.targets(datetime.now(UTC))
        next_after(source.expression, datetime.now(UTC), source.zone)
    return sources


def _zulu(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _event(source: str, arn: str, at: datetime, detail: Any) -> str:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html shows the event."""
    _, _, _, region, account, _ = arn.split(":", 5)
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": source,
        "account": account,
        "time": _zulu(at),
        "region": region,
        "resources": [arn],
        "detail": detail,
    }
    return json.dumps(event)


def _rules(events: Any) -> Iterator[Source]:
    for page in events.get_paginator("list_rules").paginate():
        for rule in page["Rules"]:
            if "ScheduleExpression" in rule:
                targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
                yield Source(
                    name=rule["Name"],
                    arn=rule["Arn"],
                    expression=rule["ScheduleExpression"],
                    zone="UTC",
                    enabled=rule["State"].startswith("ENABLED"),
                    targets=partial(_rule_targets, rule["Arn"], targets),
                )


def _rule_targets(arn: str, targets: list[Any], at: datetime) -> list[Target]:
    for target in targets:
        if "InputTransformer" in target or "InputPath" in target:
            raise UnknownTarget(f"{arn}: the local cloud delivers the event or a constant Input, and shapes neither")
    event = _event("aws.events", arn, at, {})
    return [_target(target, partial(_always, target.get("Input", event)), {"RULE_ARN": arn}) for target in targets]


def _always(text: str, _attempt: int) -> str:
    return text


def _target(target: Any, payload: Callable[[int], str], about: dict[str, str]) -> Target:
    return Target(
        arn=target["Arn"],
        payload=payload,
        about=about,
        retry_policy=target.get("RetryPolicy", {}),
        dead_letters=target.get("DeadLetterConfig", {}).get("Arn"),
        group=target.get("SqsParameters", {}).get("MessageGroupId"),
    )


def _schedules(scheduler: Any) -> Iterator[Source]:
    listed = scheduler.list_schedules(MaxResults=100)
    if len(listed["Schedules"]) == 100:
        raise UnknownTarget("the engine lists no more than 100 schedules: declare fewer time zones, or rules in UTC")
    for summary in listed["Schedules"]:
        schedule = scheduler.get_schedule(Name=summary["Name"], GroupName=summary["GroupName"])
        yield Source(
            name=schedule["Name"],
            arn=schedule["Arn"],
            expression=schedule["ScheduleExpression"],
            zone=schedule.get("ScheduleExpressionTimezone", "UTC"),
            enabled=schedule["State"] == "ENABLED",
            targets=partial(_schedule_targets, schedule),
            starts=schedule.get("StartDate"),
            ends=schedule.get("EndDate"),
        )


def _schedule_targets(schedule: Any, at: datetime) -> list[Target]:
    """https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html"""
    target, execution = schedule["Target"], str(uuid.uuid4())
    text = target.get("Input") or _event("aws.scheduler", schedule["Arn"], at, "{}")

    def payload(attempt: int) -> str:
        placeholders = {
            "schedule-arn": schedule["Arn"],
            "scheduled-time": _zulu(at),
            "execution-id": execution,
            "attempt-number": str(attempt),
        }
        filled = text
        for name, value in placeholders.items():
            filled = filled.replace(f"<aws.scheduler.{name}>", value)
        return filled

    about = {"SCHEDULE_ARN": schedule["Arn"], "SCHEDULED_TIME": _zulu(at), "EXECUTION_ID": execution}
    return [_target(target, payload, about)]
