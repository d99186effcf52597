"""Each state of an account that makes a deployment fail or lose something is found."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cli import preflight
from cli.preflight import (
    bootstrap_version,
    busy_resources,
    concurrency_pool,
    existing_names,
    mail_sender,
    secret_values,
    stack_states,
    subscriptions,
    undeclared_resources,
)
from cli.preflight.change import Change
from infra.finding import Finding, Severity
from infra.template import resolved
from shared.admin.deployed_template import pseudo_parameters
from shared.aws import attributes
from shared.aws.cloud import Cloud
from tests.conftest import VirtualClock
from tests.support.deployed_function import put_rule
from tests.support.deployed_stack import deploy_stack
from tests.support.small_templates import resource

GROUP = "nightshift-test-demo"
EMPTY: dict[str, Any] = {GROUP: {"Resources": {}}}


def change(after: dict[str, Any], before: dict[str, Any] | None = None, **template: Any) -> Change:
    old = {GROUP: {"Resources": before}} if before is not None else {}
    return Change("test", old, {GROUP: {"Resources": after, **template}}, secrets=("mail-relay",))


def severities(findings: Any) -> list[str]:
    listed: list[Finding] = list(findings)
    assert all(finding.fix and finding.where for finding in listed)
    return [finding.severity.value for finding in listed]


def function(**properties: Any) -> dict[str, Any]:
    return resource("Lambda::Function", FunctionName="nightshift-test-tick", **properties)


QUEUE = {"Food": resource("SQS::Queue", QueueName="nightshift-test-food")}


def test_a_queue_with_messages_that_would_go_is_refused(cloud: Cloud) -> None:
    url = cloud.sqs.create_queue(QueueName="nightshift-test-food")["QueueUrl"]
    assert severities(busy_resources.check(change({}, QUEUE), cloud)) == []
    cloud.sqs.send_message(QueueUrl=url, MessageBody="x")
    [finding] = busy_resources.check(change({}, QUEUE), cloud)
    assert finding.problem == "the queue nightshift-test-food would be deleted with 1 messages"
    assert severities(busy_resources.check(change(QUEUE, QUEUE), cloud)) == []


def test_a_function_with_a_running_lease_that_would_go_is_refused(cloud: Cloud, clock: VirtualClock) -> None:
    until = int(clock.now().timestamp() * 1000) + 60_000
    item = {"pk": "tick:last", "sk": "-", "holder": "run-1", "lease_until": until}
    cloud.dynamodb.put_item(TableName=cloud.names.table("state"), Item=attributes.row(item))
    gone = change({}, {"Tick": function()})
    [finding] = busy_resources.check(gone, cloud)
    assert finding.problem.endswith("would be deleted during the run run-1")
    clock.move(minutes=2)
    assert severities(busy_resources.check(gone, cloud)) == []


def test_waiting_messages_in_a_version_that_nothing_reads_are_refused(cloud: Cloud) -> None:
    def queue(version: int, *reads: int) -> dict[str, Any]:
        metadata = {"nightshift:payload": {"type": "meal", "version": version, "reads": reads}}
        return {"Food": {**QUEUE["Food"], "Metadata": metadata}}

    url = cloud.sqs.create_queue(QueueName="nightshift-test-food")["QueueUrl"]
    lost, kept = change(queue(2, 2), queue(1, 1)), change(queue(2, 1, 2), queue(1, 1))
    assert severities(busy_resources.check(lost, cloud)) == []
    cloud.sqs.send_message(QueueUrl=url, MessageBody="x")
    assert severities(busy_resources.check(lost, cloud)) == ["refused"]
    assert severities(busy_resources.check(kept, cloud)) == []


@pytest.mark.parametrize(
    ("status", "count"),
    [
        ("CREATE_COMPLETE", 0),
        ("UPDATE_ROLLBACK_COMPLETE", 0),
        ("ROLLBACK_COMPLETE", 1),
        ("UPDATE_ROLLBACK_FAILED", 1),
        ("DELETE_FAILED", 1),
        ("UPDATE_IN_PROGRESS", 1),
    ],
)
def test_a_stack_that_cannot_be_updated_is_refused(
    status: str, count: int, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.admin import drift

    stacks = [drift.DeployedStack(GROUP, "id", status, cloud.clock.now())]
    monkeypatch.setattr(drift, "stacks", lambda _: stacks)
    found = list(stack_states.check(change({}), cloud))
    assert len(found) == count
    assert all(GROUP in finding.fix for finding in found)


BUCKET = resource("S3::Bucket", BucketName={"Fn::Join": ["", ["nightshift-test-artifacts-", {"Ref": "AWS::Region"}]]})
TABLE = resource("DynamoDB::Table", TableName="nightshift-test-state")
SECRET = resource("SecretsManager::Secret", Name="nightshift/test/mail-relay")


@pytest.fixture
def leftovers(cloud: Cloud) -> Cloud:
    cloud.s3.create_bucket(Bucket="nightshift-test-artifacts-us-east-1")
    return cloud


@pytest.mark.parametrize("part", [BUCKET, TABLE])
@pytest.mark.moto
def test_a_retained_resource_of_an_earlier_deployment_is_refused_unless_a_stack_owns_it(
    part: dict[str, Any], leftovers: Cloud
) -> None:
    part = resolved(part, pseudo_parameters(leftovers.names))
    [finding] = existing_names.check(change({"Part": part}), leftovers)
    assert "--import-existing-resources" in finding.fix
    assert severities(existing_names.check(change({"Part": part}, {"Part": part}), leftovers)) == []


def test_a_secret_that_is_scheduled_for_deletion_is_refused_with_the_command_that_restores_it(cloud: Cloud) -> None:
    name = "nightshift/test/other"
    part = {"Part": resource("SecretsManager::Secret", Name=name)}
    assert severities(existing_names.check(change(part), cloud)) == []
    cloud.secrets.create_secret(Name=name, SecretString="x")
    cloud.secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    [finding] = existing_names.check(change(part), cloud)
    assert finding.fix.endswith(f"aws secretsmanager restore-secret --secret-id {name}")


@pytest.mark.parametrize(
    ("pool", "reserved", "mapped", "expected"),
    [
        (10, 5, 0, ["refused"]),
        (10, None, 20, ["warning"]),
        (10, 5, 20, ["refused", "warning"]),
        (105, 5, 20, []),
        (104, 5, 20, ["refused"]),
        (1000, 20, 90, []),
    ],
)
def test_the_pool_of_the_account_bounds_reservations_and_mappings(
    pool: int, reserved: int | None, mapped: int, expected: list[str], cloud: Cloud
) -> None:
    limit = {"AccountLimit": {"ConcurrentExecutions": pool, "UnreservedConcurrentExecutions": pool}}
    cloud.__dict__["functions"] = SimpleNamespace(get_account_settings=lambda: limit)
    parts = {"Tick": function(**({"ReservedConcurrentExecutions": reserved} if reserved else {}))}
    if mapped:
        parts["Mapping"] = resource("Lambda::EventSourceMapping", ScalingConfig={"MaximumConcurrency": mapped})
    assert severities(concurrency_pool.check(change(parts), cloud)) == expected


@pytest.mark.parametrize(("version", "expected"), [(None, ["refused"]), ("5", ["refused"]), ("21", [])])
def test_a_missing_or_old_bootstrap_stack_is_refused(version: str | None, expected: list[str], cloud: Cloud) -> None:
    name = "/cdk-bootstrap/hnb659fds/version"
    if version:
        cloud.parameters.put_parameter(Name=name, Value=version, Type="String")
    new = change({}, Parameters={"BootstrapVersion": {"Default": name}})
    assert severities(bootstrap_version.check(new, cloud)) == expected


@pytest.mark.parametrize(
    ("production", "verified", "expected"),
    [
        (False, "example.com", ["warning"]),
        (True, "", ["refused"]),
        (True, "jobs@example.com", []),
        (True, "example.com", []),
        (False, "", ["warning", "refused"]),
    ],
)
def test_the_sandbox_and_an_unverified_sender_are_found(
    production: bool, verified: str, expected: list[str], cloud: Cloud
) -> None:
    class NotFound(Exception):
        pass

    def identity(EmailIdentity: str) -> dict[str, bool]:  # noqa: N803 - boto's name
        if EmailIdentity != verified:
            raise NotFound
        return {"VerifiedForSendingStatus": True}

    cloud.__dict__["mail"] = SimpleNamespace(
        get_account=lambda: {"ProductionAccessEnabled": production},
        get_email_identity=identity,
        exceptions=SimpleNamespace(NotFoundException=NotFound),
    )
    sender = {"MAIL_RELAY": "ses://", "MAIL_FROM": "Jobs <jobs@example.com>"}
    parts = {"Tick": function(Environment={"Variables": sender})}
    assert severities(mail_sender.check(change(parts), cloud)) == expected
    assert severities(mail_sender.check(change({"Tick": function()}), cloud)) == []


def test_a_topic_without_a_confirmed_subscriber_is_a_warning(cloud: Cloud) -> None:
    assert severities(subscriptions.check(change({}), cloud)) == ["warning"]
    new = change({"Mail": resource("SNS::Subscription", Protocol="email")})
    assert severities(subscriptions.check(new, cloud)) == []
    pending = {"SubscriptionArn": "PendingConfirmation", "Protocol": "email", "Endpoint": "oncall@example.com"}
    cloud.__dict__["sns"] = SimpleNamespace(
        get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: [{"Subscriptions": [pending]}]),
        exceptions=cloud.sns.exceptions,
    )
    [finding] = subscriptions.check(new, cloud)
    assert "is not confirmed" in finding.problem


def test_a_secret_without_a_value_is_a_warning_if_the_stage_uses_it(cloud: Cloud) -> None:
    new = change({"Part": resource("SecretsManager::Secret", Name="nightshift/test/mail-relay")})
    before = severities(secret_values.check(new, cloud))
    try:
        cloud.secrets.create_secret(Name="nightshift/test/mail-relay", SecretString="x")
    except cloud.secrets.exceptions.ResourceExistsException:
        cloud.secrets.put_secret_value(SecretId="nightshift/test/mail-relay", SecretString="x")
    assert (before, severities(secret_values.check(new, cloud))) == (["warning"], [])
    unused = change({"Part": resource("SecretsManager::Secret", Name="nightshift/test/alert-webhook")})
    assert severities(secret_values.check(unused, cloud)) == []
    url = {"Tick": function(Environment={"Variables": {"ALERT_WEBHOOK_URL": "https://hooks.example"}})}
    [finding] = secret_values.check(change(url), cloud)
    assert (finding.where, "is not created" in finding.problem) == ("stages/test.toml", True)


def test_a_rule_without_a_stack_is_a_warning_and_that_of_a_removed_group_is_named_once(cloud: Cloud) -> None:
    deploy_stack(cloud, GROUP, "nightshift-test-tick")
    deploy_stack(cloud, "nightshift-test-gone", "nightshift-test-old")
    put_rule(cloud, "nightshift-test-loose")
    new = change({"Rule": resource("Events::Rule", Name="nightshift-test-tick")})
    [finding] = undeclared_resources.check(new, cloud)
    assert finding.fix == "python jobs.py drift --remove nightshift-test-loose --reason WHY --aws --stage test"
    deployed = Change("test", preflight.deployed(cloud), new.after)
    orphaned = [each.where for each in preflight.compare(deployed) if each.check == "orphaned-stack"]
    assert orphaned == ["nightshift-test-gone"]


def test_a_check_that_may_not_read_the_account_is_a_warning(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ClientError

    def refuse(*_: Any) -> list[Finding]:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetAccountSettings")

    for module in preflight.OF_ACCOUNT:
        monkeypatch.setattr(module, "check", refuse)
    found = list(preflight.examine(change({}), cloud))
    assert len(found) == len(preflight.OF_ACCOUNT)
    assert {finding.severity for finding in found} == {Severity.WARNING}
