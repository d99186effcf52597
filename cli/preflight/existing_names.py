"""Names that a stack would create, and that exist without one.

A first deployment that was rolled back leaves retained resources, and so does the deletion of a production stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from cli.preflight.change import Change, named_resources
from infra.finding import Finding, refused

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

CHECK = "existing-name"
GONE = ("ResourceNotFoundException", "NoSuchBucket", "404", "NotFound", "QueueDoesNotExist", "NonExistentQueue")
# Another account's bucket, or one that these credentials do not see.
TAKEN = ("403", "AccessDenied", "Forbidden")


def check(change: Change, cloud: Cloud) -> Iterator[Finding]:
    known = {(named.type, named.name) for named in named_resources(change.before)}
    readers = _readers(cloud)
    for named in named_resources(change.after, *readers):
        if (named.type, named.name) in known:
            continue
        state = _state(readers[named.type], named.name)
        if state:
            kind = named.type.rpartition(":")[2]
            yield refused(
                CHECK,
                named.where,
                f"the {kind} {named.name} {state}, and no stack of this stage owns it: CloudFormation would fail",
                _fix(named.type, named.name, state),
            )


def _readers(cloud: Cloud) -> dict[str, Callable[[str], Any]]:
    return {
        "AWS::DynamoDB::Table": lambda name: cloud.dynamodb.describe_table(TableName=name),
        "AWS::S3::Bucket": lambda name: cloud.s3.head_bucket(Bucket=name),
        "AWS::SQS::Queue": lambda name: cloud.sqs.get_queue_url(QueueName=name),
        "AWS::SecretsManager::Secret": lambda name: cloud.secrets.describe_secret(SecretId=name),
        "AWS::Lambda::Function": lambda name: cloud.functions.get_function_concurrency(FunctionName=name),
        "AWS::Events::Rule": lambda name: cloud.rules.describe_rule(Name=name),
    }


def _state(read: Callable[[str], Any], name: str) -> str:
    """Empty if it does not exist."""
    from botocore.exceptions import ClientError

    try:
        answer = read(name)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if any(word in code for word in TAKEN):
            return "belongs to another account, or these credentials may not see it"
        if any(word in code for word in GONE):
            return ""
        raise
    return "is scheduled for deletion" if isinstance(answer, dict) and answer.get("DeletedDate") else "exists"


def _fix(kind: str, name: str, state: str) -> str:
    if state == "is scheduled for deletion":
        return f"restore it or delete it at once: aws secretsmanager restore-secret --secret-id {name}"
    if kind == "AWS::S3::Bucket" and state != "exists":
        return "use credentials of the account that owns it, or another stage name"
    if kind in ("AWS::DynamoDB::Table", "AWS::S3::Bucket"):
        return "adopt it with its content: deploy with --import-existing-resources; or delete it if nothing needs it"
    if kind in ("AWS::SQS::Queue", "AWS::SecretsManager::Secret"):
        return "use it as it is: name it in `existing` of the stage's file (docs/howto/deploy.md); or delete it"
    return "delete it: a stack creates it again"
