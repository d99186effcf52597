"""Roles that were changed by hand are found, and get the policies of their template back."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from shared.admin import role_drift
from shared.aws.cloud import Cloud
from tests.support.deployed_stack import ADMINISTRATOR, TABLE, deploy_stack, read_table

STACK, ROLE = "nightshift-test-demo", "nightshift-test-demo-role"
OTHER = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


def narrowed(cloud: Cloud) -> None:
    cloud.roles.put_role_policy(RoleName=ROLE, PolicyName="grants", PolicyDocument=json.dumps(OTHER))


def removed(cloud: Cloud) -> None:
    cloud.roles.delete_role_policy(RoleName=ROLE, PolicyName="grants")


def added(cloud: Cloud) -> None:
    cloud.roles.put_role_policy(RoleName=ROLE, PolicyName="hotfix", PolicyDocument=json.dumps(OTHER))


def attached(cloud: Cloud) -> None:
    cloud.roles.attach_role_policy(RoleName=ROLE, PolicyArn=ADMINISTRATOR)


def trusted(cloud: Cloud) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
    }
    cloud.roles.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(trust))


def deleted(cloud: Cloud) -> None:
    removed(cloud)
    cloud.roles.delete_role(RoleName=ROLE)


CHANGES: dict[Callable[[Cloud], None], str] = {
    narrowed: "its policy grants was changed",
    removed: "its policy grants was changed",
    added: "its policy hotfix is not in the template",
    attached: "AdministratorAccess is attached to it",
    trusted: "its trust policy was changed",
    deleted: "the role was deleted",
}


@pytest.fixture
def stack(cloud: Cloud) -> Cloud:
    cloud.roles.create_policy(PolicyName="AdministratorAccess", PolicyDocument=json.dumps(OTHER))
    deploy_stack(cloud, STACK, role=ROLE)
    return cloud


def test_a_role_as_it_was_deployed_is_not_listed(stack: Cloud) -> None:
    assert list(role_drift.find(stack, [STACK])) == []


@pytest.mark.parametrize(("change", "problem"), CHANGES.items())
def test_a_change_by_hand_is_named_and_undone(change: Callable[[Cloud], None], problem: str, stack: Cloud) -> None:
    change(stack)
    [role] = role_drift.find(stack, [STACK])
    assert (role.name, role.stack, role.problem) == (ROLE, STACK, problem)
    role_drift.restore(stack, role)
    assert list(role_drift.find(stack, [STACK])) == []


def test_order_and_single_values_are_no_difference(stack: Cloud) -> None:
    same = read_table(TABLE)
    same["Statement"] = {**same["Statement"][0], "Action": ["dynamodb:Query", "dynamodb:GetItem"]}
    stack.roles.put_role_policy(RoleName=ROLE, PolicyName="grants", PolicyDocument=json.dumps(same))
    assert list(role_drift.find(stack, [STACK])) == []
