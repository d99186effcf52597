"""A job, deployed: function, role, log group, what happens when it dies, what fires it."""

from __future__ import annotations

from collections.abc import Iterator

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import queues, roles
from infra.alarms import Alarms
from infra.deployment import Deployment
from infra.function import Code, Function, Shape, log_days
from infra.schedules import Ticks
from shared.aws.names import CELERY, FIRINGS
from shared.aws.permissions import Grant
from shared.job.definition import Job

HANDLER = "shared.handler.handle"
# How long Lambda may keep a tick that finds no free function. What is older comes back through the firings, which
# does not count as an attempt; by then most jobs' next tick has done the work.
MAXIMUM_EVENT_AGE = 3600
# Celery looks at its queue before it sends.
HAND_TO_CELERY = Grant(("sqs:GetQueueAttributes", "sqs:SendMessage"), f"queue/{CELERY}")


class DeployedJob(Construct):
    def __init__(self, scope: Construct, job: Job, deployment: Deployment, code: Code) -> None:
        super().__init__(scope, job.name)
        names = deployment.names
        shape = Shape(
            name=names.function(job.name),
            handler=HANDLER,
            description=job.purpose(),
            timeout=job.timeout,
            memory=job.memory,
            log_days=log_days(job.retention),
            environment=environment(job, deployment),
        )
        self.function = Function(self, shape, allowed(job, deployment), code).resource
        lambda_.CfnEventInvokeConfig(
            self,
            "Deaths",
            function_name=self.function.ref,
            qualifier="$LATEST",
            maximum_retry_attempts=0,
            maximum_event_age_in_seconds=MAXIMUM_EVENT_AGE,
            destination_config=lambda_.CfnEventInvokeConfig.DestinationConfigProperty(
                on_failure=lambda_.CfnEventInvokeConfig.OnFailureProperty(
                    destination=names.arn("sqs", names.queue(FIRINGS))
                )
            ),
        )
        Ticks(self, job, names, self.function)
        if job.silent_after is not None:
            Alarms(self, names).of_silence(job, job.silent_after)


def environment(job: Job, deployment: Deployment) -> dict[str, str]:
    """What every function is told, and the job's settings that the deployer has set; the rest have defaults."""
    named = {setting.name: deployment.environment.get(setting.name) for setting in job.all_settings()}
    return {
        **platform_environment(deployment),
        "NIGHTSHIFT_JOB": job.place,
        **{name: value for name, value in named.items() if value is not None},
    }


def platform_environment(deployment: Deployment) -> dict[str, str]:
    names = deployment.names
    return {
        "NIGHTSHIFT_STAGE": names.stage,
        "NIGHTSHIFT_ACCOUNT": names.account,
        "NIGHTSHIFT_PARTITION": names.partition,
        "NIGHTSHIFT_URL_SUFFIX": names.suffix,
    }


def allowed(job: Job, deployment: Deployment) -> list[roles.Statement]:
    """The job's grants, and what Lambda does in its name: read its queues."""
    read = sorted(deployment.names.arn("sqs", deployment.names.queue(name)) for name in _read_by(job, deployment))
    received = [roles.allow(queues.RECEIVE, *read)] if read else []
    handed = (HAND_TO_CELERY,) if deployment.run_by(job) == CELERY else ()
    return [*roles.statements(deployment.names, [*job.grants(), *handed]), *received]


def _read_by(job: Job, deployment: Deployment) -> Iterator[str]:
    for queue in queues.plan(deployment.jobs).values():
        if queue.consumer is not None and queue.consumer.name == job.name:
            yield queue.name
