"""Dead letters are stored, can be found, and are alerted once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from functions.operations.dead_letters import DeadLetters
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.dead_letters.letter import fingerprint
from shared.dead_letters.subject import Subject
from shared.job import manifest
from shared.run import send
from shared.run.firing import Firing
from tests.conftest import NOON, Lines, VirtualClock, letters
from tests.functions.operations.conftest import ENTRIES, Functions
from tests.support.moto_backends import alerts

Deliver = Callable[..., list[str]]
TICK = Firing("sweep", NOON, target="shop.example", attempt=3, correlation_id="c")


@pytest.fixture
def letter(cloud: Cloud) -> Any:
    send.send_dead_letter(cloud, TICK, "run-1", "all 3 attempts used up", "ValueError: row 17 of 20 has no date")
    [body] = letters(cloud, "firings-dlq")
    return body


def stored(cloud: Cloud, job: str = "sweep") -> list[dict[str, Any]]:
    answer = cloud.dynamodb.query(
        TableName=cloud.names.table("state"),
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=attributes.row({":pk": f"dead#{job}"}),
    )
    return [attributes.plain(item) for item in answer["Items"]]


def test_a_dead_letter_becomes_a_row_a_payload_and_an_alert(
    letter: Any, deliver: Deliver, functions: Functions, cloud: Cloud, log: Lines
) -> None:
    assert deliver(DeadLetters(), letter, queue="firings-dlq") == []
    [row] = stored(cloud)
    assert (row["job"], row["jobId"], row["entityId"]) == ("sweep", "run-1", "shop.example")
    assert (row["reason"], row["attempts"]) == ("all 3 attempts used up", 3)
    payload = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=row["payload"])
    assert json.loads(payload["Body"].read()) == letter
    assert "ServerSideEncryption" not in dict(payload), "the bucket decides: its key may be the account's"
    [line] = log.said("JOB_PERMANENTLY_FAILED")
    assert {"jobId", "payload", "failedReason", "entityId", "job"} <= line.keys()
    [alert] = alerts(cloud)
    assert alert["alert"] == "JOB_PERMANENTLY_FAILED"
    assert (alert["job"], alert["jobId"], alert["entityId"]) == ("sweep", "run-1", "shop.example")


def test_a_dead_letter_is_stored_for_at_least_thirty_days(
    letter: Any, deliver: Deliver, functions: Functions, cloud: Cloud
) -> None:
    deliver(DeadLetters(), letter, queue="firings-dlq")
    assert stored(cloud)[0]["expires"] >= NOON.timestamp() + 30 * 86_400


def test_a_dead_letter_delivered_twice_is_stored_and_alerted_once(
    letter: Any, deliver: Deliver, functions: Functions, cloud: Cloud, clock: VirtualClock
) -> None:
    deliver(DeadLetters(), letter, queue="firings-dlq")
    clock.move(minutes=1)
    deliver(DeadLetters(), letter, queue="firings-dlq")
    assert len(stored(cloud)) == 1
    assert len(alerts(cloud)) == 1


def test_a_crash_between_row_and_alert_does_not_lose_the_alert(
    letter: Any, deliver: Deliver, functions: Functions, cloud: Cloud
) -> None:
    topic = cloud.names.topic_arn("alerts")
    cloud.sns.delete_topic(TopicArn=topic)
    assert len(deliver(DeadLetters(), letter, queue="firings-dlq")) == 1
    cloud.sns.create_topic(Name=cloud.names.topic("alerts"))
    assert deliver(DeadLetters(), letter, queue="firings-dlq") == []
    assert len(alerts(cloud)) == 1


def test_an_alert_that_ends_late_leaves_the_alert_of_a_later_failure_owed(
    letter: Any, deliver: Deliver, functions: Functions, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: Any) -> None:
        # The dead letter is redriven, fails again, and that failure is not alerted yet.
        [row] = stored(cloud)
        cloud.dynamodb.update_item(
            TableName=cloud.names.table("state"),
            Key=attributes.row({"pk": row["pk"], "sk": row["sk"]}),
            UpdateExpression="SET payload = :newer",
            ExpressionAttributeValues=attributes.row({":newer": "dead/sweep/newer.json"}),
        )

    monkeypatch.setattr("shared.observability.alerts.send", late)
    assert deliver(DeadLetters(), letter, queue="firings-dlq") == []
    assert "alerted" not in stored(cloud)[0]


@pytest.mark.parametrize(
    ("body", "job"),
    [
        ({"firing": TICK.data()}, "sweep"),
        (
            {"requestContext": {"functionArn": "arn:aws:lambda:us-east-1:1:function:nightshift-test-sweep:$LATEST"}},
            "sweep",
        ),
        (
            {"source": "aws.events", "time": "t", "resources": ["arn:aws:events:r:1:rule/nightshift-test-sweep"]},
            "sweep",
        ),
        (
            {"source": "aws.events", "time": "t", "resources": ["arn:aws:events:r:1:rule/nightshift-test-sweep-2"]},
            "sweep",
        ),
        ({"source": "nightshift.schedule", "job": "sweep", "time": "t"}, "sweep"),
        ({"dead": {"job": "sweep"}}, "unknown"),
        ("plain text", "unknown"),
        ({"dead": {"job": "../../etc", "reason": "r", "error": "e"}}, "unknown"),
    ],
)
def test_the_job_of_a_dead_letter_follows_from_its_envelope_or_its_queue(
    body: Any, job: str, deliver: Deliver, functions: Functions, cloud: Cloud
) -> None:
    assert deliver(DeadLetters(), body, queue="firings-dlq") == []
    [row] = stored(cloud, job)
    assert row["job"] == job
    # `unknown` has no runs.
    second = "dead list" if job == "unknown" else f"runs {job}"
    words = [f"dead show {row['id']}", second]
    assert alerts(cloud)[0]["commands"] == [f"python jobs.py {each} --aws --stage test" for each in words]


def test_the_alert_is_redacted_and_the_payload_is_not(deliver: Deliver, functions: Functions, cloud: Cloud) -> None:
    body = {"dead": {"job": "sweep", "reason": "rejected", "error": "ada@example.org is unknown"}}
    deliver(DeadLetters(), body, queue="firings-dlq")
    assert "ada@example.org" not in json.dumps(alerts(cloud))
    [row] = stored(cloud)
    assert "ada@example.org" not in json.dumps(row)
    payload = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=row["payload"])["Body"].read()
    assert b"ada@example.org" in payload


PARCEL = {"type": "parcel", "payload": {"organizationId": "org_7", "parcelId": "p1", "correlationId": "c1"}}


@pytest.fixture
def post(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer, besides the job without a queue."""
    consumer = {**ENTRIES["sweep"], "queue": "demo:parcels", "schedules": []}
    monkeypatch.setattr(manifest, "load", lambda: {**ENTRIES, "post": consumer})


@pytest.mark.usefixtures("post")
def test_a_dead_letter_of_a_consumer_names_run_message_tenant_entity_and_version(
    deliver: Deliver, cloud: Cloud, log: Lines
) -> None:
    subject = Subject(
        run="run-2", message_id="m-1", tenant="org_7", entity="p1", correlation_id="c1", attempts=3, version="0a1b2c"
    )
    send.send_dead_letter_for_event(cloud, "post", "rejected", "no such address", json.dumps(PARCEL), subject=subject)
    [body] = letters(cloud, "firings-dlq")
    deliver(DeadLetters(), body, queue="firings-dlq")
    [row] = stored(cloud, "post")
    known = {"jobId": "run-2", "messageId": "m-1", "entityId": "p1", "correlationId": "c1", "version": "0a1b2c"}
    assert row.items() >= {**known, "tenant": "org_7", "attempts": 3}.items()
    [alert], [line] = alerts(cloud), log.said("JOB_PERMANENTLY_FAILED")
    assert alert.items() >= {**known, "organizationId": "org_7"}.items()
    assert line.items() >= {**known, "organizationId": "org_7"}.items()


@pytest.mark.usefixtures("post")
@pytest.mark.parametrize("event", [PARCEL, json.dumps(PARCEL)])
def test_what_a_message_names_itself_is_read_from_it(event: Any, deliver: Deliver, cloud: Cloud) -> None:
    """Senders of an earlier version, and messages that no run has answered, name nothing else."""
    body = {"dead": {"job": "post", "reason": "received too often", "error": "e", "event": event}}
    deliver(DeadLetters(), body, queue="firings-dlq")
    [row] = stored(cloud, "post")
    assert (row["tenant"], row["entityId"], row["correlationId"], row["jobId"]) == ("org_7", "p1", "c1", "-")


@pytest.mark.parametrize(
    "body",
    [
        {"firing": TICK.data()},
        {
            "requestContext": {"functionArn": "arn:aws:lambda:us-east-1:1:function:nightshift-test-sweep:$LATEST"},
            "requestPayload": {"firing": TICK.data()},
        },
    ],
)
def test_an_envelope_without_a_run_has_what_its_firing_names(
    body: Any, deliver: Deliver, functions: Functions, cloud: Cloud
) -> None:
    deliver(DeadLetters(), body, queue="firings-dlq")
    [row] = stored(cloud)
    assert (row["entityId"], row["correlationId"], row["attempts"]) == ("shop.example", "c", 3)


@pytest.mark.parametrize("attempts", ["many", 0, True, None, {"n": 1}])
def test_attempts_that_are_no_number_count_as_one(
    attempts: Any, deliver: Deliver, functions: Functions, cloud: Cloud
) -> None:
    body = {"dead": {"job": "sweep", "reason": "rejected", "error": "e", "attempts": attempts}}
    deliver(DeadLetters(), body, queue="firings-dlq")
    assert [row["attempts"] for row in stored(cloud)] == [1]


def test_failures_that_differ_in_numbers_share_a_fingerprint() -> None:
    assert fingerprint("sweep", "row 17 at 0xdeadbeef") == fingerprint("sweep", "row 9 at 0xcafe1234")
    assert fingerprint("sweep", "row 17") != fingerprint("sweep", "no such table")
