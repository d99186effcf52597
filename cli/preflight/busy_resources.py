"""Queues with messages and running functions that a deployment would remove."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cli.preflight.change import Change
from cli.preflight.payload_versions import unreadable
from infra.finding import Finding, refused
from shared import clock
from shared.advised_commands import advised
from shared.store import keys, table
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

CHECK = "busy"
ATTRIBUTES = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def check(change: Change, cloud: Cloud) -> Iterator[Finding]:
    yield from _queues(change, cloud)
    yield from _leases(change, cloud)
    for named, problem in unreadable(change):
        if count := _messages(cloud, named.name):
            yield refused(
                "payload-version",
                named.where,
                f"{problem}, and {count} messages wait in {named.name}",
                "declare the missing upcaster (docs/reference/payloads.md), or wait until the queue is empty: "
                f"{advised(change.stage, 'queues')}",
            )


def _queues(change: Change, cloud: Cloud) -> Iterator[Finding]:
    for named in change.gone("AWS::SQS::Queue"):
        if named.stack in change.after and (count := _messages(cloud, named.name)):
            yield refused(
                CHECK,
                named.where,
                f"the queue {named.name} would be deleted with {count} messages",
                f"stop its senders and wait until it is empty: {advised(change.stage, 'queues')}",
            )


def _leases(change: Change, cloud: Cloud) -> Iterator[Finding]:
    prefix, now = cloud.names.of(""), clock.milliseconds(cloud.clock.now())
    for named in change.gone("AWS::Lambda::Function"):
        job = named.name.removeprefix(prefix)
        values = {":pk": keys.claims(job), ":now": now}
        running = "attribute_exists(holder) AND lease_until > :now"
        held = [*table.query(cloud, STATE, "pk = :pk", values, FilterExpression=running)]
        if held and named.stack in change.after:
            yield refused(
                CHECK,
                named.where,
                f"the function {named.name} would be deleted during the run {held[0]['holder']}",
                f"pause the job and wait until the run has ended: "
                f"{advised(change.stage, 'pause', job, '--reason', 'being removed')}",
            )


def _messages(cloud: Cloud, queue: str) -> int:
    """Messages in the queue; 0 if it does not exist."""
    names: Any = list(ATTRIBUTES)
    try:
        url = cloud.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        answer = cloud.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
    except cloud.sqs.exceptions.QueueDoesNotExist:
        return 0
    counts: dict[Any, str] = {**answer.get("Attributes", {})}
    return sum(int(counts.get(name, "0")) for name in ATTRIBUTES)
