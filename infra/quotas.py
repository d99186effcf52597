"""Quotas of AWS, checked at synth, before a deployment can fail half-way.

Sources: "Lambda quotas", "Amazon SQS message quotas", "EventBridge quotas", "CloudFormation quotas", "IAM quotas" in
the AWS documentation, as of 2026-11.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from infra import queues
from infra.deployment import Deployment
from infra.expressions import expressions, longest_pause
from infra.package import Package
from infra.template import Template, plain, resources, text
from shared.advised_commands import advised
from shared.job import schedule
from shared.job.definition import QUEUE, Job
from shared.job.validation import MAX_HOPS, hops, where

# CloudFormation allows 500; the rest is a reserve, such as for one more alarm per job.
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
# Stacks that are not groups of jobs.
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
    """Violations of quotas: one line each, with the place and the fix."""


def check_declarations(deployment: Deployment) -> None:
    _raise(problem for job in deployment.jobs.values() for problem in of_job(job, deployment))


def check_templates(templates: Mapping[str, Template]) -> None:
    _raise(
        problem for check in (of_stacks, of_functions, of_roles, of_mappings, of_names) for problem in check(templates)
    )


def check_packages(name: str, packages: Iterable[Package]) -> None:
    size = sum(map(_unpacked, packages))
    if size > UNPACKED_BYTES:
        raise LimitError(
            f"{name}: code and packages are {size:,} bytes unpacked, Lambda allows {UNPACKED_BYTES:,}; "
            "drop a dependency or move the job that needs it to another group"
        )


@cache
def _unpacked(package: Package) -> int:
    with zipfile.ZipFile(package.path) as archive:
        return sum(entry.file_size for entry in archive.infolist())


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
    if by == QUEUE and hops(job.retry.attempts + 1) > MAX_HOPS:
        # Routing takes another invocation.
        yield (
            f"{at}: {job.run_by().name}={by}, and more than {MAX_HOPS} invocations may follow each other by the "
            f"{job.retry.attempts} attempts after it; use fewer attempts, or worker"
        )
    if by == "rq":
        yield (
            f"{at}: {job.run_by().name}=rq, but functions cannot reach Redis; use worker, or let a crontab fire the "
            f"job: `{advised(deployment.names.stage, 'crontab')}`"
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
            f"silent_after is {job.silent_after} s, and {fires!r} leaves {pause} s without a tick: its alarm would be "
            "raised again and again; let it fire more often"
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
            f"{rules} rules, an event bus allows {RULES}; raise the quota, or declare time zones where they make no "
            "difference: EventBridge Scheduler allows a million schedules"
        )


def of_functions(templates: Mapping[str, Template]) -> Iterator[str]:
    for resource in resources(templates, "AWS::Lambda::Function"):
        variables = resource.properties.get("Environment", {}).get("Variables", {})
        sizes = {name: len(name.encode()) + len(text(value).encode()) for name, value in variables.items()}
        if sum(sizes.values()) > ENVIRONMENT_BYTES:
            largest = max(sizes, key=lambda name: sizes[name])
            yield (
                f"{text(resource.properties['FunctionName'])}: its environment is {sum(sizes.values()):,} bytes, "
                f"Lambda allows {ENVIRONMENT_BYTES:,}; {largest} has {sizes[largest]:,} of them: shorten it"
            )


def of_roles(templates: Mapping[str, Template]) -> Iterator[str]:
    for resource in resources(templates, "AWS::IAM::Role"):
        documents = [policy["PolicyDocument"] for policy in resource.properties.get("Policies", [])]
        size = sum(len(json.dumps(plain(document), separators=(",", ":"))) for document in documents)
        if size > ROLE_POLICY_CHARACTERS:
            yield (
                f"{resource.stack}/{resource.id} has {size:,} characters of policy, IAM allows "
                f"{ROLE_POLICY_CHARACTERS:,}; replace single grants by one with a prefix (`*` at the end)"
            )


def of_mappings(templates: Mapping[str, Template]) -> Iterator[str]:
    """Check that a queue's visibility timeout is six times its function's timeout."""
    timeouts = {}
    for resource in resources(templates, "AWS::Lambda::Function"):
        timeouts[f"{resource.stack}<{resource.id}>"] = timeouts[text(resource.properties["FunctionName"])] = (
            resource.properties["Timeout"]
        )
    visibilities = {
        f"{resource.stack}<{resource.id}.Arn>": (
            text(resource.properties["QueueName"]),
            resource.properties["VisibilityTimeout"],
        )
        for resource in resources(templates, "AWS::SQS::Queue")
    }
    for resource in resources(templates, "AWS::Lambda::EventSourceMapping"):
        function = text(resource.properties["FunctionName"])
        timeout = timeouts.get(function, timeouts.get(resource.stack + function))
        queue, visibility = visibilities[resource.stack + text(resource.properties["EventSourceArn"])]
        if timeout is None:
            yield f"{queue}: is mapped to {function}, which no stack creates"
            continue
        needed = queues.VISIBILITY_FACTOR * timeout + resource.properties.get("MaximumBatchingWindowInSeconds", 0)
        if visibility < needed:
            yield f"{queue}: its visibility timeout is {visibility} s, six times the function's timeout is {needed}"


def of_names(templates: Mapping[str, Template]) -> Iterator[str]:
    counted = Counter(
        (resource.type, text(resource.properties[NAMED_BY[resource.type]]))
        for resource in resources(templates, *NAMED_BY)
    )
    for (kind, name), count in sorted(counted.items()):
        if count > 1:
            yield f"{count} {kind} are named {name}; rename the job, group or queue behind one of them"


def _raise(problems: Iterable[str]) -> None:
    lines = list(problems)
    if lines:
        raise LimitError("\n".join(lines))
