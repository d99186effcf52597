"""Quotas of AWS are checked at synth, with a message that names the fix."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra import platform, quotas
from infra.deployment import Deployment
from infra.package import Package
from shared.archetypes.consumer import Consumer, Message
from shared.aws.names import Names
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome
from shared.job.overrides import configured
from shared.job.retry import fixed
from shared.job.schedule import cron
from shared.run.context import RunContext

HELD = natural("it does nothing")


class Fine(Job, archetype=True):
    """Within every limit."""

    idempotency = HELD

    def work(self, run: RunContext) -> Outcome:
        return Done({"at": run.at.minute})


class Taker(Consumer, archetype=True):
    """A consumer within every limit."""

    idempotency = HELD
    queue = "things"

    def handle(self, run: RunContext, message: Message) -> None:
        run.log.info("taken", messageId=message.id)


def deployed(*jobs: type[Job], stage: str = "prod") -> Deployment:
    names = Names(stage, "123456789012", "eu-west-1")
    return Deployment(names, {job.name: job() for job in jobs}, platform.on_this_machine(), {})


def refused(*jobs: type[Job], stage: str = "prod") -> str:
    with pytest.raises(quotas.LimitError) as raised:
        quotas.check_declarations(deployed(*jobs, stage=stage))
    return str(raised.value)


def template(**resources: dict[str, Any]) -> dict[str, Any]:
    return {"stack": {"Resources": {name: {"Type": r.pop("Type"), "Properties": r} for name, r in resources.items()}}}


def test_a_name_and_its_rules_fit_into_64_characters() -> None:
    class Long(Fine):
        """Long."""

        name = "a-job-whose-name-takes-forty-characters-"[:-1] + "x"
        schedule = cron("5 4 1 * 1")

    assert len(Long.name) == 40
    assert "shorten the job's name or the stage" in refused(Long, stage="productions1")
    quotas.check_declarations(deployed(Long))


def test_a_group_may_not_take_the_name_of_a_stack_of_the_platform() -> None:
    class Homeless(Fine):
        """Homeless."""

        group = "state"

    assert "rename the folder" in refused(Homeless)


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({"batch_size": 0}, "batch_size is 0; Lambda takes 1 to 10,000"),
        ({"batch_size": 20_000, "batch_window": 1}, "batch_size is 20000; Lambda takes 1 to 10,000"),
        ({"batch_size": 11}, "more than 10 need a batch_window of at least 1 s"),
        ({"batch_window": 301}, "batch_window is 301 s; Lambda waits 0 to 300"),
        ({"concurrency": 1}, "concurrency is 1; an event source mapping takes 2 to 1,000"),
        ({"concurrency": 1001}, "concurrency is 1001; an event source mapping takes 2 to 1,000"),
        ({"silent_after": 90}, "silent_after is 90 s; an alarm looks back 60 to 86,400 s, in whole minutes"),
        ({"silent_after": 172_800}, "silent_after is 172800 s"),
    ],
)
def test_a_consumer_beyond_the_quotas_of_lambda_and_sqs_is_refused(attributes: dict[str, Any], problem: str) -> None:
    wrong = type("Wrong", (Taker,), {"__doc__": "Wrong.", "__module__": __name__, **attributes})
    assert problem in refused(wrong)


def test_all_problems_are_reported_together_with_their_files() -> None:
    class Greedy(Taker):
        """Greedy."""

        name = "greedy"
        batch_size = 0

    class Lonely(Taker):
        """Lonely."""

        name = "lonely"
        queue = "others"
        concurrency = 1

    lines = refused(Greedy, Lonely).splitlines()
    assert [line.partition(": ")[0].rpartition(" ")[2] for line in lines] == ["Greedy", "Lonely"]
    assert all(line.startswith("test_quotas.py:") for line in lines)


def test_a_stack_over_budget_is_refused() -> None:
    full = template(
        **{f"Topic{number}": {"Type": "AWS::SNS::Topic", "TopicName": f"t{number}"} for number in range(401)}
    )
    (problem,) = quotas.of_stacks(full)
    assert "401 resources, the budget is 400" in problem
    assert "a folder of their own" in problem


def test_a_template_too_large_for_cloudformation_is_refused() -> None:
    (problem,) = quotas.of_stacks(template(Large={"Type": "AWS::SNS::Topic", "DisplayName": "x" * 1_000_001}))
    assert "bytes of template, CloudFormation allows 1,000,000" in problem


def test_more_rules_than_a_bus_has_are_refused() -> None:
    rules = template(**{f"Rule{number}": {"Type": "AWS::Events::Rule", "Name": f"r{number}"} for number in range(301)})
    assert any(problem.startswith("301 rules, an event bus allows 300") for problem in quotas.of_stacks(rules))


def test_an_environment_over_four_kilobytes_is_refused_and_its_largest_part_named() -> None:
    variables = {"BASE_URLS": "x" * 4090, "SMALL": {"Ref": "AWS::Region"}}
    function = {"Type": "AWS::Lambda::Function", "FunctionName": "f", "Environment": {"Variables": variables}}
    (problem,) = quotas.of_functions(template(Function=function))
    assert "Lambda allows 4,096; BASE_URLS has 4,099 of them" in problem


def test_a_role_with_more_policy_than_iam_takes_is_refused() -> None:
    statement = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::" + "x" * 10_240]}
    policy = {"PolicyName": "grants", "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
    (problem,) = quotas.of_roles(template(Role={"Type": "AWS::IAM::Role", "Policies": [policy]}))
    assert "IAM allows 10,240; replace single grants by one with a prefix" in problem


def mapped(visibility: int, timeout: int, window: int = 0) -> dict[str, Any]:
    return template(
        F={"Type": "AWS::Lambda::Function", "FunctionName": "f", "Timeout": timeout},
        Q={"Type": "AWS::SQS::Queue", "QueueName": "q", "VisibilityTimeout": visibility},
        M={
            "Type": "AWS::Lambda::EventSourceMapping",
            "EventSourceArn": {"Fn::GetAtt": ["Q", "Arn"]},
            "FunctionName": {"Ref": "F"},
            "MaximumBatchingWindowInSeconds": window,
        },
    )


def test_a_queue_that_shows_a_batch_too_early_is_refused() -> None:
    assert list(quotas.of_mappings(mapped(360, 60))) == []
    (problem,) = quotas.of_mappings(mapped(359, 60))
    assert problem == "q: its visibility timeout is 359 s, six times the function's timeout is 360"
    assert list(quotas.of_mappings(mapped(360, 60, window=1)))


def test_a_mapping_to_a_function_that_no_stack_creates_is_refused() -> None:
    orphan = mapped(360, 60)
    orphan["stack"]["Resources"]["M"]["Properties"]["FunctionName"] = "elsewhere"
    (problem,) = quotas.of_mappings(orphan)
    assert problem == "q: is mapped to elsewhere, which no stack creates"


def test_two_things_of_one_name_are_refused_even_in_two_stacks() -> None:
    one = {"Type": "AWS::SQS::Queue", "QueueName": "nightshift-prod-a-b", "VisibilityTimeout": 30}
    both = {"here": template(Queue=dict(one))["stack"], "there": template(Queue=dict(one))["stack"]}
    with pytest.raises(quotas.LimitError, match="2 AWS::SQS::Queue are named nightshift-prod-a-b; rename"):
        quotas.check_templates(both)


def test_code_and_layer_that_lambda_could_not_unpack_are_refused(tmp_path: Path, monkeypatch: Any) -> None:
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("large", b"x" * 2000)
    monkeypatch.setattr(quotas, "UNPACKED_BYTES", 3000)
    package = Package(tmp_path / "code.zip", "digest")
    quotas.check_packages("functions/sites", [package])
    with pytest.raises(quotas.LimitError, match="4,000 bytes unpacked, Lambda allows 3,000; drop a dependency"):
        quotas.check_packages("functions/sites", [package, package])


def test_a_schedule_that_is_rarer_than_its_alarm_of_silence_is_refused() -> None:
    class Watched(Fine):
        """Watched."""

        name = "watched"
        schedule = cron("*/15 * * * *")
        silent_after = 900

    quotas.check_declarations(deployed(Watched))
    rarer = configured(Watched, {"WATCHED_SCHEDULE": "*/20 * * * *"})
    assert "silent_after is 900 s, and '*/20 * * * *' leaves 1200 s without a tick" in refused(rarer)
    quotas.check_declarations(deployed(configured(Watched, {"WATCHED_SCHEDULE": "off"})))


def test_more_attempts_than_the_queue_can_route_are_refused() -> None:
    class Handed(Fine):
        """Routed."""

        name = "handed"
        retry = fixed(delay=1, retries=6)

    made = deployed(Handed)
    quotas.check_declarations(made)
    with pytest.raises(quotas.LimitError, match="HANDED_RUN_BY=queue, and more than 14 invocations"):
        quotas.check_declarations(replace(made, environment={"HANDED_RUN_BY": "queue"}))
