"""A stack as moto deploys it: a role and rules."""

from __future__ import annotations

import json
from typing import Any

from shared.aws.cloud import Cloud

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/t"


def read_table(resource: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:Query"], "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


ADMINISTRATOR = "arn:aws:iam::123456789012:policy/AdministratorAccess"


def deploy_stack(cloud: Cloud, name: str, *rules: str, role: str = "") -> None:
    """A stack with these rules and, if it is named, a role that may read a table."""
    resources: dict[str, Any] = {
        f"Rule{number}": {
            "Type": "AWS::Events::Rule",
            "Properties": {"Name": each, "ScheduleExpression": "rate(5 minutes)", "State": "ENABLED"},
        }
        for number, each in enumerate(rules)
    }
    if role:
        joined = {"Fn::Join": ["", ["arn:aws:dynamodb:us-east-1:", {"Ref": "AWS::AccountId"}, ":table/t"]]}
        policies = [{"PolicyName": "grants", "PolicyDocument": read_table([joined])}]
        properties = {"RoleName": role, "AssumeRolePolicyDocument": TRUST, "Policies": policies}
        resources["Role"] = {"Type": "AWS::IAM::Role", "Properties": properties}
    cloud.stacks.create_stack(
        StackName=name, TemplateBody=json.dumps({"Resources": resources}), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    if role:
        # moto stores the repr of the template's documents.
        cloud.roles.put_role_policy(RoleName=role, PolicyName="grants", PolicyDocument=json.dumps(read_table([TABLE])))
        cloud.roles.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(TRUST))
