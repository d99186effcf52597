"""Life of a deployment, with the real CDK command line: docs/howto/deploy.md has it as a table."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from local.deploy import DeployError
from local.engine import properties
from tests.infra.lifecycle.conftest import APP, DIRECT, Deployed, consumer, scheduled

pytestmark = pytest.mark.timeout(900)
FIRED = {"heart", "keeper", "mover", "parcels", "other"}
JOBS = {"heart", "keeper", "mover", "taker", "other"}
STACKS = ("state", "operations", "left", "right", "front")


def without(*paths: str) -> dict[str, str]:
    return {path: source for path, source in APP.items() if path not in paths}


def test_a_first_deployment_creates_every_stack_and_a_second_changes_nothing(stage: Deployed) -> None:
    assembly = stage.synthesize(APP)
    stage.deploy(assembly)
    assert stage.stacks() == dict.fromkeys(STACKS, "CREATE_COMPLETE")
    assert (stage.fired(), set(stage.functions())) == (FIRED, JOBS)
    before = stage.functions()
    stage.deploy(assembly)
    assert stage.functions() == before
    assert set(stage.stacks().values()) == {"CREATE_COMPLETE"}


@pytest.mark.parametrize("watched", [True, False])
def test_a_stage_may_have_no_dashboard_and_no_alarms(stage: Deployed, watched: bool) -> None:
    stage.watched = watched
    files = {**APP, "left/pulse": scheduled("pulse", "silent_after = 86400")}
    templates = properties.templates_in(stage.synthesize(files))
    types = {one["Type"] for template in templates.values() for one in template.get("Resources", {}).values()}
    assert ({"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard"} <= types) == watched
    assert any(kind.startswith("AWS::CloudWatch::") for kind in types) == watched


def test_a_first_deployment_that_fails_half_way_is_repeated(stage: Deployed) -> None:
    """By a name that is taken, once in the stack of the tables, and once in that of a group."""
    stage.production = True
    assembly = stage.synthesize(APP)
    topics, events = stage.client("sns"), stage.client("events")
    topic = topics.create_topic(Name=stage.name("alerts"))["TopicArn"]
    assert "already exists" in stage.refused(assembly) + stage.reasons("state")
    assert (stage.stacks(), stage.tables()) == ({"state": "ROLLBACK_COMPLETE"}, set())
    topics.delete_topic(TopicArn=topic)
    events.put_rule(Name=stage.name("keeper"), ScheduleExpression="cron(0 1 * * ? *)")
    assert "already exists" in stage.refused(assembly)
    assert stage.stacks()["left"] == "ROLLBACK_COMPLETE"
    assert not {"keeper", "mover", "taker"} & {*stage.functions(), *stage.logs()}
    events.delete_rule(Name=stage.name("keeper"))
    stage.deploy(assembly)
    assert stage.stacks() == dict.fromkeys(STACKS, "CREATE_COMPLETE")
    assert (stage.fired(), set(stage.functions())) == (FIRED, JOBS)


def test_an_edit_of_a_job_changes_the_functions_of_its_group_only(stage: Deployed) -> None:
    stage.deploy(stage.synthesize(APP))
    before = stage.functions()
    stage.deploy(stage.synthesize({**APP, "left/keeper": APP["left/keeper"] + "# edited\n"}))
    after = stage.functions()
    assert {name for name in before if before[name] != after[name]} == {"keeper", "mover", "taker"}
    assert {name for name, status in stage.stacks().items() if status == "UPDATE_COMPLETE"} == {"left"}


def test_a_renamed_job_replaces_the_old_one(stage: Deployed) -> None:
    stage.production = True
    stage.deploy(stage.synthesize(APP))
    stage.deploy(stage.synthesize({**without("left/keeper"), "left/holder": scheduled("holder")}))
    assert stage.fired() == FIRED - {"keeper"} | {"holder"}
    assert set(stage.functions()) == JOBS - {"keeper"} | {"holder"}
    # Its logs stay, and can be read.
    assert {"keeper", "holder"} <= stage.logs()


def test_a_job_moves_to_another_group_if_the_old_one_is_deployed_first(stage: Deployed) -> None:
    moved = {
        **without("left/mover", "left/keeper"),
        "right/mover": APP["left/mover"],
        "right/keeper": APP["left/keeper"],
    }
    stage.deploy(stage.synthesize(APP))
    # Groups have no order: here the new one comes before the old one.
    assembly = stage.synthesize(moved)
    failed = stage.refused(assembly, "--exclusively", stage.name("right"), *DIRECT)
    assert "already exists" in failed
    assert (stage.fired(), set(stage.functions())) == (FIRED, JOBS)
    stage.deploy(stage.synthesize(moved, first="left"))
    assert (stage.fired(), set(stage.functions())) == (FIRED, JOBS)
    resources = stage.client("cloudformation").list_stack_resources(StackName=stage.name("right"))
    assert {"keeper", "mover", "other"} <= {
        one["PhysicalResourceId"].removeprefix(stage.name("")) for one in resources["StackResourceSummaries"]
    }


def test_in_production_a_move_adopts_the_logs_and_names_the_dead_letter_queue(stage: Deployed) -> None:
    stage.production = True
    stage.deploy(stage.synthesize(APP))
    moved = {**without("left/taker", "left/mover"), "right/taker": APP["left/taker"], "right/mover": APP["left/mover"]}
    assembly = stage.synthesize(moved, existing=("queue/parcels-dlq",), first="left")
    stage.deploy(assembly, "--all", "--import-existing-resources")
    assert (stage.fired(), set(stage.functions())) == (FIRED, JOBS)
    assert {"parcels", "parcels-dlq"} <= stage.queues()
    found = stage.client("cloudformation").describe_stack_resources(StackName=stage.name("right"))["StackResources"]
    assert f"/aws/lambda/{stage.name('mover')}" in {one["PhysicalResourceId"] for one in found}


def test_a_removed_job_and_a_removed_group_fire_no_more_and_keep_what_is_declared(stage: Deployed) -> None:
    stage.production = True
    stage.deploy(stage.synthesize(APP))
    queue = stage.client("sqs").get_queue_url(QueueName=stage.name("parcels-dlq"))["QueueUrl"]
    stage.client("sqs").send_message(QueueUrl=queue, MessageBody="a dead letter")
    stage.deploy(stage.synthesize(without("left/taker", "right/other")))
    assert stage.fired() == FIRED - {"parcels", "other"} | {"other"}, "the CDK deletes no stack"
    formation = stage.client("cloudformation")
    formation.update_termination_protection(StackName=stage.name("right"), EnableTerminationProtection=False)
    formation.delete_stack(StackName=stage.name("right"))
    formation.get_waiter("stack_delete_complete").wait(StackName=stage.name("right"), WaiterConfig={"Delay": 1})
    assert stage.fired() == FIRED - {"parcels", "other"}
    assert set(stage.functions()) == JOBS - {"taker", "other"}
    assert "parcels" not in stage.queues()
    assert "Messages" in stage.client("sqs").receive_message(QueueUrl=queue)
    assert {"taker", "other"} <= stage.logs()


def test_an_update_that_fails_is_rolled_back_to_what_ran(stage: Deployed) -> None:
    stage.deploy(stage.synthesize(APP))
    before = stage.fired(), stage.functions().keys()
    events = stage.client("events")
    events.put_rule(Name=stage.name("late"), ScheduleExpression="cron(0 1 * * ? *)")
    changed = {
        **without("left/mover"),
        "left/keeper": scheduled("keeper", "memory = 512"),
        "left/late": scheduled("late"),
    }
    assert "already exists" in stage.refused(stage.synthesize(changed))
    events.delete_rule(Name=stage.name("late"))
    assert (stage.stacks()["left"], stage.fired(), stage.functions().keys()) == ("UPDATE_ROLLBACK_COMPLETE", *before)
    memory = stage.client("lambda").get_function_configuration(FunctionName=stage.name("keeper"))["MemorySize"]
    assert memory == 256
    stage.deploy(stage.synthesize(changed))
    assert stage.fired() == FIRED - {"mover"} | {"late"}


def test_a_production_stage_is_protected_and_deployed_again_with_what_it_kept(stage: Deployed) -> None:
    stage.production = stage.protected = True
    assembly = stage.synthesize(APP)
    stage.deploy(assembly)
    bucket = next(one["Name"] for one in stage.client("s3").list_buckets()["Buckets"] if stage.name("") in one["Name"])
    stage.client("s3").put_object(Bucket=bucket, Key="pricing/latest.json", Body=b"{}")
    token = stage.client("secretsmanager").get_secret_value(SecretId=f"nightshift/{stage.stage}/internal-health-token")
    formation = stage.client("cloudformation")
    with pytest.raises(ClientError, match="TerminationProtection is enabled"):
        formation.delete_stack(StackName=stage.name("front"))
    refused = stage.jobs("destroy", "--confirm", stage.stage)
    assert (refused.returncode, refused.stderr.count("update-termination-protection")) == (4, len(STACKS))
    for stack in STACKS:
        formation.update_termination_protection(StackName=stage.name(stack), EnableTerminationProtection=False)
    destroyed = stage.jobs("destroy", "--confirm", stage.stage)
    assert destroyed.returncode == 0, destroyed.stderr
    for name in (bucket, stage.name("state"), stage.name("parcels-dlq"), f"/aws/lambda/{stage.name('keeper')}"):
        assert name in destroyed.stdout
    assert (stage.stacks(), stage.fired(), stage.functions()) == ({}, set(), {})
    assert "state" in stage.tables()
    assert {"keeper", "taker"} <= stage.logs()
    assert stage.queues() == {"parcels-dlq"}
    # Again: tables, bucket and logs are imported by name, which CloudFormation cannot do with secrets and queues.
    stage.protected = False
    assert "ROLLBACK_COMPLETE" in stage.refused(stage.synthesize(APP))
    assert "Validation failed" in stage.reasons("state")
    again = stage.synthesize(APP, existing=("secret/internal-health-token", "queue/parcels-dlq"))
    stage.deploy(again, "--all", "--import-existing-resources")
    assert (stage.fired(), set(stage.functions())) == (FIRED, JOBS)
    assert stage.client("s3").get_object(Bucket=bucket, Key="pricing/latest.json")["Body"].read() == b"{}"
    same = stage.client("secretsmanager").get_secret_value(SecretId=token["ARN"])
    assert same["SecretString"] == token["SecretString"]


def test_a_stage_that_retains_nothing_is_destroyed_with_the_versions_in_its_bucket(stage: Deployed) -> None:
    assembly = stage.synthesize(APP)
    stage.deploy(assembly)
    bucket = next(one["Name"] for one in stage.client("s3").list_buckets()["Buckets"] if stage.name("") in one["Name"])
    for body in (b"1", b"2"):
        stage.client("s3").put_object(Bucket=bucket, Key="pricing/latest.json", Body=body)
    stage.client("s3").delete_object(Bucket=bucket, Key="pricing/latest.json")
    with pytest.raises(DeployError):
        stage.cdk(assembly, "destroy", "--all", "--force")
    assert stage.stacks() == {"state": "DELETE_FAILED"}
    assert "is not empty" in stage.reasons("state")
    destroyed = stage.jobs("destroy", "--confirm", stage.stage)
    assert (destroyed.returncode, destroyed.stdout) == (0, ""), destroyed.stderr
    assert f"deleted 3 objects and versions of {bucket}" in destroyed.stderr
    assert (stage.stacks(), stage.tables(), stage.logs(), stage.queues()) == ({}, set(), set(), set())


def test_two_stages_of_one_account_are_apart(stage: Deployed) -> None:
    other = Deployed(stage.engine, stage.synthesizer, f"{stage.stage}b", stage.folder)
    for one in (stage, other):
        one.deploy(one.synthesize(APP))
    assert (stage.fired(), other.fired()) == (FIRED, FIRED)
    assembly = other.synthesize(APP)
    other.cdk(assembly, "destroy", "--all", "--force")
    assert (other.stacks(), other.fired(), other.functions(), other.tables()) == ({}, set(), {}, set())
    assert (stage.fired(), set(stage.functions())) == (FIRED, JOBS)


def test_the_longest_stage_with_the_longest_names_is_deployed(stage: Deployed) -> None:
    stage.stage = "productions1"
    longest = "job_" + "x" * 36
    files = {f"left/{longest}": scheduled(longest), "left/taker": consumer("taker", "parcels")}
    stage.deploy(stage.synthesize(files))
    name = longest.replace("_", "-")
    assert len(stage.name(name)) == 64
    assert stage.fired() == {name, "parcels"}
