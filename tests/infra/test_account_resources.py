"""Resources that an account has, and that a stage uses instead of its own."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra import stage_file
from infra.account_resources import AccountError, AccountResources
from infra.template import Template, resources, text
from shared.job import registry
from tests.infra.conftest import CORPORATE

Templates = dict[str, Template]
ACCOUNT = tomllib.loads(CORPORATE)["account"]
KEY, BUCKET, TOPIC = ACCOUNT["kms_key"], ACCOUNT["bucket"], ACCOUNT["alerts_topic"]
JOBS = registry.discover({}).jobs.values()
# Resource type -> where a template names the key of its data.
KEYS: dict[str, Callable[[Any], Any]] = {
    "AWS::DynamoDB::Table": lambda properties: properties["SSESpecification"]["KMSMasterKeyId"],
    "AWS::SQS::Queue": lambda properties: properties["KmsMasterKeyId"],
    "AWS::SNS::Topic": lambda properties: properties["KmsMasterKeyId"],
    "AWS::SecretsManager::Secret": lambda properties: properties["KmsKeyId"],
    "AWS::Logs::LogGroup": lambda properties: properties["KmsKeyId"],
}


def statements(templates: Templates) -> list[tuple[str, dict[str, Any]]]:
    return [
        (role.id, statement)
        for role in resources(templates, "AWS::IAM::Role")
        for policy in role.properties["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def test_the_stage_creates_no_bucket_and_no_topic_of_alerts(corporate: Templates) -> None:
    assert not list(resources(corporate, "AWS::S3::Bucket", "AWS::S3::BucketPolicy"))
    assert [text(topic.properties["TopicName"]) for topic in resources(corporate, "AWS::SNS::Topic")] == []
    for alarm in resources(corporate, "AWS::CloudWatch::Alarm"):
        assert alarm.properties["AlarmActions"] == [TOPIC]


def test_every_function_knows_the_bucket_and_the_topic(corporate: Templates) -> None:
    for function in resources(corporate, "AWS::Lambda::Function"):
        variables = function.properties["Environment"]["Variables"]
        assert (variables["NIGHTSHIFT_BUCKET"], variables["NIGHTSHIFT_ALERTS_TOPIC"]) == (BUCKET, TOPIC), function.id


def test_grants_name_the_bucket_and_the_topic_of_the_account(corporate: Templates) -> None:
    arns = {text(arn) for _, each in statements(corporate) for arn in each["Resource"]}
    assert {arn for arn in arns if ":sns:" in arn} == {TOPIC}
    assert {arn.split(":::")[1].partition("/")[0] for arn in arns if ":s3:::" in arn} == {BUCKET}


def test_all_data_is_encrypted_with_the_key_of_the_account(corporate: Templates) -> None:
    encrypted = [*resources(corporate, *KEYS)]
    assert {resource.type for resource in encrypted} == KEYS.keys() - {"AWS::SNS::Topic"}
    assert {KEYS[resource.type](resource.properties) for resource in encrypted} == {KEY}
    assert not any("SqsManagedSseEnabled" in queue.properties for queue in resources(corporate, "AWS::SQS::Queue"))


def test_each_role_uses_the_key_through_the_services_that_it_calls_only(corporate: Templates) -> None:
    for role in resources(corporate, "AWS::IAM::Role"):
        own = [each for name, each in statements(corporate) if name == role.id]
        (use,) = [
            each for each in own if each["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"] and KEY in each["Resource"]
        ]
        services = {text(service).split(".")[0] for service in use["Condition"]["StringEquals"]["kms:ViaService"]}
        called = {action.partition(":")[0] for each in own for action in each["Action"] if each["Effect"] == "Allow"}
        assert services == called & {"dynamodb", "s3", "secretsmanager", "sns", "sqs"}, role.id


def test_every_function_runs_in_the_vpc_whose_interfaces_its_code_may_not_touch(corporate: Templates) -> None:
    for function in resources(corporate, "AWS::Lambda::Function"):
        vpc = function.properties["VpcConfig"]
        assert (vpc["SubnetIds"], vpc["SecurityGroupIds"]) == (ACCOUNT["subnets"], ACCOUNT["security_groups"])
    policies = {(each.stack, f"<{each.id}>"): each for each in resources(corporate, "AWS::IAM::ManagedPolicy")}
    for role in resources(corporate, "AWS::IAM::Role"):
        trusted = role.properties["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
        attached = [text(arn) for arn in role.properties.get("ManagedPolicyArns", [])]
        assert len(attached) == (trusted == "lambda.amazonaws.com"), role.id
        assert {(role.stack, name) for name in attached} <= policies.keys(), role.id
    for policy in policies.values():
        *allowed, denied = policy.properties["PolicyDocument"]["Statement"]
        assert [each["Action"] for each in allowed if "*" in each["Resource"]] == [["ec2:DescribeNetworkInterfaces"]]
        assert set(denied["Action"]) == {action for each in allowed for action in each["Action"]}
        (pattern,) = denied["Condition"]["ArnLike"].values()
        assert text(pattern).endswith(":function:nightshift-corp-*")


def test_every_role_has_the_boundary_and_every_stack_the_tag(corporate: Templates, shared_folder: Path) -> None:
    roles = [*resources(corporate, "AWS::IAM::Role")]
    assert {role.properties.get("PermissionsBoundary") for role in roles} == {ACCOUNT["permissions_boundary"]}
    artifacts = json.loads((shared_folder / "templates-corp" / "manifest.json").read_text())["artifacts"]
    tags = {name: artifacts[name]["properties"]["tags"] for name in corporate}
    assert {each["cost-center"] for each in tags.values()} == {"4711"}
    assert {each["nightshift:stage"] for each in tags.values()} == {"corp"}


def test_without_them_a_template_names_none(grown: Templates) -> None:
    for kind, properties in (
        ("AWS::Lambda::Function", {"VpcConfig"}),
        ("AWS::IAM::Role", {"PermissionsBoundary"}),
        ("AWS::SQS::Queue", {"KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"}),
        ("AWS::DynamoDB::Table", {"SSESpecification"}),
    ):
        assert not any(properties & resource.properties.keys() for resource in resources(grown, kind))


@pytest.mark.parametrize(
    ("text_of_file", "refused"),
    [
        ("account = 1", "account must be a table"),
        ("[account]\nvpc = 'vpc-1'", "'vpc' is none of bucket, alerts_topic, kms_key, permissions_boundary, subnets"),
        ("[account]\nbucket = 'Corp_Jobs'", 'bucket must be a text as in "corp-jobs-prod"'),
        ("[account]\nbucket = ['corp']", "bucket must be a text"),
        *(
            (f"[account]\nbucket = '{name}'", "bucket must be a text")
            for name in ("corp..jobs", "192.168.1.10", "xn--corp", "corp-s3alias", "corp.-jobs", "a--use1-az1--x-s3")
        ),
        ("[account]\npermissions_boundary = 'arn:aws:iam::123456789012:policy/a//b'", "permissions_boundary must be"),
        (
            "[account]\nsubnets = ['subnet-0a1b2c3d', 'subnet-0a1b2c3d']\nsecurity_groups = ['sg-0a1b2c3d']",
            "subnets has an entry twice",
        ),
        (
            "[account]\nsubnets = ['subnet-0a1b2c3d4']\nsecurity_groups = ['sg-0a1b2c3d']",
            "subnets must be a list as in",
        ),
        ("[tags]\n'AWS:x' = 'y'", "names that begin with aws: or nightshift: are reserved"),
        ("[tags]\n' ' = 'y'", "a name has up to 128 letters"),
        ("[account]\nalerts_topic = 'oncall'", 'alerts_topic must be a text as in "arn:aws:sns'),
        ("[account]\nkms_key = 'alias/corp'", 'kms_key must be a text as in "arn:aws:kms'),
        ("[account]\npermissions_boundary = 'boundary'", "permissions_boundary must be a text"),
        ("[account]\nsubnets = ['subnet-0a1b2c3d']", "subnets and security_groups belong together"),
        ("[account]\nsubnets = []\nsecurity_groups = ['sg-0a1b2c3d']", "subnets must be a list as in"),
        (
            "[account]\nsubnets = ['subnet-0a1b2c3d']\nsecurity_groups = ['default']",
            "security_groups must be a list as in",
        ),
        (
            f"[account]\nsubnets = ['subnet-0a1b2c3d']\nsecurity_groups = {[f'sg-0a1b2c3{n}' for n in range(6)]}",
            "security_groups has 6 entries; Lambda allows 5",
        ),
        ("tags = 1", "tags must be a table"),
        ("[tags]\n'aws:x' = 'y'", "names that begin with aws: or nightshift: are reserved"),
        ("[tags]\n'a#b' = 'y'", "a name has up to 128 letters"),
        ("[tags]\nowner = 7", "the value must be a text"),
    ],
)
def test_an_invalid_entry_is_refused_with_its_place_and_the_form(
    tmp_path: Path, text_of_file: str, refused: str
) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "try.toml").write_text(text_of_file)
    with pytest.raises(stage_file.StageError) as error:
        stage_file.read("try", tmp_path, JOBS)
    assert refused in str(error.value)
    assert str(error.value).startswith("stages/try.toml: ")


@pytest.mark.parametrize(
    ("field", "refused"),
    [
        ({"kms_key": KEY}, "kms_key: .* is in eu-west-1, and the deployment in eu-central-1"),
        ({"alerts_topic": TOPIC}, "alerts_topic: .* is in eu-west-1"),
        (
            {"permissions_boundary": ACCOUNT["permissions_boundary"]},
            "policy of account 123456789012, .* of 999999999999",
        ),
    ],
)
def test_a_resource_elsewhere_is_refused_at_synthesis(field: dict[str, Any], refused: str) -> None:
    used = AccountResources(**field)
    used.check("123456789012", "eu-west-1")
    used.check(None, None)
    with pytest.raises(AccountError, match=refused):
        used.check("999999999999", "eu-central-1")
