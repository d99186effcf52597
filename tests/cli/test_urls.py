"""`urls` prints the addresses that the front stack has as outputs."""

from __future__ import annotations

import json

import pytest

from cli.commands import urls
from shared.aws.cloud import Cloud
from tests.cli.conftest import Call
from tests.cli.test_drift import rule

AWS = ("--aws", "--stage", "test")


@pytest.fixture(autouse=True)
def region(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")


def front(cloud: Cloud, stage: str) -> None:
    outputs = {
        "triggerAddress": {"Value": f"https://{stage}.example/", "Description": f"{urls.DESCRIPTION}trigger"},
        "consoleAddress": {"Value": f"https://console.{stage}.example/", "Description": f"{urls.DESCRIPTION}console"},
        "Commit": {"Value": "abc", "Description": "another output"},
    }
    template = {"Resources": {"Rule": rule(f"{stage}-rule")}, "Outputs": outputs}
    cloud.stacks.create_stack(StackName=f"nightshift-{stage}-front", TemplateBody=json.dumps(template))


def test_the_addresses_of_the_stage_are_listed_by_endpoint(call: Call, aws: Cloud) -> None:
    front(aws, "test2")
    front(aws, "test")
    answer = call("urls", "--json", *AWS)
    assert answer.json == [
        {"endpoint": "console", "address": "https://console.test.example/"},
        {"endpoint": "trigger", "address": "https://test.example/"},
    ]
    assert "https://console.test.example/" in call("urls", *AWS).out


def test_a_stage_without_addresses_is_to_be_deployed(call: Call, aws: Cloud) -> None:
    answer = call("urls", *AWS)
    assert (answer.code, "npx cdk deploy --all -c stage=test" in answer.err) == (3, True)


def test_the_local_cloud_prints_its_addresses_at_the_start(call: Call) -> None:
    answer = call("urls")
    assert (answer.code, "python jobs.py up" in answer.err) == (2, True)
