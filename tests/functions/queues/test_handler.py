"""Draining queues over HTTP: guarded, from the same origin only, limited in size and rate."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.queues import _drain, handler
from shared.aws.cloud import Cloud
from shared.aws.names import Names
from shared.http.internal_token import Guard
from shared.job import manifest
from shared.messages.envelope import MESSAGE_LIMIT
from tests.conftest import Calls, Lines, VirtualClock
from tests.functions.operations.conftest import ENTRIES
from tests.support.function_url import TOKEN, Context, refused, url_event

QUEUE = "demo:mail"
INTAKE = {**ENTRIES["sweep"], "queue": QUEUE, "schedules": []}
PATH = f"/queues/{QUEUE}/process"
Ask = Callable[..., tuple[int, Any]]


class Consumer:
    """A fake consumer: it fails messages with the body `bad`, and crashes at `poison`."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []

    def invoke(self, FunctionName: str, InvocationType: str, Payload: bytes) -> Any:  # noqa: N803 - boto's names
        assert (FunctionName, InvocationType) == ("nightshift-test-intake", "RequestResponse")
        records = json.loads(Payload)["Records"]
        self.batches.append(records)
        if len(Payload) > 6 * 1024 * 1024:
            raise ClientError({"Error": {"Code": "RequestTooLargeException"}}, "Invoke")
        if any(record["body"] == "poison" for record in records):
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b"{}")}
        failed = [{"itemIdentifier": record["messageId"]} for record in records if record["body"] == "bad"]
        return {"Payload": io.BytesIO(json.dumps({"batchItemFailures": failed}).encode())}


@pytest.fixture
def consumer(cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch) -> Consumer:
    playing = Consumer()
    cloud.__dict__["functions_once"] = playing
    monkeypatch.setattr(handler, "CLOUD", cloud)
    monkeypatch.setattr(handler, "GUARD", Guard(cloud))
    monkeypatch.setattr(handler, "LOG", log)
    monkeypatch.setattr(manifest, "load", lambda: {"intake": INTAKE, "dispatch": {**INTAKE, "queue": "firings"}})
    # As in the template: a receive with the default wait would take longer than its own timeout.
    cloud.sqs.create_queue(QueueName=cloud.names.queue(QUEUE), Attributes={"ReceiveMessageWaitTimeSeconds": "20"})
    monkeypatch.setattr(_drain, "WAIT_SECONDS", 0)
    return playing


@pytest.fixture
def ask(consumer: Consumer) -> Ask:
    def ask(
        path: str = PATH, limit: str | None = None, method: str = "POST", **headers: str
    ) -> tuple[int, dict[str, Any]]:
        given: Mapping[str, str] = {**TOKEN, **{name.replace("_", "-"): text for name, text in headers.items()}}
        query = {"limit": limit} if limit is not None else None
        answer = handler.handle(url_event(path, method, given, query), Context())
        assert answer["headers"]["cache-control"] == "no-store"
        return answer["statusCode"], json.loads(answer["body"])

    return ask


def send(cloud: Cloud, *texts: str) -> None:
    for text in texts:
        cloud.sqs.send_message(QueueUrl=cloud.names.queue_url(QUEUE), MessageBody=text)


def left(cloud: Cloud) -> int:
    url = cloud.names.queue_url(QUEUE)
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = cloud.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(map(int, found.values()))


def test_it_drains_what_there_is_and_leaves_what_failed(ask: Ask, cloud: Cloud, consumer: Consumer) -> None:
    send(cloud, *(f"m{number}" for number in range(11)), "bad")
    status, body = ask(limit="50")
    assert (status, body["taken"], body["done"]) == (200, 12, 11)
    assert left(cloud) == 1
    record = consumer.batches[0][0]
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["eventSourceARN"].endswith(":nightshift-test-demo-mail")


@pytest.mark.parametrize(
    ("limit", "taken"), [("0", 1), ("-7", 1), ("3", 3), ("51", 50), ("9" * 5000, 50), ("00007", 7), (None, 10)]
)
def test_the_limit_is_clamped_on_the_server(limit: str | None, taken: int, ask: Ask, cloud: Cloud) -> None:
    send(cloud, *(str(number) for number in range(55)))
    assert ask(limit=limit)[1]["taken"] == taken


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"limit": "many"}, 400),
        ({"limit": "1e3"}, 400),
        *(({"limit": each}, 400) for each in ("5.0", " 5", "+5", "1_0", "\u0665")),
        ({"method": "GET"}, 405),
        ({"path": "/queues/firings/process"}, 404),
        ({"path": "/queues/nothing/process"}, 404),
        ({"path": "/queues/../process"}, 404),
        ({"path": f"/queues/{QUEUE}/process/"}, 404),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"origin": "https://own.example", "sec_fetch_site": "same-origin"}, 200),
        ({"path": "/queues/demo-mail/process"}, 200),
        ({"path": "/queues/demo%3Amail/process"}, 200),
        ({"path": "/queues/demo%3amail/process"}, 200),
        ({"path": "/queues/demo%253Amail/process"}, 404),
    ],
)
def test_an_invalid_or_cross_origin_request_receives_no_message(
    asked: dict[str, str], status: int, ask: Ask, cloud: Cloud, consumer: Consumer
) -> None:
    send(cloud, "one")
    assert ask(**asked)[0] == status
    assert len(consumer.batches) == (status == 200)


def test_a_wrong_token_is_refused_before_any_call(ask: Ask, cloud: Cloud) -> None:
    calls = Calls(cloud)
    assert refused(ask(**{"X-Internal-Health": "guess"})) == (403, "forbidden", "forbidden")
    assert [call for call in calls.made if not call.startswith("secretsmanager")] == []


def test_a_second_call_within_five_seconds_is_rate_limited(ask: Ask, cloud: Cloud, clock: VirtualClock) -> None:
    send(cloud, "one", "two")
    assert ask(limit="1")[0] == 200
    answer = ask()
    assert refused(answer)[:2] == (429, "rate-limited")
    assert (answer[1]["queue"], answer[1]["outcome"]) == (QUEUE, "rate_limited")
    clock.move(seconds=5)
    assert ask()[0] == 200


def test_messages_of_a_crashed_consumer_stay_in_the_queue(ask: Ask, cloud: Cloud) -> None:
    send(cloud, "one", "poison")
    status, body = ask()
    assert (status, body["done"]) == (502, 0)
    assert left(cloud) == 2


def test_messages_of_maximum_size_are_split_into_several_calls(ask: Ask, cloud: Cloud, consumer: Consumer) -> None:
    for number in range(10):
        # Each quote is two bytes in a body within a body.
        send(cloud, f"{number}" + '"' * (MESSAGE_LIMIT // 2) + "é" * (MESSAGE_LIMIT // 4 - 1) + "x")
    status, body = ask()
    assert (status, body["taken"], body["done"]) == (200, 10, 10)
    assert left(cloud) == 0
    assert [len(batch) for batch in consumer.batches] == [3, 3, 3, 1]


def test_messages_that_lambda_refuses_stay_in_the_queue(
    ask: Ask, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_drain, "MAX_PAYLOAD", 1024**3)
    for _ in range(7):
        send(cloud, "x" * MESSAGE_LIMIT)
    assert ask()[0] == 502
    assert left(cloud) == 7


def test_attributes_of_every_kind_reach_the_consumer(ask: Ask, cloud: Cloud, consumer: Consumer) -> None:
    told: Any = {
        "attempt": {"DataType": "String", "StringValue": "3"},
        "seal": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    cloud.sqs.send_message(QueueUrl=cloud.names.queue_url(QUEUE), MessageBody="one", MessageAttributes=told)
    ask()
    assert consumer.batches[0][0]["messageAttributes"] == {
        "attempt": {"dataType": "String", "stringValue": "3"},
        "seal": {"dataType": "Binary", "binaryValue": "AP8="},
    }


def test_production_requires_the_internal_header(ask: Ask, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud, "names", Names("prod", "123456789012", "us-east-1"))
    cloud.secrets.create_secret(Name=cloud.names.secret("internal-health-token"), SecretString="open sesame")
    assert ask()[0] == 403


def test_messages_that_sqs_does_not_delete_are_not_counted_as_done(
    ask: Ask, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(cloud, "one", "two", "three")
    calls: list[int] = []

    def refuse_first(QueueUrl: str, Entries: list[Any]) -> Any:  # noqa: N803 - boto's names
        calls.append(len(Entries))
        return {"Failed": [{"Id": Entries[0]["Id"]}]}

    monkeypatch.setattr(cloud.sqs, "delete_message_batch", refuse_first)
    assert ask()[1]["done"] == 2
    assert calls == [3, 1]
