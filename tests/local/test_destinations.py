"""Asynchronous invocation on Lambda: attempts, and the record of a failure."""

from __future__ import annotations

import json
import os
import re
import signal
from typing import Any

import pytest

from local.scheduler import destinations
from tests.local.conftest import Account, eventually

SOURCE = """
    import os, time

    def handle(event, context):
        print("attempt", context.aws_request_id)
        if "sleep" in event:
            time.sleep(event["sleep"])
        if "exit" in event:
            os._exit(event["exit"])
        if "raise" in event:
            raise ValueError(event["raise"])
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destinations, "RETRY_SECONDS", (0.01, 0.02))
    monkeypatch.setattr(destinations, "THROTTLED_SECONDS", 0.05)


def failing(account: Account, retries: int = 0, age: int = 3600, **settings: Any) -> str:
    """The queue that the records of a function named `job` go to."""
    failures = account.queue("failures")
    account.function(SOURCE, **settings)
    account.client("lambda").put_function_event_invoke_config(
        FunctionName="job",
        MaximumRetryAttempts=retries,
        MaximumEventAgeInSeconds=age,
        DestinationConfig={"OnFailure": {"Destination": failures}},
    )
    return failures


def test_the_record_of_a_failure_is_lambdas(account: Account) -> None:
    failures = failing(account)
    account.start(event={"raise": "bad"})
    record = json.loads(account.receive(failures)["Body"])
    assert list(record) == [
        "version",
        "timestamp",
        "requestContext",
        "requestPayload",
        "responseContext",
        "responsePayload",
    ]
    assert record["version"] == "1.0"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["timestamp"])
    assert record["requestContext"] == {
        "requestId": record["requestContext"]["requestId"],
        "functionArn": account.arn("lambda", "function:job:$LATEST"),
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 1,
    }
    assert record["requestPayload"] == {"raise": "bad"}
    assert record["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    assert record["responsePayload"]["errorType"] == "ValueError"
    assert record["responsePayload"]["errorMessage"] == "bad"
    assert record["responsePayload"]["stackTrace"]


def test_the_record_has_the_request_id_of_the_function(account: Account) -> None:
    failures = failing(account)
    account.start(event={"raise": "bad"})
    record = json.loads(account.receive(failures)["Body"])
    assert f"attempt {record['requestContext']['requestId']}" in account.log()


def test_every_attempt_has_the_same_request(account: Account) -> None:
    failures = failing(account, retries=2)
    account.start(event={"raise": "bad"})
    record = json.loads(account.receive(failures)["Body"])
    assert record["requestContext"]["approximateInvokeCount"] == 3
    attempts = [line for line in account.log() if line.startswith("attempt")]
    assert attempts == [f"attempt {record['requestContext']['requestId']}"] * 3


@pytest.mark.parametrize(("event", "error"), [({"exit": 1}, "Runtime.ExitError"), ({"sleep": 9}, "Sandbox.Timedout")])
def test_an_exit_is_recorded_as_well(account: Account, event: Any, error: str) -> None:
    failures = failing(account, Timeout=1)
    account.start(event=event)
    record = json.loads(account.receive(failures)["Body"])
    assert record["responsePayload"]["errorType"] == error
    assert record["requestPayload"] == event


def test_a_killed_process_is_recorded(account: Account) -> None:
    failures = failing(account)
    account.start(event={"sleep": 4})
    busy = account.busy()
    os.kill(busy["pid"], signal.SIGKILL)
    record = json.loads(account.receive(failures)["Body"])
    assert record["requestContext"]["requestId"] == busy["request_id"]
    assert record["responsePayload"]["errorMessage"].endswith("signal: killed")


def test_a_throttled_event_that_expires_has_no_attempt(account: Account) -> None:
    failures = failing(account, age=60)
    account.client("lambda").put_function_concurrency(FunctionName="job", ReservedConcurrentExecutions=0)
    account.start(event={"raise": "bad"})
    record = json.loads(account.receive(failures)["Body"])
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert "responsePayload" not in record
    assert "responseContext" not in record


def test_a_throttled_event_waits_for_its_turn(account: Account) -> None:
    failures = failing(account)
    account.client("lambda").put_function_concurrency(FunctionName="job", ReservedConcurrentExecutions=1)
    account.start(event={"sleep": 0.3})
    account.start(event={"sleep": 0.3})
    eventually(lambda: len([line for line in account.log() if line.startswith("REPORT")]) == 2)
    assert account.waiting(failures) == 0


def test_a_dead_letter_queue_gets_the_event_alone(account: Account) -> None:
    dead = account.queue("dead")
    account.function(SOURCE, DeadLetterConfig={"TargetArn": dead})
    account.client("lambda").put_function_event_invoke_config(FunctionName="job", MaximumRetryAttempts=0)
    account.start(event={"raise": "bad"})
    assert json.loads(account.receive(dead)["Body"]) == {"raise": "bad"}


def test_a_success_leaves_no_record(account: Account) -> None:
    failures = failing(account)
    account.start(event={})
    eventually(lambda: [line for line in account.log() if line.startswith("REPORT")])
    assert account.waiting(failures) == 0
