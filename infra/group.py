"""Stack of one group: its jobs and their queues."""

from __future__ import annotations

from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import payload_metadata, queues, removal, roles
from infra.deployment import Deployment
from infra.function import Code
from infra.job import DeployedJob
from shared.aws.names import DEAD
from shared.job.definition import Job

# Seconds for which SQS uses a data key: each call of KMS is paid for.
KEY_REUSE = 3600


class Group(Stack):
    def __init__(self, scope: Construct, group: str, deployment: Deployment, **stack: Any) -> None:
        super().__init__(scope, deployment.names.stack(group), **stack)
        self.deployment = deployment
        self.planned = queues.plan(deployment.jobs)
        self.dead_letter_queues = {queue.dead_letter_queue for queue in self.planned.values()}
        jobs = deployment.of_group(group)
        code = Code(self, group, deployment, with_manifest=deployment.ships_manifest(group))
        self.jobs = {job.name: DeployedJob(self, job, deployment, code) for job in jobs}
        self.queues: dict[str, sqs.CfnQueue] = {}
        for queue in self.planned.values():
            if queue.group != group:
                continue
            if queue.name not in deployment.existing("queue"):
                self._queue(queue)
            elif queue.consumer:
                arn = deployment.names.arn("sqs", deployment.names.queue(queue.name))
                self._mapping(Construct(self, f"Queue-{queue.name.replace(':', '-')}"), queue.consumer, arn)

    def _queue(self, queue: queues.Queue) -> sqs.CfnQueue:
        if queue.name in self.queues:
            return self.queues[queue.name]
        names, key = self.deployment.names, self.deployment.account.kms_key
        resource = sqs.CfnQueue(
            self,
            f"Queue-{queue.name.replace(':', '-')}",
            queue_name=names.queue(queue.name),
            visibility_timeout=queue.visibility,
            message_retention_period=queues.retention(queue.name, self.planned),
            receive_message_wait_time_seconds=20,
            sqs_managed_sse_enabled=None if key else True,
            kms_master_key_id=key or None,
            kms_data_key_reuse_period_seconds=KEY_REUSE if key else None,
            redrive_policy=self._redrive(queue),
        )
        self.queues[queue.name] = resource
        payload = payload_metadata.of(queue.consumer) if queue.consumer else None
        if payload:
            # For `preflight`, which compares it with that of the deployed template.
            resource.add_metadata(payload_metadata.METADATA, payload)
        policy = sqs.CfnQueuePolicy(
            resource,
            "Policy",
            queues=[resource.ref],
            policy_document=roles.document(self._allowed(queue, resource.attr_arn)),
        )
        if queue.name in self.dead_letter_queues:
            for kept in (resource, policy):
                removal.keep(kept, production=names.production)
        if queue.consumer:
            self._mapping(resource, queue.consumer, resource.attr_arn)
        return resource

    def _redrive(self, queue: queues.Queue) -> dict[str, Any] | None:
        if queue.dead_letter_queue is None:
            return None
        dead_letters = self.planned.get(queue.dead_letter_queue)
        created = queue.dead_letter_queue not in self.deployment.existing("queue")
        if dead_letters is not None and dead_letters.group == queue.group and created:
            target = self._queue(dead_letters).attr_arn
        else:
            # By name: it exists, or is in another stack, which is deployed before this one.
            target = self.deployment.names.arn("sqs", self.deployment.names.queue(queue.dead_letter_queue))
        return {"deadLetterTargetArn": target, "maxReceiveCount": queues.MAX_RECEIVES}

    def _allowed(self, queue: queues.Queue, arn: str) -> list[roles.Statement]:
        statements = [roles.tls_only("sqs:*", arn)]
        if queue.name == DEAD:
            names = self.deployment.names
            statements.append(
                {
                    "Sid": "TicksThatWereNotDelivered",
                    "Effect": "Allow",
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": arn,
                    "Condition": {"ArnLike": {"aws:SourceArn": names.arn("events", f"rule/{names.of('*')}")}},
                }
            )
        return statements

    def _mapping(self, scope: Construct, consumer: Job, arn: str) -> None:
        own = self.jobs.get(consumer.name)
        lambda_.CfnEventSourceMapping(
            scope,
            "Mapping",
            event_source_arn=arn,
            function_name=own.function.ref if own else self.deployment.names.function(consumer.name),
            batch_size=consumer.batch_size,
            maximum_batching_window_in_seconds=consumer.batch_window,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=lambda_.CfnEventSourceMapping.ScalingConfigProperty(
                maximum_concurrency=self.deployment.concurrency.get(consumer.name, consumer.concurrency)
            ),
        )
