"""What AWS limits, checked at synth: a deployment that fails half-way is the wrong place to learn of it.

Sources: "Lambda quotas", "Amazon SQS message quotas", "EventBridge quotas", "CloudFormation quotas", "IAM quotas" in
the AWS documentation, as of 2026-11.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from infra import queues
from infra.deployment import Deployment
from infra.expressions import expressions, longest_pause
from infra.package import Package
from infra.template import Template, plain, resources, text
from shared.advised_commands import advised
from shared.job import schedule
from shared.job.definition import QUEUE, Job
from shared.job.validation import MOST_HOPS, hops, where

# CloudFormation allows 500; the rest is for the day when somebody must add an alarm to every job.
RESOURCES = 400
TEMPLATE_BYTES = 1_000_000
ENVIRONMENT_BYTES = 4096
ROLE_POLICY_CHARACTERS = 10_240
NAME_CHARACTERS = 64
VISIBILITY = 43_200
RULES = 300
UNPACKED_BYTES = 250 * 1024 * 1024
BATCH = 10_000
BATCH_WITHOUT_WINDOW = 10
BATCH_WINDOW = 300
CONCURRENCY = (2, 1000)
DAY = 86_400
# Stacks that are no group of jobs.
STACKS = ("state", "front")
NAMED_BY = {
    "AWS::Lambda::Function": "FunctionName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::Rule": "Name",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::SNS::Topic": "TopicName",
}


class LimitError(Exception):
    """What AWS would refuse; one line for each, that says where and what to do."""


def check_declarations(deployment: Deployment) -> None:
    _raise(problem for job in deployment.jobs.values() for problem in of_job(job, deployment))


def check_templates(templates: Mapping[str, Template]) -> None:
    _raise(
        problem for check in (of_stacks, of_functions, of_roles, of_mappings, of_names) for problem in check(templates)
    )


def check_packages(name: str, packages: Iterable[Package]) -> None:
    size = 0
    for package in packages:
        with zipfile.ZipFile(package.path) as archive:
            size += sum(entry.file_size for entry in archive.infolist())
    if size > UNPACKED_BYTES:
        raise LimitError(
            f"{name}: code and packages are {size:,} bytes unpacked, Lambda allows {UNPACKED_BYTES:,}; "
            "drop a dependency or give the job that needs it a group of its own"
        )


def of_job(job: Job, deployment: Deployment) -> Iterator[str]:
    at, name = where(type(job)), deployment.names.of(job.name)
    if job.group in STACKS:
        yield f"{at}: a group may not be named {job.group!r}: a stack of the platform has that name; rename the folder"
    count = len(expressions(job))
    longest = len(name) + (len(f"-{count}") if count > 1 else 0)
    if longest > NAME_CHARACTERS:
        yield (
            f"{at}: {name} and its rules are {longest} characters long, AWS allows {NAME_CHARACTERS}; "
            "shorten the job's name or the stage"
        )
    if job.silent_after is not None and (job.silent_after % 60 or not 60 <= job.silent_after <= DAY):
        yield f"{at}: silent_after is {job.silent_after} s; an alarm looks back 60 to {DAY:,} s, in whole minutes"
    yield from (f"{at}: {problem}" for problem in _of_ticks(job))
    by = deployment.run_by(job)
    if by == QUEUE and hops(job.retry.attempts + 1) > MOST_HOPS:
        # A hand-over is as long as an attempt.
        yield (
            f"{at}: {job.run_by().name}={by}, and more than {MOST_HOPS} invocations may follow each other by the "
            f"{job.retry.attempts} attempts after it; say fewer, or worker"
        )
    if by == "rq":
        yield (
            f"{at}: {job.run_by().name}=rq, but functions reach no Redis; say worker, or let a crontab fire the job: "
            f"`{advised(deployment.names.stage, 'crontab')}`"
        )
    if job.queue is not None:
        yield from (f"{at}: {problem}" for problem in _of_consumer(job))


def _of_ticks(job: Job) -> Iterator[str]:
    if job.silent_after is None or not job.schedules():
        return
    pause = longest_pause(job)
    if pause > job.silent_after:
        fires = schedule.text(job.schedules())
        yield (
            f"silent_after is {job.silent_after} s, and {fires!r} leaves it {pause} s without a tick: its alarm would "
            "never rest; let it fire more often"
        )


def _of_consumer(job: Job) -> Iterator[str]:
    if not 1 <= job.batch_size <= BATCH:
        yield f"batch_size is {job.batch_size}; Lambda takes 1 to {BATCH:,} messages"
    if not 0 <= job.batch_window <= BATCH_WINDOW:
        yield f"batch_window is {job.batch_window} s; Lambda waits 0 to {BATCH_WINDOW}"
    if job.batch_size > BATCH_WITHOUT_WINDOW and job.batch_window < 1:
        yield f"batch_size is {job.batch_size}; more than {BATCH_WITHOUT_WINDOW} need a batch_window of at least 1 s"
    low, high = CONCURRENCY
    if not low <= job.concurrency <= high:
        yield f"concurrency is {job.concurrency}; an event source mapping takes {low} to {high:,}"
    visibility = queues.VISIBILITY_FACTOR * job.timeout + job.batch_window
    if visibility > VISIBILITY:
        yield f"its queue needs a visibility timeout of {visibility} s, SQS allows {VISIBILITY:,}; shorten the timeout"


def of_stacks(templates: Mapping[str, Template]) -> Iterator[str]:
    for stack, template in templates.items():
        count, size = len(template.get("Resources", {})), len(json.dumps(template))
        if count > RESOURCES:
            yield (
                f"{stack} has {count} resources, the budget is {RESOURCES} of CloudFormation's 500; "
                "move some of its jobs into a folder of their own"
            )
        if size > TEMPLATE_BYTES:
            yield (
                f"{stack} is {size:,} bytes of template, CloudFormation allows {TEMPLATE_BYTES:,}; "
                "move some of its jobs into a folder of their own"
            )
    rules = len(list(resources(templates, "AWS::Events::Rule")))
    if rules > RULES:
        yield (
            f"{rules} rules, an event bus has {RULES}; raise the quota, or declare a time zone where it does no harm: "
            "EventBridge Scheduler has room for a million"
        )


def of_functions(templates: Mapping[str, Template]) -> Iterator[str]:
    for found in resources(templates, "AWS::Lambda::Function"):
        variables = found.properties.get("Environment", {}).get("Variables", {})
        sizes = {name: len(name.encode()) + len(text(value).encode()) for name, value in variables.items()}
        if sum(sizes.values()) > ENVIRONMENT_BYTES:
            largest = max(sizes, key=lambda name: sizes[name])
            yield (
                f"{text(found.properties['FunctionName'])}: its environment is {sum(sizes.values()):,} bytes, Lambda "
                f"allows {ENVIRONMENT_BYTES:,}; {largest} has {sizes[largest]:,} of them: shorten it"
            )


def of_roles(templates: Mapping[str, Template]) -> Iterator[str]:
    for found in resources(templates, "AWS::IAM::Role"):
        documents = [policy["PolicyDocument"] for policy in found.properties.get("Policies", [])]
        size = sum(len(json.dumps(plain(document), separators=(",", ":"))) for document in documents)
        if size > ROLE_POLICY_CHARACTERS:
            yield (
                f"{found.stack}/{found.id} has {size:,} characters of policy, IAM allows {ROLE_POLICY_CHARACTERS:,}; "
                "grant by a prefix (`*` at the end) what is granted one by one"
            )


def of_mappings(templates: Mapping[str, Template]) -> Iterator[str]:
    """A queue must hide a batch for six times as long as its function may take."""
    timeouts = {}
    for found in resources(templates, "AWS::Lambda::Function"):
        timeouts[f"{found.stack}<{found.id}>"] = timeouts[text(found.properties["FunctionName"])] = found.properties[
            "Timeout"
        ]
    hidden = {
        f"{found.stack}<{found.id}.Arn>": (text(found.properties["QueueName"]), found.properties["VisibilityTimeout"])
        for found in resources(templates, "AWS::SQS::Queue")
    }
    for found in resources(templates, "AWS::Lambda::EventSourceMapping"):
        function = text(found.properties["FunctionName"])
        timeout = timeouts.get(function, timeouts.get(found.stack + function))
        queue, visibility = hidden[found.stack + text(found.properties["EventSourceArn"])]
        if timeout is None:
            yield f"{queue}: is mapped to {function}, which no stack makes"
            continue
        needed = queues.VISIBILITY_FACTOR * timeout + found.properties.get("MaximumBatchingWindowInSeconds", 0)
        if visibility < needed:
            yield f"{queue}: its visibility timeout is {visibility} s, six times the function's timeout is {needed}"


def of_names(templates: Mapping[str, Template]) -> Iterator[str]:
    counted = Counter(
        (found.type, text(found.properties[NAMED_BY[found.type]])) for found in resources(templates, *NAMED_BY)
    )
    for (kind, name), count in sorted(counted.items()):
        if count > 1:
            yield f"{count} {kind} are named {name}; rename the job, group or queue behind one of them"


def _raise(problems: Iterable[str]) -> None:
    found = list(problems)
    if found:
        raise LimitError("\n".join(found))
