"""Physical names: of one deployment each, and valid where the service demands it."""

from __future__ import annotations

import pytest

from shared.aws.names import PRODUCTION, Names

NAMES = Names("test", "123456789012", "eu-west-1")


def test_a_name_contains_its_stage() -> None:
    assert NAMES.table("state") == "nightshift-test-state"
    assert NAMES.secret("relay") == "nightshift/test/relay"
    assert NAMES.key("payloads") == "alias/nightshift-test-payloads"


def test_the_colon_of_a_logical_queue_name_is_replaced() -> None:
    assert NAMES.queue_url("webhooks:deliver").endswith("/123456789012/nightshift-test-webhooks-deliver")


def test_buckets_of_two_accounts_and_regions_have_different_names() -> None:
    others = Names("test", "123456789013", "eu-west-1"), Names("test", "123456789012", "us-east-1")
    assert len({NAMES.bucket, *(other.bucket for other in others)}) == 3


def test_a_bucket_and_a_topic_of_the_account_replace_those_of_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    oncall = "arn:aws:sns:eu-west-1:123456789012:oncall"
    monkeypatch.setenv("NIGHTSHIFT_BUCKET", "corp-jobs")
    monkeypatch.setenv("NIGHTSHIFT_ALERTS_TOPIC", oncall)
    names = Names.from_environment()
    assert (names.bucket, names.topic_arn("alerts")) == ("corp-jobs", oncall)
    assert names.topic_arn("other") != oncall


def test_arns_and_urls_are_of_the_partition() -> None:
    china = Names("test", "123456789012", "cn-north-1", "aws-cn", "amazonaws.com.cn")
    assert china.topic_arn("alerts") == "arn:aws-cn:sns:cn-north-1:123456789012:nightshift-test-alerts"
    assert china.queue_url("work").startswith("https://sqs.cn-north-1.amazonaws.com.cn/")


@pytest.mark.parametrize(
    ("stage", "declared", "production"),
    [
        ("prod", "", True),
        ("production", "", True),
        ("live", "", False),
        ("live", "true", True),
        ("prod", "false", False),
        ("staging", "TRUE", True),
    ],
)
def test_a_stage_declares_whether_it_is_production(
    stage: str, declared: str, production: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHIFT_STAGE", stage)
    monkeypatch.setenv("NIGHTSHIFT_PRODUCTION", declared)
    assert Names.from_environment().production is production


def test_an_unclear_declaration_of_production_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHIFT_PRODUCTION", "perhaps")
    with pytest.raises(ValueError, match="must be true or false"):
        Names.from_environment()


def test_a_function_reads_its_deployment_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NIGHTSHIFT_STAGE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    assert Names.from_environment().production
    monkeypatch.setenv("NIGHTSHIFT_STAGE", "staging")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    read = Names.from_environment()
    assert (read.stage, read.region, read.stage == PRODUCTION) == ("staging", "eu-west-1", False)
