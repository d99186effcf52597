"""References in a deployed template are resolved to what CloudFormation passed on."""

from __future__ import annotations

from typing import Any

import pytest

from shared.admin.deployed_template import DeployedTemplate, Unresolved, read
from shared.aws.cloud import Cloud
from tests.support.deployed_stack import deploy_stack

RESOURCES = {"Run": {"Type": "AWS::Lambda::Function"}, "Key": {"Type": "AWS::KMS::Key"}}


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"Ref": "AWS::Region"}, "us-east-1"),
        ({"Ref": "Run"}, "nightshift-test-run"),
        ({"Fn::GetAtt": ["Run", "Arn"]}, "arn:aws:lambda:us-east-1:123456789012:function:nightshift-test-run"),
        ({"a": [{"Fn::Join": ["/", ["x", {"Ref": "AWS::Partition"}]]}], "b": 1}, {"a": ["x/aws"], "b": 1}),
    ],
)
def test_a_reference_is_resolved(value: Any, resolved: Any, cloud: Cloud) -> None:
    template = DeployedTemplate(cloud, "s", {"Resources": RESOURCES}, {"Run": "nightshift-test-run"})
    assert template.resolve(value) == resolved


@pytest.mark.parametrize("value", [{"Ref": "Gone"}, {"Fn::GetAtt": ["Key", "Arn"]}, {"Fn::ImportValue": "x"}])
def test_what_only_cloudformation_knows_is_unresolved(value: Any, cloud: Cloud) -> None:
    template = DeployedTemplate(cloud, "s", {"Resources": RESOURCES}, {"Key": "1"})
    with pytest.raises(Unresolved):
        template.resolve(value)


def test_a_template_is_read_with_the_physical_names(cloud: Cloud) -> None:
    deploy_stack(cloud, "nightshift-test-demo", "nightshift-test-good", role="r")
    template = read(cloud, "nightshift-test-demo")
    [(logical, physical, properties)] = template.resources("AWS::IAM::Role")
    assert (logical, physical, properties["RoleName"]) == ("Role", "r", "r")
