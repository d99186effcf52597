"""Enforced roles: a function may do only what its role allows, as on AWS."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.engine import credential, emulator
from tests.local.conftest import ROLE, Account

TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
ASKS = """
    import boto3

    def handle(event, context):
        rows = boto3.client("dynamodb")
        answers = []
        for how, asked in event:
            try:
                getattr(rows, how)(**asked)
                answers.append("done")
            except Exception as error:
                answers.append(error.response["Error"]["Code"])
        return {"answers": answers}
"""
ROW = {"pk": {"S": "mine"}, "sk": {"S": "-"}}
OTHER = {"pk": {"S": "other"}, "sk": {"S": "-"}}


@pytest.fixture
def bounded(account: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """A function with grants on the rows `mine`, on an engine that enforces roles."""
    keys = [{"AttributeName": name, "KeyType": kind} for name, kind in (("pk", "HASH"), ("sk", "RANGE"))]
    account.client("dynamodb").create_table(
        TableName="things",
        KeySchema=keys,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    actions = ("GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "BatchWriteItem")
    allowed = {
        "Effect": "Allow",
        "Action": [f"dynamodb:{action}" for action in actions],
        "Resource": account.arn("dynamodb", "table/things"),
        "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["mi*"]}},
    }
    iam = account.client("iam")
    said: Any = {"Version": "2012-10-17", "Statement": [TRUST]}
    iam.create_role(RoleName="function", AssumeRolePolicyDocument=json.dumps(said))
    said = {"Version": "2012-10-17", "Statement": [allowed]}
    iam.put_role_policy(RoleName="function", PolicyName="all", PolicyDocument=json.dumps(said))
    assert ROLE.endswith("/function")
    account.function(ASKS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_SESSION_TOKEN", account.engine.token)
    monkeypatch.setattr(emulator.application(), "AUTH", True)
    return account


def requests(row: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    update = {"UpdateExpression": "SET a = :a", "ExpressionAttributeValues": {":a": {"S": "b"}}}
    return [
        ("get_item", {"TableName": "things", "Key": row}),
        ("put_item", {"TableName": "things", "Item": row}),
        ("update_item", {"TableName": "things", "Key": row, **update}),
        ("batch_get_item", {"RequestItems": {"things": {"Keys": [row]}}}),
        ("batch_write_item", {"RequestItems": {"things": [{"PutRequest": {"Item": row}}]}}),
        (
            "query",
            {
                "TableName": "things",
                "KeyConditionExpression": "#key = :key AND sk = :other",
                "ExpressionAttributeNames": {"#key": "pk"},
                "ExpressionAttributeValues": {":key": row["pk"], ":other": row["sk"]},
            },
        ),
    ]


def test_a_roles_session_has_a_secret_that_its_names_do_not_give_away(bounded: Account) -> None:
    config = bounded.client("lambda").get_function_configuration(FunctionName="job")
    one, again = (credential.of_function(config, "token") for _ in range(2))
    other = credential.of_function(config, "of another local cloud")
    assert one == again
    assert not set(one.values()) & set(other.values())


def test_a_role_limits_its_function_to_actions_and_keys(bounded: Account) -> None:
    denied = "AccessDeniedException"
    answers = bounded.invoke(event=[*requests(ROW), ("delete_item", {"TableName": "things", "Key": ROW})])
    assert answers == {"answers": ["done"] * 6 + [denied]}
    assert bounded.invoke(event=requests(OTHER)) == {"answers": [denied] * 6}
    # The account's own key may do anything.
    bounded.client("dynamodb").put_item(TableName="things", Item=OTHER)
