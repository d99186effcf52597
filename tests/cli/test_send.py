"""`send` validates a payload and sends it to the queue of its consumer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.aws.cloud import Cloud
from tests.cli.conftest import Call

AWS = ("--aws", "--stage", "test")
QUEUE = "demo:notes"
NOTE = '''"""Notes."""
from shared.archetypes.consumer import Consumer
from shared.job import natural
from shared.messages.payload import Payload

class SentNote(Payload):
    text: str

class Notes(Consumer[SentNote]):
    """Take notes."""
    queue = "demo:notes"
    idempotency = natural("notes are only looked at")
    def admits(self, run, tenant):
        return True
    def handle(self, run, message):
        pass
'''
PAYLOAD = {"organizationId": "org-1", "text": "hello"}


@pytest.fixture
def file(aws: Cloud, jobs: Path, tmp_path: Path) -> Path:
    (jobs / "demo" / "notes.py").write_text(NOTE)
    for queue in (QUEUE, "demo:letters"):
        aws.sqs.create_queue(QueueName=aws.names.queue(queue))
    return tmp_path / "message.json"


def received(aws: Cloud, queue: str) -> list[Any]:
    answer = aws.sqs.receive_message(QueueUrl=aws.names.queue_url(queue), MaxNumberOfMessages=10)
    return [(each["MessageId"], json.loads(each["Body"])) for each in answer.get("Messages", [])]


@pytest.mark.parametrize("enveloped", [False, True])
def test_a_payload_is_sent_in_its_envelope_and_its_id_printed(
    call: Call, aws: Cloud, file: Path, enveloped: bool
) -> None:
    file.write_text(json.dumps({"type": "sent-note", "payload": PAYLOAD} if enveloped else PAYLOAD))
    answer = call("send", "notes", str(file), "--json", *AWS)
    assert answer.code == 0, answer.err
    [(message, body)] = received(aws, QUEUE)
    assert answer.json == {"job": "notes", "queue": QUEUE, "messageId": message}
    assert body["type"] == "sent-note"
    assert body["payload"].items() >= PAYLOAD.items()


def test_a_consumer_without_a_payload_gets_the_json_as_it_is(call: Call, aws: Cloud, file: Path) -> None:
    file.write_text('"hello"')
    answer = call("send", "mailbox", str(file), *AWS)
    assert received(aws, "demo:letters") == [(answer.out.strip(), "hello")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"organizationId": "org-1"}', "text"),
        ('{"organizationId": "org-1", "text": "a", "text": "b"}', "text"),
        ('{"type": "other", "payload": {}}', "other"),
        ("[1]", "no object"),
        ("no json", "JSON"),
    ],
)
def test_an_invalid_payload_is_refused_and_nothing_is_sent(
    call: Call, aws: Cloud, file: Path, text: str, reason: str
) -> None:
    file.write_text(text)
    answer = call("send", "notes", str(file), *AWS)
    assert (answer.code, answer.out) == (2, "")
    assert reason in answer.err
    assert received(aws, QUEUE) == []


def test_a_job_without_a_queue_and_a_missing_file_are_wrong_use(call: Call, file: Path) -> None:
    assert call("send", "good", str(file), *AWS).code == 2
    assert call("send", "notes", str(file), *AWS).code == 2
