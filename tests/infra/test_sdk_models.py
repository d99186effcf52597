"""botocore's data, cut: the same requests and errors for what the code calls, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.loaders import Loader
from botocore.session import Session

from infra import layer, sdk_models
from shared.aws.service_models import ServiceModelLoader
from shared.job import registry

# Actions of IAM that authorize an operation of another name.
AUTHORIZED = {
    "s3:ListBucket": "s3:ListObjectsV2",
    "bedrock-runtime:InvokeModel": "bedrock-runtime:Converse",
    "lambda:InvokeFunctionUrl": "lambda:Invoke",
}
SDK_NAMES = {"ses": "sesv2", "bedrock": "bedrock-runtime"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """botocore's data folder, cut as a layer's is; other services are left out of the copy."""
    data = tmp_path_factory.mktemp("sdk") / "data"
    services = layer.sdk_services()
    for service in services:
        shutil.copytree(layer.SDK_DATA / service, data / service)
    for file in layer.SDK_DATA.glob("*.json"):
        shutil.copy(file, data)
    shutil.copytree(layer.SDK_DATA / "ec2", data / "ec2")
    sdk_models.cut(data, services, sdk_models.called_names())
    return data


def client(service: str, loader: Loader, status: int = 200, body: bytes = b"{}") -> tuple[Any, list[Any]]:
    """A client whose requests are collected, and answered with this body."""
    session = Session()
    session.register_component("data_loader", loader)
    session.set_credentials("AKID", "secret")
    made = session.create_client(service, region_name="eu-west-1")
    sent: list[Any] = []

    class Raw:
        def stream(self, *_: Any, **__: Any) -> Any:
            yield body

    def answer(request: Any, **_: Any) -> Any:
        body_sent = request.body.read() if hasattr(request.body, "read") else request.body
        sent.append((request.method, request.url, body_sent, request.headers.get("X-Amz-Target")))
        return AWSResponse(request.url, status, {}, Raw())  # type: ignore[arg-type]

    made.meta.events.register("before-send", answer)
    return made, sent


CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("dynamodb", "update_item", {"TableName": "t", "Key": {"pk": {"S": "a"}}, "UpdateExpression": "SET n = :n"}),
    ("dynamodb", "batch_get_item", {"RequestItems": {"t": {"Keys": [{"pk": {"S": "a"}}], "ConsistentRead": True}}}),
    ("s3", "put_object", {"Bucket": "b-ucket", "Key": "k/1", "Body": b"x", "IfNoneMatch": "*"}),
    ("s3", "delete_objects", {"Bucket": "b-ucket", "Delete": {"Objects": [{"Key": "k"}]}}),
    ("sqs", "send_message", {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/1/q", "MessageBody": "m"}),
    ("sns", "publish", {"TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": "m"}),
    ("secretsmanager", "get_secret_value", {"SecretId": "s"}),
    ("lambda", "invoke", {"FunctionName": "f", "Payload": b"{}"}),
]  # fmt: skip
BODIES = {
    "s3": b"",
    "sns": b"<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>",
}


@pytest.mark.parametrize(("service", "method", "arguments"), CALLS)
def test_a_call_sends_the_same_request(service: str, method: str, arguments: dict[str, Any], data: Path) -> None:
    sent = []
    for loader in (Loader(), ServiceModelLoader([str(data)], include_default_search_paths=False)):
        made, requests = client(service, loader, body=BODIES.get(service, b"{}"))
        getattr(made, method)(**arguments)
        sent.append(requests)
    assert sent[0] == sent[1]
    assert len(sent[0]) == 1


def test_an_error_is_the_same_exception(data: Path) -> None:
    loader = ServiceModelLoader([str(data)], include_default_search_paths=False)
    body = b'{"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "Item": {"n": {"N": "1"}}}'
    dynamodb, _ = client("dynamodb", loader, 400, body)
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as failed:
        dynamodb.put_item(TableName="t", Item={})
    assert failed.value.response["Item"] == {"n": {"N": "1"}}


def test_operations_that_the_code_does_not_call_are_cut(data: Path) -> None:
    dynamodb, _ = client("dynamodb", ServiceModelLoader([str(data)], include_default_search_paths=False))
    assert not hasattr(dynamodb, "create_table")


def test_services_that_are_not_opened_are_removed(data: Path) -> None:
    assert not (data / "ec2").exists()
    assert sum(path.stat().st_size for path in data.rglob("*.json*")) < 1_000_000


def test_every_operation_that_a_job_may_call_is_kept() -> None:
    every = sdk_models.operations(layer.SDK_DATA, layer.sdk_services(), frozenset())
    kept = sdk_models.operations(layer.SDK_DATA, layer.sdk_services(), sdk_models.called_names())
    actions = {action for job in registry.jobs().values() for grant in job.grants() for action in grant.actions}
    for action in actions:
        service, _, name = action.partition(":")
        sdk = f"{SDK_NAMES.get(service, service)}:{name}"
        operation = AUTHORIZED.get(sdk, sdk)
        assert operation in kept or operation not in every, f"{action} is granted, but no code calls {operation}"


def test_a_member_named_documentation_is_no_documentation() -> None:
    model = {
        "metadata": {},
        "operations": {"GetThing": {"input": {"shape": "In"}, "documentation": "<p>text</p>"}, "PutThing": {}},
        "shapes": {
            "In": {"type": "structure", "members": {"documentation": {"shape": "Text", "documentation": "<p>"}}},
            "Text": {"type": "string", "documentation": "<p>"},
            "Unused": {"type": "string"},
            "Gone": {"type": "structure", "exception": True},
        },
    }
    assert sdk_models.cut_model(model, frozenset({"get_thing"})) == {
        "metadata": {},
        "operations": {"GetThing": {"input": {"shape": "In"}}},
        "shapes": {
            "In": {"type": "structure", "members": {"documentation": {"shape": "Text"}}},
            "Text": {"type": "string"},
            "Gone": {"type": "structure", "exception": True},
        },
    }
