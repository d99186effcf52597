"""Permissions of jobs.

A function's IAM role is generated from the grants of its jobs.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.aws.names import MUTES, OWED, STATE, TOPIC

PAYLOADS_KEY = "key/payloads"
# The identity and the address of MAIL_FROM, which the deployer sets.
SENDER_IDENTITY = "identity/sender"
# Resource of list actions that IAM does not limit to resources.
ACCOUNT = "account/lists"


@dataclass(frozen=True, slots=True)
class Grant:
    """IAM actions on one resource."""

    #: IAM actions, without wildcards.
    actions: tuple[str, ...]
    #: Kind and logical name: `table/webevals`, `bucket/pricing/*`, `secret/prod-auth`.
    resource: str
    #: Partition keys of a table's rows to which the actions are restricted; `*` is allowed at the end. Empty: all rows.
    keys: tuple[str, ...] = ()
    #: Deny the actions, even if another grant allows them.
    denied: bool = False

    def __post_init__(self) -> None:
        kind, _, name = self.resource.partition("/")
        if not kind or not name:
            raise ValueError(f"grant on {self.resource!r}: write kind and name, as in table/state")
        if any(action.endswith(":*") or action == "*" for action in self.actions):
            raise ValueError(f"grant on {self.resource!r}: list the actions, not {self.actions}")


def read_rows(table: str, *keys: str) -> Grant:
    return Grant(("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"), f"table/{table}", keys)


def write_rows(table: str, *keys: str) -> Grant:
    actions = ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem")
    return Grant(actions, f"table/{table}", keys)


def update_rows(table: str, *keys: str) -> Grant:
    return Grant(("dynamodb:UpdateItem",), f"table/{table}", keys)


def delete_rows(table: str, *keys: str) -> Grant:
    return Grant(("dynamodb:DeleteItem", "dynamodb:BatchWriteItem"), f"table/{table}", keys)


def read_objects(prefix: str) -> Grant:
    return Grant(("s3:GetObject",), f"bucket/{prefix}")


def write_objects(prefix: str) -> Grant:
    return Grant(("s3:PutObject",), f"bucket/{prefix}")


def read_and_write(rows: tuple[str, ...], objects: str) -> tuple[Grant, ...]:
    """Grants on rows of the state and on objects."""
    return read_rows(STATE, *rows), write_rows(STATE, *rows), read_objects(objects), write_objects(objects)


def list_objects(prefix: str) -> Grant:
    """List the names below a prefix that ends in `*`.

    `*` alone is the whole bucket.
    """
    return Grant(("s3:ListBucket",), f"listing/{prefix}")


def find_missing_objects() -> Grant:
    """Let S3 distinguish a missing object from a denied one.

    It answers 404 only to a caller that may list the whole bucket, else 403:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    return list_objects("*")


def deny_objects(pattern: str) -> Grant:
    """Deny reading, writing and deleting these objects."""
    return Grant(("s3:GetObject", "s3:PutObject", "s3:DeleteObject"), f"bucket/{pattern}", denied=True)


def delete_objects(prefix: str) -> Grant:
    return Grant(("s3:DeleteObject",), f"bucket/{prefix}")


def read_secret(name: str) -> Grant:
    return Grant(("secretsmanager:GetSecretValue",), f"secret/{name}")


def read_parameter(name: str) -> Grant:
    """Read an SSM SecureString encrypted with the AWS managed key."""
    return Grant(("ssm:GetParameter",), f"parameter/{name}")


def converse() -> Grant:
    """Call any Bedrock model that the account has access to."""
    return Grant(("bedrock:InvokeModel",), "model/*")


def send(queue: str) -> Grant:
    return Grant(("sqs:SendMessage",), f"queue/{queue}")


def produce(queue: str, *, encrypted: bool = False) -> tuple[Grant, ...]:
    """Send payloads to the queue, large ones through S3.

    encrypted: as the payload declares it.
    """
    key = (Grant(("kms:GenerateDataKey",), PAYLOADS_KEY),) if encrypted else ()
    return (send(queue), write_objects(_payloads(queue)), *key)


def collect(queue: str, *, encrypted: bool = False) -> tuple[Grant, ...]:
    """Read payloads of the queue that are stored in S3.

    Every consumer of payloads has this grant.
    """
    key = (Grant(("kms:Decrypt",), PAYLOADS_KEY),) if encrypted else ()
    return (read_objects(_payloads(queue)), *key)


def _payloads(queue: str) -> str:
    return f"payloads/*/{queue.replace(':', '-')}/*"


def publish(topic: str) -> Grant:
    return Grant(("sns:Publish",), f"topic/{topic}")


def send_mail() -> Grant:
    """Send mail with SES from the address of MAIL_FROM only.

    SES also checks the action for raw mail.
    """
    return Grant(("ses:SendEmail", "ses:SendRawEmail"), SENDER_IDENTITY)


def invoke_jobs() -> Grant:
    """Invoke any function of this deployment.

    For dispatch only.
    """
    return Grant(("lambda:InvokeFunction",), "function/*")


def read_job_settings() -> Grant:
    """Read the configuration of any function of this deployment.

    For functions that ping the heartbeat of another job.
    """
    return Grant(("lambda:GetFunctionConfiguration",), "function/*")


def read_deployment() -> tuple[Grant, ...]:
    """Read stacks, rules, schedules, functions, and roles of this deployment.

    IAM limits none of the four list actions to a resource.
    """
    lists = ("cloudformation:DescribeStacks", "events:ListRules", "lambda:ListFunctions", "scheduler:ListSchedules")
    policies = ("iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies")
    return (
        Grant(lists, ACCOUNT),
        Grant(("cloudformation:GetTemplate", "cloudformation:ListStackResources"), "stack/*"),
        Grant(("lambda:GetFunctionConcurrency",), "function/*"),
        Grant(policies, "role/*"),
    )


def invoke(job: str) -> Grant:
    """Invoke the function of a job."""
    return Grant(("lambda:InvokeFunction",), f"function/{job}")


def read_log(job: str) -> Grant:
    """Read the log lines of a job's function."""
    return Grant(("logs:FilterLogEvents",), f"log/{job}")


def drain(queue: str) -> Grant:
    """Receive and delete messages of a queue."""
    return Grant(("sqs:ReceiveMessage", "sqs:DeleteMessage"), f"queue/{queue}")


def alerting() -> tuple[Grant, ...]:
    """Publish alerts to the topic, and store them for the other channels.

    Both unless they are muted.
    """
    return (publish(TOPIC), write_rows(STATE, OWED), read_rows(STATE, MUTES))
