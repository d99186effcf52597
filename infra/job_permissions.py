"""Permissions of a job's role."""

from __future__ import annotations

from collections.abc import Iterator

from infra import queues, roles
from infra.deployment import Deployment
from shared.aws.names import CELERY
from shared.aws.permissions import Grant
from shared.job.definition import Job

# Celery reads its queue's attributes before it sends.
SEND_TO_CELERY = Grant(("sqs:GetQueueAttributes", "sqs:SendMessage"), f"queue/{CELERY}")


def allowed(job: Job, deployment: Deployment) -> list[roles.Statement]:
    """Statements of the job's role: its grants, and reading its queues.

    Lambda reads the queues with the function's role.
    """
    read = sorted(deployment.names.arn("sqs", deployment.names.queue(name)) for name in _read_by(job, deployment))
    received = [roles.allow(queues.RECEIVE, *read)] if read else []
    celery = (SEND_TO_CELERY,) if deployment.run_by(job) == CELERY else ()
    return [*roles.statements(deployment.names, [*job.grants(), *celery], deployment.sender), *received]


def _read_by(job: Job, deployment: Deployment) -> Iterator[str]:
    for queue in queues.plan(deployment.jobs).values():
        if queue.consumer is not None and queue.consumer.name == job.name:
            yield queue.name
