"""Decisions of IAM about one access."""

from __future__ import annotations

from typing import Any

import pytest

from infra import roles
from proof.permissions.policy import allowing
from proof.permissions.requests import Access, accesses
from shared.aws.names import Names

NAMES = Names("prod", "123456789012", "eu-west-1")
STATE = "arn:aws:dynamodb:eu-west-1:123456789012:table/nightshift-prod-state"
KEYED = roles.allow(("dynamodb:GetItem",), STATE, leading_keys=("mine#*",))


def decided(statements: list[Any], service: str, operation: str, **request: Any) -> list[bool]:
    return [bool(allowing(statements, access)) for access in accesses(NAMES, service, operation, request)]


@pytest.mark.parametrize(("key", "allowed"), [("mine#1", True), ("other#1", False)])
def test_a_condition_on_keys_is_decided_by_the_requests_keys(key: str, allowed: bool) -> None:
    row = {"pk": {"S": key}, "sk": {"S": "-"}}
    assert decided([KEYED], "dynamodb", "GetItem", TableName="nightshift-prod-state", Key=row) == [allowed]


def test_a_transaction_is_decided_item_by_item() -> None:
    items = [{"Put": {"TableName": "nightshift-prod-state"}}, {"Update": {"TableName": "nightshift-prod-webhooks"}}]
    statements = [roles.allow(("dynamodb:PutItem",), STATE)]
    assert decided(statements, "dynamodb", "TransactWriteItems", TransactItems=items) == [True, False]


def test_a_denial_wins() -> None:
    allow = roles.allow(("s3:GetObject",), "arn:aws:s3:::artifacts/*")
    deny = {**roles.allow(("s3:GetObject",), "arn:aws:s3:::artifacts/plans/*"), "Effect": "Deny"}
    request = {"Bucket": "artifacts", "Key": "plans/a"}
    assert decided([allow], "s3", "HeadObject", **request) == [True]
    assert decided([allow, deny], "s3", "HeadObject", **request) == [False]


def test_a_list_is_limited_by_its_prefix() -> None:
    statement = roles.allow(("s3:ListBucket",), "arn:aws:s3:::artifacts", prefix="exports/*")
    assert decided([statement], "s3", "ListObjectsV2", Bucket="artifacts", Prefix="exports/org") == [True]
    assert decided([statement], "s3", "ListObjectsV2", Bucket="artifacts", Prefix="raw/") == [False]


def test_an_unknown_condition_or_service_is_not_guessed() -> None:
    statement = {**roles.allow(("sns:Publish",), "*"), "Condition": {"Bool": {"aws:SecureTransport": "true"}}}
    with pytest.raises(NotImplementedError, match="the condition Bool"):
        allowing([statement], Access("sns:Publish", "t"))
    with pytest.raises(NotImplementedError, match="athena:StartQueryExecution"):
        list(accesses(NAMES, "athena", "StartQueryExecution", {}))
