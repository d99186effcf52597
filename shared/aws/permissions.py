"""What a job may touch. From these grants come its role on AWS and the hosts that it may call."""

from __future__ import annotations

from dataclasses import dataclass

from shared.aws.names import OWED, STATE, TOPIC

PAYLOADS_KEY = "key/payloads"


@dataclass(frozen=True, slots=True)
class Grant:
    """Actions on one thing, by its logical name: `table/webevals`, `bucket/pricing/*`, `secret/prod-auth`.

    `keys` bounds a table's rows to these partition keys (`*` allowed at the end). denied: not to be done to these
    objects, whatever else is granted.
    """

    actions: tuple[str, ...]
    resource: str
    keys: tuple[str, ...] = ()
    denied: bool = False

    def __post_init__(self) -> None:
        kind, _, name = self.resource.partition("/")
        if not kind or not name:
            raise ValueError(f"grant on {self.resource!r}: say what it is and its name, as in table/state")
        if any(action.endswith(":*") or action == "*" for action in self.actions):
            raise ValueError(f"grant on {self.resource!r}: name the actions, not {self.actions}")


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


def list_objects(prefix: str) -> Grant:
    """Names below a prefix that ends in `*`."""
    return Grant(("s3:ListBucket",), f"listing/{prefix}")


def deny_objects(pattern: str) -> Grant:
    """Neither read, nor written, nor deleted."""
    return Grant(("s3:GetObject", "s3:PutObject", "s3:DeleteObject"), f"bucket/{pattern}", denied=True)


def delete_objects(prefix: str) -> Grant:
    return Grant(("s3:DeleteObject",), f"bucket/{prefix}")


def read_secret(name: str) -> Grant:
    return Grant(("secretsmanager:GetSecretValue",), f"secret/{name}")


def read_parameter(name: str) -> Grant:
    """A SecureString of Systems Manager, under AWS's own key; nobody makes it but who needs it."""
    return Grant(("ssm:GetParameter",), f"parameter/{name}")


def converse() -> Grant:
    """Ask any model of Bedrock that the account has access to."""
    return Grant(("bedrock:InvokeModel",), "model/*")


def send(queue: str) -> Grant:
    return Grant(("sqs:SendMessage",), f"queue/{queue}")


def produce(queue: str, *, encrypted: bool = False) -> tuple[Grant, ...]:
    """Send payloads to the queue, those too that are kept in S3. encrypted: as the payload is declared."""
    key = (Grant(("kms:GenerateDataKey",), PAYLOADS_KEY),) if encrypted else ()
    return (send(queue), write_objects(_payloads(queue)), *key)


def collect(queue: str, *, encrypted: bool = False) -> tuple[Grant, ...]:
    """Take in what was sent there and is kept in S3. Every consumer of payloads has this by itself."""
    key = (Grant(("kms:Decrypt",), PAYLOADS_KEY),) if encrypted else ()
    return (read_objects(_payloads(queue)), *key)


def _payloads(queue: str) -> str:
    return f"payloads/*/{queue.replace(':', '-')}/*"


def publish(topic: str) -> Grant:
    return Grant(("sns:Publish",), f"topic/{topic}")


def send_mail() -> Grant:
    """By SES, from any identity that is verified in the account. A mail as we write it is checked as a raw one too."""
    return Grant(("ses:SendEmail", "ses:SendRawEmail"), "identity/*")


def invoke_jobs() -> Grant:
    """Start any function of this deployment: for dispatch and trigger alone."""
    return Grant(("lambda:InvokeFunction",), "function/*")


def alerting() -> tuple[Grant, ...]:
    """Publish an alert, and queue it for the channels beside the topic."""
    return (publish(TOPIC), write_rows(STATE, OWED))
