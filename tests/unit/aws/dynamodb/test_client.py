"""The client returns, raises and sends the same as boto3's, request by request."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import ClientError, HTTPClientError, NoCredentialsError

from shared.aws import throttled_calls
from shared.aws.cloud import Cloud
from shared.aws.dynamodb.client import OPERATIONS, DynamoDb
from shared.aws.dynamodb.responses import DamagedResponse
from shared.aws.names import Names
from tests.support.scripted_dynamodb import SECRET, Answer, Endpoint, endpoint, ok, refusal

BOUNDS = (1, 1, 3)
ROW = {"pk": {"S": 'é\n"1"'}, "sk": {"S": "-"}, "n": {"N": "1.5e-7"}, "l": {"L": [{"BOOL": True}, {"NULL": True}]}}
KEY = {"pk": {"S": "a"}, "sk": {"S": "b"}}
REQUESTS: dict[str, dict[str, Any]] = {
    "batch_get_item": {"RequestItems": {"t": {"Keys": [KEY], "ConsistentRead": True}}},
    "batch_write_item": {"RequestItems": {"t": [{"PutRequest": {"Item": ROW}}, {"DeleteRequest": {"Key": KEY}}]}},
    "delete_item": {"TableName": "t", "Key": KEY, "ConditionExpression": "a = :a"},
    "get_item": {"TableName": "t", "Key": KEY, "ConsistentRead": True},
    "put_item": {"TableName": "t", "Item": {**ROW, "b": {"B": b"\0\xff"}, "bs": {"BS": [b"1", b"22"]}}},
    "query": {"TableName": "t", "KeyConditionExpression": "pk = :pk", "Limit": 5, "ExclusiveStartKey": KEY},
    "scan": {"TableName": "t", "Segment": 0, "TotalSegments": 2},
    "transact_get_items": {"TransactItems": [{"Get": {"TableName": "t", "Key": KEY}}]},
    "transact_write_items": {"TransactItems": [{"Put": {"TableName": "t", "Item": ROW}}], "ClientRequestToken": "once"},
    "update_item": {"TableName": "t", "Key": KEY, "UpdateExpression": "SET a = :a", "ReturnValues": "ALL_NEW"},
}
RESULTS = {
    "no fields": ok(),
    "a row": ok(Item=ROW, Attributes=ROW, Items=[ROW, KEY], Count=2, ScannedCount=7, LastEvaluatedKey=KEY),
    "binary": ok(Item={"b": {"B": "AP8="}, "m": {"M": {"bs": {"BS": ["MQ==", "MjI="]}}}}, Items=[{"b": {"B": "AP8="}}]),
    "a text like a binary value": ok(Item={"x": {"S": '"B"'}}),
    "batches": ok(Responses={"t": [ROW]}, UnprocessedKeys={}, UnprocessedItems={}),
    "left over": ok(UnprocessedItems={"t": [{"DeleteRequest": {"Key": KEY}}]}, UnprocessedKeys={"t": {"Keys": [KEY]}}),
    "headers": Answer(headers=(("X-Amz-Crc32", "2745614147"), ("Date", "today"))),
    "another success": Answer(201, b'{"Item":{}}'),
}
ERRORS = {
    "condition": [refusal("ConditionalCheckFailedException", Item=ROW)],
    "condition with binary": [refusal("ConditionalCheckFailedException", Item={"b": {"B": "AP8="}})],
    "cancelled": [
        refusal("TransactionCanceledException", CancellationReasons=[{"Code": "None"}, {"Code": "X", "Item": ROW}])
    ],
    "validation": [refusal("ValidationException")],
    "not in the model": [refusal("AccessDeniedException")],
    "capital message": [Answer(400, b'{"__type":"ValidationException","Message":"m"}')],
    "a type with a colon": [Answer(400, b'{"__type":"ResourceNotFoundException:http://x/"}')],
    "no type": [Answer(403, b"{}")],
    "no JSON": [Answer(403, b"<html>")],
    "redirect": [Answer(307, b"", (("Location", "/elsewhere"),))],
    "status 300": [Answer(300, b"{}")],
    "skew": [refusal("InvalidSignatureException"), refusal("RequestTimeTooSkewed", 403)],
    "always unavailable": [Answer(503, b"<html><body/>")] * 9,
    "always a server error": [refusal("InternalServerError", 500)] * 9,
    "always reset": [Answer(fault="reset")] * 9,
    "always silent": [Answer(fault="silent")] * 9,
    "always cut": [Answer(body=b'{"Item":{}}', fault="cut")] * 9,
    "always throttled": [refusal("ProvisionedThroughputExceededException")] * 20,
    "conflict": [refusal("TransactionConflictException")] * 9,
    "in progress": [refusal("TransactionInProgressException")] * 20,
}
PASSING = {
    "throttled seven times": [refusal("ThrottlingException")] * (throttled_calls.TRIES - 1),
    "unavailable twice": [Answer(503, b""), Answer(500, b"{}")],
    "reset, then cut": [Answer(fault="reset"), Answer(body=b'{"Item":{}}', fault="cut")],
    "silent once": [Answer(fault="silent")],
    "throttled after a reset": [Answer(fault="reset"), Answer(502, b""), refusal("ThrottlingException")],
}
ITEM = json.dumps({"Item": KEY}).encode()
CHECKED = (("x-amz-crc32", str(zlib.crc32(ITEM))),)
DAMAGED = {
    "empty": Answer(body=b""),
    "no JSON": Answer(body=b"<html>"),
    "cut JSON": Answer(body=ITEM[:-3]),
    "no UTF-8": Answer(body=ITEM.replace(b'"a"', b'"\xe9"')),
    "an array": Answer(body=b"[]"),
    "null": Answer(body=b"null"),
    "deep": Answer(body=b"[" * 100_000),
    "cut binary": Answer(body=b'{"Item":{"b":{"B":"AP8="}'),
    "another success": Answer(201, b"<html>"),
    "another value": Answer(body=ITEM.replace(b'"a"', b'"z"'), headers=CHECKED),
    "empty with a checksum": Answer(body=b"", headers=CHECKED),
    "no number": Answer(body=ITEM, headers=(("x-amz-crc32", "none"),)),
}


class Pair:
    """A client of boto3 and ours, at one endpoint."""

    def __init__(self, at: Endpoint, cloud: Cloud) -> None:
        self.at = at
        self.cloud = cloud
        self.theirs = cloud._client("dynamodb", BOUNDS)
        self.ours = DynamoDb(cloud._client("dynamodb", BOUNDS), cloud.botocore_session.get_credentials())

    def compare(self, method: str, answers: list[Answer], **request: Any) -> tuple[Any, int]:
        """The same outcome and the same requests; returns the outcome, and the number of requests."""
        theirs, their_requests = self._outcome(self.theirs, method, answers, request)
        ours, our_requests = self._outcome(self.ours, method, answers, request)
        assert ours == theirs
        assert [each["body"] for each in our_requests] == [each["body"] for each in their_requests]
        assert not self.at.unsigned
        return ours, len(our_requests)

    def _outcome(self, client: Any, method: str, answers: list[Answer], request: Any) -> tuple[Any, list[Any]]:
        self.at.script(answers)
        modelled = None
        try:
            outcome: Any = getattr(client, method)(**request)
        except ClientError as error:
            outcome = type(error).__name__, str(error), error.response, error.operation_name
            modelled = error
        except HTTPClientError as error:
            outcome = type(error), str(error.kwargs.get("endpoint_url")).rstrip("/")
        if modelled is not None:
            code = modelled.response.get("Error", {}).get("Code")
            assert isinstance(modelled, client.exceptions.from_code(code))
        metadata = outcome["ResponseMetadata"] if isinstance(outcome, dict) else {}
        metadata.get("HTTPHeaders", {}).pop("date", None)
        if isinstance(outcome, tuple) and len(outcome) == 4:
            outcome[2]["ResponseMetadata"]["HTTPHeaders"].pop("date", None)
        return outcome, list(self.at.requests)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with pytest.MonkeyPatch.context() as patch, endpoint() as at:
        for name, value in environment(at.url).items():
            patch.setenv(name, value)
        # Pauses are drawn by each client for itself.
        patch.setattr("time.sleep", lambda _: None)
        yield Pair(at, Cloud(Names("test", "123456789012", "us-east-1"), environment={}))


def environment(url: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


@pytest.mark.parametrize("method", OPERATIONS)
def test_each_operation_sends_the_same_body_with_a_valid_signature(pair: Pair, method: str) -> None:
    pair.compare(method, [ok()], **REQUESTS[method])
    ours = pair.at.requests[0]
    assert ours["path"] == "/"
    assert ours["headers"]["x-amz-target"] == f"DynamoDB_20120810.{OPERATIONS[method]}"
    assert ours["headers"]["content-type"] == "application/x-amz-json-1.0"
    assert ours["headers"]["user-agent"] == pair.theirs.meta.config.user_agent


@pytest.mark.parametrize("answer", RESULTS)
@pytest.mark.parametrize("method", ["get_item", "query", "batch_get_item", "batch_write_item", "update_item"])
def test_results_are_the_same_but_for_fields_that_the_operation_has_not(pair: Pair, method: str, answer: str) -> None:
    operation = pair.theirs.meta.service_model.operation_model(OPERATIONS[method])
    known = {*operation.output_shape.members}
    prepared = RESULTS[answer]
    if prepared.body.startswith(b"{"):
        document = {name: value for name, value in json.loads(prepared.body).items() if name in known}
        prepared = Answer(prepared.status, json.dumps(document).encode(), prepared.headers)
    pair.compare(method, [prepared], **REQUESTS[method])


@pytest.mark.parametrize("error", ERRORS)
def test_errors_are_the_same_after_the_same_number_of_tries(pair: Pair, error: str) -> None:
    outcome, requests = pair.compare("update_item", ERRORS[error], **REQUESTS["update_item"])
    assert isinstance(outcome, tuple)
    assert requests == (1 if len(ERRORS[error]) < 3 else min(len(ERRORS[error]), requests))


@pytest.mark.parametrize("faults", PASSING)
def test_what_passes_is_retried_alike(pair: Pair, faults: str) -> None:
    outcome, requests = pair.compare("get_item", [*PASSING[faults], ok(Item=KEY)], **REQUESTS["get_item"])
    assert outcome["Item"] == KEY
    assert requests == len(PASSING[faults]) + 1
    assert outcome["ResponseMetadata"]["RetryAttempts"] == len(PASSING[faults])


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_damaged_response_is_no_result_and_is_asked_for_again(pair: Pair, damaged: str) -> None:
    pair.at.script([DAMAGED[damaged], Answer(body=ITEM, headers=CHECKED)])
    assert pair.ours.get_item(**REQUESTS["get_item"])["Item"] == KEY
    assert len(pair.at.requests) == 2
    pair.at.script([DAMAGED[damaged]] * 9)
    with pytest.raises(DamagedResponse, match="the response to GetItem"):
        pair.ours.get_item(**REQUESTS["get_item"])
    assert len(pair.at.requests) == BOUNDS[2]


def test_a_refusal_that_does_not_match_its_checksum_is_asked_for_again(pair: Pair) -> None:
    refused = refusal("ConditionalCheckFailedException")
    _, requests = pair.compare(
        "update_item", [Answer(refused.status, refused.body, CHECKED), ok()], **REQUESTS["update_item"]
    )
    assert requests == 2


def test_a_transaction_has_one_token_for_all_of_its_tries(pair: Pair) -> None:
    pair.at.script([Answer(fault="reset"), Answer(503, b""), ok()])
    pair.ours.transact_write_items(TransactItems=REQUESTS["transact_write_items"]["TransactItems"])
    tokens = [each["body"]["ClientRequestToken"] for each in pair.at.requests]
    assert len(tokens) == 3
    assert len({*tokens}) == 1


def test_a_connection_that_the_server_closed_between_calls_costs_no_try(pair: Pair) -> None:
    closing = Answer(headers=(("Connection", "close"),))
    pair.at.script([closing, ok(Item=KEY)])
    pair.ours.get_item(**REQUESTS["get_item"])
    assert pair.ours.get_item(**REQUESTS["get_item"])["ResponseMetadata"]["RetryAttempts"] == 0


def test_renewed_credentials_sign_the_next_request(pair: Pair) -> None:
    made = iter(("first", "second"))

    def renew() -> dict[str, str]:
        return {"access_key": "A", "secret_key": SECRET, "token": next(made), "expiry_time": "2020-01-01T00:00:00Z"}

    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    credentials = RefreshableCredentials.create_from_metadata(
        {**renew(), "expiry_time": soon}, lambda: {**renew(), "expiry_time": soon}, "test"
    )
    client = DynamoDb(pair.theirs, credentials)
    pair.at.script([])
    client.get_item(**REQUESTS["get_item"])
    # Half an hour before they expire.
    credentials._time_fetcher = lambda: credentials._expiry_time  # type: ignore[attr-defined]
    client.get_item(**REQUESTS["get_item"])
    assert [each["headers"]["x-amz-security-token"] for each in pair.at.requests] == ["first", "second"]
    assert not pair.at.unsigned


def test_without_credentials_nothing_is_sent(pair: Pair) -> None:
    pair.at.script([])
    with pytest.raises(NoCredentialsError):
        DynamoDb(pair.theirs, None).get_item(**REQUESTS["get_item"])
    assert not pair.at.requests


def test_a_value_that_no_attribute_can_have_is_refused(pair: Pair) -> None:
    with pytest.raises(TypeError, match="an attribute value cannot be set"):
        pair.ours.put_item(TableName="t", Item={"pk": {"SS": {"a"}}})


def test_other_operations_are_those_of_boto3(pair: Pair) -> None:
    pair.at.script([ok(TableNames=["t"])])
    assert pair.ours.list_tables()["TableNames"] == ["t"]


def test_handlers_see_the_events_of_a_call_in_boto3s_order(pair: Pair) -> None:
    seen: dict[str, list[str]] = {}
    for name, client in (("ours", pair.ours), ("theirs", pair.theirs)):
        events = [f"{event}.dynamodb.GetItem" for event in EVENTS]
        note = partial(_note, seen.setdefault(name, []))
        for event in events:
            client.meta.events.register(event, note)
        pair.at.script([Answer(503, b""), ok()])
        client.get_item(**REQUESTS["get_item"])
        for event in events:
            client.meta.events.unregister(event, note)
    assert seen["ours"] == seen["theirs"]
    assert len(seen["ours"]) == 7


def _note(seen: list[str], event_name: str, **_: object) -> None:
    seen.append(event_name)


EVENTS = ("before-parameter-build", "before-call", "before-send", "needs-retry", "after-call")
