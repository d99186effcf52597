"""IAM actions of a call: its resources, and the keys for conditions.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.aws.names import Names
from shared.tables import TABLES

# Operations whose action has another name.
ACTIONS = {
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "lambda:Invoke": "lambda:InvokeFunction",
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
}
# Condition keys of a request, by their names in IAM.
LEADING_KEYS, PREFIX, ALIASES = "dynamodb:LeadingKeys", "s3:prefix", "kms:ResourceAliases"
TRANSACTION = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
PARTITION_KEYS = {table.name: table.pk for table in TABLES}
SECRET_SUFFIX = "-AbCdEf"
LISTS = ("cloudformation:DescribeStacks", "events:ListRules", "lambda:ListFunctions", "scheduler:ListSchedules")


@dataclass(frozen=True, slots=True)
class Access:
    """One action on one resource, as IAM decides about it."""

    action: str
    resource: str
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def accesses(names: Names, service: str, operation: str, request: Mapping[str, Any]) -> Iterator[Access]:
    """All that IAM decides about for one call.

    Raises NotImplementedError for a service that it does not know.
    """
    action = ACTIONS.get(f"{service}:{operation}", f"{service}:{operation}")
    match service:
        case "dynamodb":
            yield from _of_rows(names, operation, request)
        case "s3":
            yield from _of_objects(names, action, operation, request)
        case "sqs":
            yield Access(action, names.arn("sqs", request["QueueUrl"].rpartition("/")[2]))
        case "lambda" if action not in LISTS:
            yield Access(action, names.arn("lambda", f"function:{request['FunctionName']}"))
        case "sns":
            yield Access(action, request["TopicArn"])
        case "secretsmanager":
            yield Access(action, names.arn("secretsmanager", f"secret:{request['SecretId']}{SECRET_SUFFIX}"))
        case "ssm":
            yield Access(action, names.arn("ssm", f"parameter/{request['Name'].lstrip('/')}"))
        case _ if action in LISTS:
            yield Access(action, "*")
        case _:
            raise NotImplementedError(f"{service}:{operation} has no known resource: add it to this module")


def _of_rows(names: Names, operation: str, request: Mapping[str, Any]) -> Iterator[Access]:
    if operation in ("TransactWriteItems", "TransactGetItems"):
        for item in request["TransactItems"]:
            ((kind, part),) = item.items()
            yield _of_table(names, TRANSACTION.get(kind, "GetItem"), part["TableName"], [])
    elif operation.startswith("Batch"):
        for table, requests in request["RequestItems"].items():
            listed = requests["Keys"] if isinstance(requests, dict) else [*map(_batched, requests)]
            keys = listed if len(request["RequestItems"]) == 1 else []
            yield _of_table(names, operation, table, keys)
    else:
        given = [part for part in (request.get("Key"), request.get("Item"), _queried(names, request)) if part]
        yield _of_table(names, operation, request["TableName"], given, request.get("IndexName"))


def _batched(request: Mapping[str, Any]) -> Any:
    ((_, body),) = request.items()
    return body.get("Item") or body["Key"]


def _queried(names: Names, request: Mapping[str, Any]) -> dict[str, Any]:
    """The partition key that a query of a table names."""
    expression = request.get("KeyConditionExpression")
    if not expression or "IndexName" in request:
        return {}
    key = _partition_key(names, request["TableName"])
    named = request.get("ExpressionAttributeNames", {})
    for condition in expression.split(" AND "):
        name, _, value = condition.strip("() ").partition(" = ")
        if named.get(name, name) == key:
            return {key: request["ExpressionAttributeValues"][value]}
    return {}


def _of_table(names: Names, operation: str, table: str, keys: list[Any], index: str | None = None) -> Access:
    resource = names.arn("dynamodb", f"table/{table}" + (f"/index/{index}" if index else ""))
    key = _partition_key(names, table)
    leading = tuple(dict.fromkeys(value for each in keys if key in each for value in each[key].values()))
    return Access(f"dynamodb:{operation}", resource, {LEADING_KEYS: leading} if leading else {})


def _partition_key(names: Names, table: str) -> str:
    return PARTITION_KEYS[table.removeprefix(names.of(""))]


def _of_objects(names: Names, action: str, operation: str, request: Mapping[str, Any]) -> Iterator[Access]:
    bucket = f"arn:{names.partition}:s3:::{request['Bucket']}"
    if operation.startswith("List"):
        yield Access(action, bucket, {PREFIX: (request.get("Prefix", ""),)})
    elif operation == "DeleteObjects":
        for each in request["Delete"]["Objects"]:
            yield Access("s3:DeleteObject", f"{bucket}/{each['Key']}")
    else:
        yield Access(action, f"{bucket}/{request['Key']}")
    if "SSEKMSKeyId" in request:
        alias = request["SSEKMSKeyId"].partition(":key/")[0].rpartition(":")[2]
        yield Access("kms:GenerateDataKey", names.arn("kms", "key/of-an-alias"), {ALIASES: (alias,)})
