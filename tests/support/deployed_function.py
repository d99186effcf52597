"""A function, and what starts it, as moto deploys them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

from shared.aws.cloud import Cloud


def deploy_function(cloud: Cloud, name: str, variables: Mapping[str, str] | None = None) -> None:
    """A function of that name, with these environment variables."""
    iam: Any = cloud.roles
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("handler.py", "")
    cloud.functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role,
        Handler="handler.handle",
        Code={"ZipFile": code.getvalue()},
        Environment={"Variables": dict(variables or {})},
    )


def put_rule(cloud: Cloud, name: str, *, enabled: bool = True) -> None:
    state: Any = "ENABLED" if enabled else "DISABLED"
    cloud.rules.put_rule(Name=name, ScheduleExpression="rate(5 minutes)", State=state)


def put_schedule(cloud: Cloud, name: str, *, enabled: bool = True) -> None:
    cloud.schedules.create_schedule(
        Name=name,
        ScheduleExpression="cron(10 3 * * ? *)",
        ScheduleExpressionTimezone="Europe/Vienna",
        Description="What it starts",
        FlexibleTimeWindow={"Mode": "OFF"},
        State="ENABLED" if enabled else "DISABLED",
        Target={
            "Arn": "arn:aws:lambda:us-east-1:123456789012:function:f",
            "RoleArn": "arn:aws:iam::123456789012:role/r",
            "Input": "{}",
        },
    )
