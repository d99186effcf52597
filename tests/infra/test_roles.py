"""Policy statements from grants."""

from __future__ import annotations

import pytest

from infra import roles
from infra.deployment import Deployment
from infra.platform import on_this_machine
from infra.roles import GrantError
from shared.aws.names import Names
from shared.aws.permissions import (
    ACCOUNT,
    Grant,
    collect,
    find_missing_objects,
    invoke_jobs,
    list_objects,
    publish,
    read_rows,
    read_secret,
    send,
    send_mail,
    write_objects,
)
from shared.job.setting import SettingError

NAMES = Names("prod", "123456789012", "eu-west-1")
BUCKET = "arn:aws:s3:::nightshift-prod-artifacts-123456789012-eu-west-1"


def one(grant: Grant) -> roles.Statement:
    (statement,) = roles.statements(NAMES, [grant])
    return statement


def test_mail_is_sent_from_the_configured_address_and_no_other() -> None:
    (statement,) = roles.statements(NAMES, [send_mail()], "bot@mail.example.co.uk")
    arns = [one.rpartition("/")[2] for one in statement["Resource"]]
    assert arns == ["bot@mail.example.co.uk", "co.uk", "example.co.uk", "mail.example.co.uk"]
    assert statement["Action"] == ["ses:SendEmail", "ses:SendRawEmail"]
    assert statement["Condition"] == {"StringEquals": {"ses:FromAddress": "bot@mail.example.co.uk"}}
    assert roles.statements(NAMES, [send_mail()]) == []


@pytest.mark.parametrize(
    ("environment", "sender"),
    [
        ({}, ""),
        ({"MAIL_FROM": "Bot <bot@example.org>"}, "bot@example.org"),
        ({"MAIL_FROM": "bot@b\u00fccher.example"}, "bot@xn--bcher-kva.example"),
        ({"MAIL_FROM": "bot@example.org", "MAIL_RELAY": "smtps://relay.example"}, ""),
    ],
)
def test_the_sender_is_that_of_the_deployers_environment(environment: dict[str, str], sender: str) -> None:
    assert Deployment(NAMES, {}, on_this_machine(), environment).sender == sender


def test_a_sender_that_is_no_address_is_refused() -> None:
    with pytest.raises(SettingError, match="MAIL_FROM"):
        _ = Deployment(NAMES, {}, on_this_machine(), {"MAIL_FROM": "nobody"}).sender


@pytest.mark.parametrize(
    ("grant", "resources"),
    [
        (send("flagship:audit"), ["arn:aws:sqs:eu-west-1:123456789012:nightshift-prod-flagship-audit"]),
        (publish("alerts"), ["arn:aws:sns:eu-west-1:123456789012:nightshift-prod-alerts"]),
        (
            read_secret("prod-auth"),
            ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:nightshift/prod/prod-auth-??????"],
        ),
        (write_objects("pricing/*"), ["arn:aws:s3:::nightshift-prod-artifacts-123456789012-eu-west-1/pricing/*"]),
        (collect("flagship:audit")[0], [f"{BUCKET}/payloads/*/flagship-audit/*"]),
        (invoke_jobs(), ["arn:aws:lambda:eu-west-1:123456789012:function:nightshift-prod-*"]),
        (Grant(("iam:GetRole",), "role/*"), ["arn:aws:iam::123456789012:role/nightshift-prod-*"]),
        (
            Grant(("cloudformation:GetTemplate",), "stack/*"),
            ["arn:aws:cloudformation:eu-west-1:123456789012:stack/nightshift-prod-*/*"],
        ),
        (Grant(("events:ListRules",), ACCOUNT), ["*"]),
        (read_rows("users"), ["arn:aws:dynamodb:eu-west-1:123456789012:table/nightshift-prod-users"]),
        (
            read_rows("webevals"),
            [
                "arn:aws:dynamodb:eu-west-1:123456789012:table/nightshift-prod-webevals",
                "arn:aws:dynamodb:eu-west-1:123456789012:table/nightshift-prod-webevals/index/*",
            ],
        ),
    ],
)
def test_a_grant_becomes_its_arn(grant: Grant, resources: list[str]) -> None:
    statement = one(grant)
    assert statement["Resource"] == resources
    assert statement["Action"] == list(grant.actions)
    assert "Condition" not in statement


def test_keys_limit_the_rows_and_exclude_the_indexes() -> None:
    statement = one(read_rows("webevals", "a#*", "b"))
    assert statement["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["a#*", "b"]}}
    assert not [arn for arn in statement["Resource"] if "index" in arn]


def test_a_key_is_named_by_its_alias() -> None:
    statement, _ = roles.statements(NAMES, collect("demo", encrypted=True))
    assert statement["Action"] == ["kms:Decrypt"]
    assert statement["Resource"] == ["arn:aws:kms:eu-west-1:123456789012:key/*"]
    alias = {"kms:ResourceAliases": "alias/nightshift-prod-payloads"}
    assert statement["Condition"] == {"ForAnyValue:StringEquals": alias}


def test_grants_of_the_same_actions_become_one_statement_in_a_fixed_order() -> None:
    grants = [send("b"), send("a"), publish("alerts"), send("a")]
    statements = roles.statements(NAMES, grants)
    assert statements == roles.statements(NAMES, reversed(grants))
    (sending,) = [statement for statement in statements if statement["Action"] == ["sqs:SendMessage"]]
    assert [arn.rpartition(":")[2] for arn in sending["Resource"]] == ["nightshift-prod-a", "nightshift-prod-b"]


@pytest.mark.parametrize(
    ("grant", "problem"),
    [
        (read_rows("nowhere"), "declare it in shared/tables.py"),
        (Grant(("dynamodb:Scan",), "table/state", ("a",)), "dynamodb:Scan cannot be limited by keys"),
        (Grant(("lambda:ListFunctions", "lambda:GetFunction"), ACCOUNT), "lambda:GetFunction can be limited"),
        (Grant(("sns:Publish",), "bus/main"), "'bus' is none of table"),
    ],
)
def test_a_grant_that_no_policy_can_express_is_refused(grant: Grant, problem: str) -> None:
    with pytest.raises(GrantError, match=problem):
        roles.statements(NAMES, [grant])


def test_only_a_role_that_may_list_the_whole_bucket_is_told_that_an_object_is_missing() -> None:
    whole, below = roles.statements(NAMES, [find_missing_objects()]), roles.statements(NAMES, [list_objects("raw/*")])
    assert [statement.get("Condition") for statement in (*whole, *below)] == [
        None,
        {"StringLike": {"s3:prefix": "raw/*"}},
    ]
