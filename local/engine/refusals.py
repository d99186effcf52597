"""Requests that AWS refuses and ministack accepts, or the reverse.

- CloudFormation creates no resource whose physical name exists, deletes no bucket with a version in it, and no table
  with deletion protection.
- CloudFormation imports a bucket that exists; ministack refuses its name before it looks at the imports.
- S3 answers 403 for a missing key to a caller that may not list the bucket.
  https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
- Lambda accepts at most 1 MiB for an asynchronous invocation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any

from local.engine import emulator

Handler = Callable[[str, str, Any, bytes, Any], Awaitable[Any]]
ACCESS_DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
MAX_EVENT_BYTES = 1024 * 1024
TOO_LARGE = b'{"message": "Request must be smaller than 1048576 bytes for the InvokeFunction operation"}'
# Logical ids of the resources that the deployment of this task imports.
_imported: ContextVar[frozenset[str]] = ContextVar("imported", default=frozenset())
# Type -> the property with its name.
NAMED = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::Rule": "Name",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::SecretsManager::Secret": "Name",
}


def install() -> None:
    stacks, provisioners = emulator.service("cloudformation.stacks"), emulator.service("cloudformation.provisioners")
    create = stacks._provision_resource

    # Here and not in the handlers: an update may call those for a resource that the stack has.
    def created(kind: str, logical: str, properties: dict[str, Any], stack: str) -> Any:
        refuse_taken_name(kind, properties)
        return create(kind, logical, properties, stack)

    stacks._provision_resource = created
    changesets = emulator.service("cloudformation.changesets")
    deploy, errors = changesets._deploy_stack_async, stacks._validation_errors

    async def deployed(*arguments: Any, imports: Mapping[str, Any] | None = None, **more: Any) -> Any:
        _imported.set(frozenset(imports or ()))
        return await deploy(*arguments, imports=imports, **more)

    changesets._deploy_stack_async = deployed
    stacks._validation_errors = lambda *arguments: [
        error for error in errors(*arguments) if error[0] not in _imported.get()
    ]
    handlers = provisioners._RESOURCE_HANDLERS
    for kind, refuse in (("AWS::S3::Bucket", refuse_full_bucket), ("AWS::DynamoDB::Table", refuse_protected_table)):
        handlers[kind]["delete"] = _preceded_by(refuse, handlers[kind]["delete"])
    answers = emulator.application().SERVICE_HANDLERS
    answers["s3"] = _denying_missing_keys(answers["s3"])
    answers["lambda"] = _refusing_large_events(answers["lambda"])


def refuse_taken_name(kind: str, properties: Mapping[str, Any]) -> None:
    name = properties.get(NAMED.get(kind, ""))
    if name and _exists(kind, name):
        raise ValueError(f"Resource of type '{kind}' with identifier '{name}' already exists.")


def refuse_full_bucket(name: str) -> None:
    storage = emulator.service("s3")
    if storage._buckets.get(name, {}).get("objects") or storage._bucket_has_versions(name):
        raise ValueError("The bucket you tried to delete is not empty. You must delete all versions in the bucket.")


def refuse_protected_table(name: str) -> None:
    table = emulator.service("dynamodb")._tables.get(name, {})
    if str(table.get("DeletionProtectionEnabled", False)).lower() == "true":
        raise ValueError(
            "Resource cannot be deleted as it is currently protected against deletion. "
            "Disable deletion protection first."
        )


def _exists(kind: str, name: str) -> bool:
    match kind:
        case "AWS::CloudWatch::Alarm":
            return name in emulator.service("cloudwatch")._alarms
        case "AWS::CloudWatch::Dashboard":
            return name in emulator.service("cloudwatch")._dashboards
        case "AWS::DynamoDB::Table":
            return name in emulator.service("dynamodb")._tables
        case "AWS::Events::Rule":
            return f"default|{name}" in emulator.service("eventbridge")._rules
        case "AWS::Lambda::Function":
            return name in emulator.service("lambda_svc")._functions
        case "AWS::Logs::LogGroup":
            return name in emulator.service("cloudwatch_logs")._log_groups
        case "AWS::SNS::Topic":
            return any(arn.endswith(f":{name}") for arn in emulator.service("sns")._topics)
        case "AWS::SQS::Queue":
            return name in emulator.service("sqs")._queue_name_to_url
        case "AWS::Scheduler::Schedule":
            return f"default/{name}" in emulator.service("scheduler")._schedules
    return name in emulator.service("secretsmanager")._secrets


def _preceded_by(refuse: Callable[[str], None], delete: Callable[..., None]) -> Callable[..., None]:
    def both(name: str, *arguments: Any) -> None:
        refuse(name)
        delete(name, *arguments)

    return both


def _denying_missing_keys(handler: Handler) -> Handler:
    async def answer(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        response = await handler(method, path, headers, body, query)
        bucket, _, key = path.lstrip("/").partition("/")
        app = emulator.application()
        if not (app.AUTH and method in ("GET", "HEAD") and key and response[0] == 404):
            return response
        if app._enforce_data_plane("s3", "s3:ListBucket", headers, query, "", resource_arn=f"arn:aws:s3:::{bucket}"):
            return 403, {"Content-Type": "application/xml"}, b"" if method == "HEAD" else ACCESS_DENIED
        return response

    return answer


def _refusing_large_events(handler: Handler) -> Handler:
    async def answer(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        event = path.endswith("/invocations") and headers.get("x-amz-invocation-type") == "Event"
        if event and len(body) > MAX_EVENT_BYTES:
            kind = {"Content-Type": "application/json", "x-amzn-errortype": "RequestTooLargeException"}
            return 413, kind, TOO_LARGE
        return await handler(method, path, headers, body, query)

    return answer
