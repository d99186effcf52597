"""Properties that ministack's CloudFormation ignores, applied with each resource.

Applied here, not after the deployment: references are resolved, and every deployment has the same result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from local.engine import emulator, properties
from local.scheduler.expression import next_after

Properties = Mapping[str, Any]


def install() -> None:
    provisioners = emulator.service("cloudformation.provisioners")
    handlers = provisioners._RESOURCE_HANDLERS
    for resource, complete in {
        "AWS::DynamoDB::Table": table,
        "AWS::Lambda::Function": function,
        "AWS::Scheduler::Schedule": schedule,
        "AWS::Events::Rule": rule,
    }.items():
        for action, position in (("create", 1), ("update", 2)):
            handlers[resource][action] = _followed_by(handlers[resource][action], position, complete)
    provisioners._sm_secret_string = secret_string
    for resource in properties.IDLE:
        # A resource type without effect here, and without a handler in ministack.
        handlers.setdefault(resource, {"create": lambda name, _properties, stack: (f"{stack}-{name}", {})})


def _followed_by(
    handler: Callable[..., tuple[str, Any]], position: int, complete: Callable[[str, Properties], None]
) -> Callable[..., tuple[str, Any]]:
    def both(*arguments: Any) -> tuple[str, Any]:
        physical, attributes = handler(*arguments)
        complete(physical, arguments[position])
        return physical, attributes

    return both


def table(name: str, requested: Properties) -> None:
    tables = emulator.service("dynamodb")
    if ttl := requested.get("TimeToLiveSpecification"):
        enabled = str(ttl.get("Enabled", True)).lower() == "true"
        specification = {"AttributeName": ttl.get("AttributeName", ""), "Enabled": enabled}
        _accepted(tables._update_ttl({"TableName": name, "TimeToLiveSpecification": specification}))
    else:
        tables._ttl_settings.pop(name, None)
    recovery = requested.get("PointInTimeRecoverySpecification", {})
    enabled = str(recovery.get("PointInTimeRecoveryEnabled", False)).lower() == "true"
    specification = {"PointInTimeRecoveryEnabled": enabled}
    _accepted(tables._update_continuous_backups({"TableName": name, "PointInTimeRecoverySpecification": specification}))


def function(name: str, requested: Properties) -> None:
    functions = emulator.service("lambda_svc")
    reserved = requested.get("ReservedConcurrentExecutions")
    functions._functions[name]["concurrency"] = None if reserved is None else int(reserved)


def rule(_: str, requested: Properties) -> None:
    """Refuse an expression that AWS would refuse; ministack accepts any."""
    if expression := requested.get("ScheduleExpression"):
        next_after(expression, datetime.now(UTC))


def schedule(name: str, requested: Properties) -> None:
    zone = requested.get("ScheduleExpressionTimezone", "UTC")
    next_after(requested["ScheduleExpression"], datetime.now(UTC), zone)
    dates = {
        key: datetime.fromisoformat(requested[key]).timestamp() for key in ("StartDate", "EndDate") if key in requested
    }
    body = {**requested, **dates, "ScheduleExpressionTimezone": zone}
    _accepted(emulator.service("scheduler")._update_schedule(name, body))


def secret_string(requested: Properties) -> str:
    """Generate a secret. Replaces ministack's function, which supports two of eight options."""
    generate = dict(requested.get("GenerateSecretString") or {})
    if not generate:
        return str(requested.get("SecretString", ""))
    template, key = generate.pop("SecretStringTemplate", None), generate.pop("GenerateStringKey", None)
    _, _, body = _accepted(emulator.service("secretsmanager")._get_random_password(generate))
    password = str(json.loads(body)["RandomPassword"])
    return json.dumps({**json.loads(template), key: password}) if template else password


def _accepted(answer: tuple[int, Any, bytes]) -> tuple[int, Any, bytes]:
    if answer[0] >= 400:
        raise ValueError(answer[2].decode())
    return answer
