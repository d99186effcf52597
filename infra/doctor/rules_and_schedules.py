"""Rules and schedules: time zones, delivery failures, permissions, state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.doctor import deployed_functions
from infra.doctor.deployed_functions import STARTERS, targets
from infra.finding import Finding, refused, warning
from infra.template import Resource, Template, resources, text

CHECK = "schedule"
MOST_TARGETS = 5


def check(templates: Mapping[str, Template]) -> Iterator[Finding]:
    for starter in resources(templates, *STARTERS):
        where = f"{starter.stack}/{starter.id}"
        yield from _of_form(starter, where)
        for target in targets(starter):
            if not target.get("DeadLetterConfig", {}).get("Arn"):
                yield warning(
                    CHECK,
                    where,
                    "an event that cannot be delivered is lost without a trace",
                    "set DeadLetterConfig of the target to the queue firings-dlq",
                )
    for function in deployed_functions.read(templates):
        yield from _permissions(function)


def _of_form(starter: Resource, where: str) -> Iterator[Finding]:
    properties, rule = starter.properties, starter.type == "AWS::Events::Rule"
    if rule and "ScheduleExpressionTimezone" in properties:
        yield refused(
            CHECK,
            where,
            "rules fire in UTC; CloudFormation refuses a time zone of one",
            "use an AWS::Scheduler::Schedule: declare the time zone in the job's schedule",
        )
    if properties.get("State", "ENABLED") != "ENABLED":
        yield refused(
            CHECK, where, "it is created disabled: its job never runs", "set State: ENABLED; to stop a job, pause it"
        )
    if rule and len(properties.get("Targets", [])) > MOST_TARGETS:
        yield refused(CHECK, where, f"a rule has at most {MOST_TARGETS} targets", "use one rule for each job")
    if not list(targets(starter)):
        yield refused(CHECK, where, "it has no target and starts nothing", "add the function as its target")
    if not rule and properties.get("FlexibleTimeWindow", {}).get("Mode", "OFF") != "OFF":
        yield warning(CHECK, where, "a flexible window moves ticks by minutes", "set FlexibleTimeWindow.Mode to OFF")


def _permissions(function: deployed_functions.DeployedFunction) -> Iterator[Finding]:
    """Permissions of rules on the function, and roles of schedules."""
    allowed = [
        text(permission.properties.get("SourceArn", ""))
        for permission in function.parts.get("AWS::Lambda::Permission", [])
        if permission.properties.get("Principal") == "events.amazonaws.com"
    ]
    for starter, target in function.starters:
        where = f"{starter.stack}/{starter.id}"
        if starter.type == "AWS::Events::Rule":
            name = text(starter.properties.get("Name", starter.id))
            if not any(arn in (f"<{starter.id}.Arn>", "") or arn.endswith(f"/{name}") for arn in allowed):
                yield refused(
                    CHECK,
                    where,
                    f"EventBridge may not invoke {function.name}: every tick fails",
                    "add an AWS::Lambda::Permission for events.amazonaws.com with the rule as SourceArn",
                )
        elif not target.get("RoleArn"):
            yield refused(CHECK, where, "a schedule without a role starts nothing", "set RoleArn of its target")
