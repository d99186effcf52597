"""Event source mappings and their queues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.doctor import deployed_functions
from infra.doctor.deployed_functions import DeployedFunction, queue_of, queues
from infra.finding import Finding, refused, warning
from infra.template import Resource, Template, text

CHECK = "consumer"
MAPPING = "AWS::Lambda::EventSourceMapping"
FACTOR = 6
# AWS recommends at least 5: throttled receives count.
RECEIVES = 5
LONGEST_BATCH_WITHOUT_WINDOW = 10


def check(templates: Mapping[str, Template]) -> Iterator[Finding]:
    by_text = queues(templates)
    for function in deployed_functions.read(templates):
        for mapping in function.parts.get(MAPPING, []):
            yield from _of_mapping(mapping)
            queue = queue_of(by_text, mapping.stack, mapping.properties.get("EventSourceArn"))
            if queue:
                yield from _of_queue(queue, mapping, function, by_text)
        if function.parts.get(MAPPING) and function.resource.properties.get("ReservedConcurrentExecutions"):
            yield refused(
                CHECK,
                function.where,
                "a consumer with a reserved concurrency receives messages that it then refuses; five refusals "
                "dead-letter a good message",
                "remove the reservation; limit it by ScalingConfig.MaximumConcurrency of the mapping",
            )


def _of_mapping(mapping: Resource) -> Iterator[Finding]:
    where, properties = f"{mapping.stack}/{mapping.id}", mapping.properties
    if "ReportBatchItemFailures" not in properties.get("FunctionResponseTypes", []):
        yield refused(
            CHECK,
            where,
            "one failed message repeats its whole batch: the function's answer is ignored",
            "set FunctionResponseTypes: [ReportBatchItemFailures]",
        )
    if not properties.get("ScalingConfig", {}).get("MaximumConcurrency"):
        yield warning(
            CHECK,
            where,
            "a burst of messages may use the whole concurrency of the account",
            "set ScalingConfig.MaximumConcurrency: declare `concurrency` in the consumer",
        )
    if properties.get("BatchSize", 10) > LONGEST_BATCH_WITHOUT_WINDOW and not properties.get(
        "MaximumBatchingWindowInSeconds"
    ):
        yield refused(CHECK, where, "batches of more than 10 messages need a window", "declare a batch_window of 1")
    if properties.get("Enabled") is False:
        yield refused(CHECK, where, "the mapping is disabled: nothing is consumed", "remove it; pause the job")


def _of_queue(
    queue: Resource, mapping: Resource, function: DeployedFunction, by_text: Mapping[str, Resource]
) -> Iterator[Finding]:
    where = f"{queue.stack}/{queue.id}"
    timeout = function.resource.properties.get("Timeout", 3)
    needed = FACTOR * timeout + mapping.properties.get("MaximumBatchingWindowInSeconds", 0)
    visibility = queue.properties.get("VisibilityTimeout", 30)
    if visibility < needed:
        yield refused(
            CHECK,
            where,
            f"its visibility timeout is {visibility} s: messages are delivered twice while {function.name}, with a "
            f"timeout of {timeout} s, works on them",
            f"set VisibilityTimeout to at least {needed}",
        )
    redrive = queue.properties.get("RedrivePolicy")
    if not redrive:
        yield refused(
            CHECK,
            where,
            "it has no dead-letter queue: a message that always fails is repeated until it expires",
            "set RedrivePolicy with a dead-letter queue",
        )
        return
    if int(redrive.get("maxReceiveCount", 10)) < RECEIVES:
        yield warning(
            CHECK,
            where,
            f"a message is dead-lettered after {redrive.get('maxReceiveCount')} receives, and throttled ones count",
            f"set maxReceiveCount to at least {RECEIVES}; the job counts its own attempts",
        )
    dead = queue_of(by_text, queue.stack, redrive.get("deadLetterTargetArn"))
    if dead and _retention(dead) <= _retention(queue):
        yield refused(
            CHECK,
            f"{dead.stack}/{dead.id}",
            f"it retains messages no longer than {text(queue.properties.get('QueueName', queue.id))}, and a message "
            "keeps its first send time: dead letters expire on arrival",
            "set a longer MessageRetentionPeriod",
        )


def _retention(queue: Resource) -> int:
    return int(queue.properties.get("MessageRetentionPeriod", 345_600))
