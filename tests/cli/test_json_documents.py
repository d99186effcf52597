"""Each document of `--json`, printed by its command against one state, has the declared shape and is not empty."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from smtplib import SMTP
from typing import Any

import pytest

from cli import options
from cli.shapes.documents import DOCUMENTS
from infra import cost, synth
from infra.cost import CostItem
from local.services.smtp_server import SmtpServer
from shared import clock
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.run.firing import Firing
from tests.cli.conftest import Call
from tests.cli.test_apply import LITTER
from tests.cli.test_dead import TICK, dead, world
from tests.cli.test_drift import loose_rule
from tests.cli.test_effects import SENDER
from tests.cli.test_send import NOTE, PAYLOAD, QUEUE
from tests.functions.operations.world import World
from tests.support import json_documents
from tests.support.deployed_function import put_rule

AWS = ("--aws", "--stage", "test")
WHY = ("--reason", "a test", "--who", "ada")
# The document of a failed check, of a table without rows or of a state without faults.
MAY_BE_EMPTY = ("crowded",)
FIXTURES = (dead, world)
# Document -> the test file that prints it.
ELSEWHERE = {
    "preflight": "test_preflight.py",
    "doctor": "test_preflight.py",
    "addresses": "test_urls.py",
    "job-costs": "test_cost.py",
    "recorded-cost": "test_cost.py",
    "watermark": "test_reset.py",
    "tenant-costs": "test_cost.py",
    "cost-difference": "test_cost.py",
}

Prints = Callable[..., Any]


@pytest.fixture
def prints(call: Call) -> Prints:
    """`prints("jobs", "list")`: the document of that command, which is the declared one."""

    def prints(name: str, *words: str) -> Any:
        document = call(*words, "--json").json
        assert json_documents.faults_of(document, name) == []
        assert document or name in MAY_BE_EMPTY
        return document

    return prints


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")


def test_documents_of_declarations(prints: Prints, jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prints("jobs", "list")
    prints("job", "describe", "good")
    prints("crontab", "crontab")
    prints("starts", "heatmap", "--day", "2026-11-20")
    prints("crowded", "heatmap", "--check", "--day", "2026-11-20")
    prints("settings", "env")
    prints("error", "why", "nothing-of-this-name")
    monkeypatch.setattr(synth, "synthesize", lambda *_, **__: {})
    monkeypatch.setattr(cost, "idle", lambda _: [CostItem("requests", 12.5, "million", 0.4)])
    prints("cost", "cost")


def test_documents_of_runs_and_pauses(prints: Prints, aws: Cloud, jobs: Path, tmp_path: Path) -> None:
    (jobs / "demo" / "litter.py").write_text(LITTER)
    put(aws, pk="litter", sk="2026-01-01T00:00:00.000Z#1")
    prints("run", "good", *AWS)
    failed = prints("run", "bad", *AWS)["run_id"]
    prints("recorded-run", "run", failed, *AWS)
    prints("replayed-run", "replay", failed, *AWS)
    plan = prints("planned-run", "litter", "--dry-run", *AWS)["id"]
    prints("applied-run", "apply", plan, *AWS)
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"Records": [record("one"), record("bad")]}))
    assert prints("tested-run", "test", "mailbox", "--event", str(event), *AWS)["failures"]
    assert len(prints("runs", "runs", "bad", *AWS)) == 2
    prints("runs", "runs", "--since", "1h", *AWS)
    prints("explanation", "why", "bad", *AWS)
    assert prints("paused", "pause", "good", "--until", "2h", *WHY, *AWS)["until"]
    prints("paused-tenant", "pause", "--tenant", "org_1", *WHY, *AWS)
    assert len(prints("pauses", "pauses", *AWS)) == 2
    prints("explanation", "why", "good", *AWS)
    prints("statuses", "status", *AWS)
    prints("resumed", "resume", "good", *WHY, *AWS)
    prints("resumed-tenant", "resume", "--tenant", "org_1", *WHY, *AWS)
    prints("muted", "mute", "good", "--until", "2h", *WHY, *AWS)
    prints("mutes", "mute", *AWS)
    prints("muted", "mute", "good", "--end", *WHY, *AWS)
    prints("audit", "dead", "audit", *AWS)
    prints("statistics", "top", *AWS)
    put(aws, pk="good:last", sk="-", last="2999-01-01T00:00Z#00")
    prints("reset", "reset", "good", *WHY, *AWS)


def test_documents_of_queues_effects_and_deployment(
    prints: Prints, call: Call, aws: Cloud, jobs: Path, tmp_path: Path
) -> None:
    (jobs / "demo" / "notes.py").write_text(NOTE)
    (jobs / "demo" / "sender.py").write_text(SENDER_JOB)
    for queue in (QUEUE, "demo:letters"):
        aws.sqs.create_queue(QueueName=aws.names.queue(queue))
    (tmp_path / "note.json").write_text(json.dumps(PAYLOAD))
    prints("sent", "send", "notes", str(tmp_path / "note.json"), *AWS)
    prints("queues", "queues", *AWS)
    logged(aws, "a line")
    prints("log", "logs", "good", *AWS)
    for _ in range(2):
        call("sender", *AWS)
    prints("effects", "effects", "sender", "--all", *AWS)
    [effect] = prints("effects", "effects", "sender", *AWS)
    prints("resolved-effect", "effects", "sender", "done", effect["id"], *WHY, *AWS)
    put_rule(aws, "nightshift-test-good", enabled=False)
    loose_rule(aws, "nightshift-test-old")
    prints("drift", "drift", *AWS)
    prints("removed", "drift", "--remove", "nightshift-test-old", *WHY, *AWS)
    prints("restored", "drift", "--restore", "good", *WHY, *AWS)


def test_documents_of_dead_letters(prints: Prints, world: World) -> None:
    world.kill(TICK)
    world.kill(Firing("sweep", TICK.at, target="shop-2"))
    world.reject("one", "two")
    group, other = prints("dead-letter-groups", "dead", "list", *AWS)
    letter, _ = prints("dead-letters", "dead", "list", "--group", other["fingerprint"], *AWS)
    prints("dead-letter", "dead", "show", letter["id"], *AWS)
    prints("redrive-preview", "dead", "retry", letter["id"], "--dry-run", *AWS)
    prints("redrive", "dead", "retry", letter["id"], *AWS)
    prints("dead-letter", "dead", "show", letter["id"], *AWS)
    world.sweep.mended, world.intake.mended = {"*"}, {"*"}
    prints("redrive", "dead", "retry", letter["id"], *AWS)
    prints("dead-letter", "dead", "show", letter["id"], *AWS)
    prints("canary", "dead", "retry", "--group", group["fingerprint"], *WHY, *AWS)
    prints("purge-preview", "dead", "purge", "intake", "--dry-run", *AWS)
    prints("purge", "dead", "purge", "intake", *WHY, *AWS)


def test_documents_of_files_and_mails(
    prints: Prints, call: Call, cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def opened(*_: Any, **__: Any) -> Iterator[Cloud]:
        yield cloud

    monkeypatch.setattr(options, "open_cloud", opened)
    monkeypatch.setenv("NIGHTSHIFT_LOCAL", str(tmp_path))
    lines = tmp_path / "users.jsonl"
    lines.write_text('{"user": "u1", "id": "-", "email": "u1@example.com", "created_at": "2026-03-02T11:00:00Z"}\n{}\n')
    prints("loaded", "load", "users", str(lines))
    prints("loaded", "load", "users", str(lines), "--check")
    prints("seeded", "seed", "mail", "--count", "1")
    message = {"user": "ada", "id": "m1", "received_at": "2026-03-01T23:59:59.999Z", "bytes_used": 5}
    (tmp_path / "messages.jsonl").write_text(json.dumps(message) + "\n")
    prints("sums", "sums", str(tmp_path / "messages.jsonl"))
    prints("sums", "sums", str(tmp_path / "messages.jsonl"), "--compare")
    with SmtpServer(tmp_path / "mail") as box, SMTP("127.0.0.1", box.port) as server:
        server.sendmail("porter@in.example", ["ada@home.example"], b"Subject: Hi\r\n\r\nHello\r\n")
    [mail] = prints("mails", "mail")
    prints("mail", "mail", "show", mail["id"])


def test_every_document_is_printed_by_a_test() -> None:
    """By one above, or by a test file of its command, whose fixture `call` checks each document."""
    folder = Path(__file__).parent
    source = Path(__file__).read_text()
    assert [
        each.name for each in DOCUMENTS if f'prints("{each.name}", ' not in source and each.name not in ELSEWHERE
    ] == []
    for name, file in ELSEWHERE.items():
        text = (folder / file).read_text()
        command = next(each.command for each in DOCUMENTS if each.name == name)
        assert f'call("{command}"' in text
        assert '"--json"' in text


SENDER_JOB = f"""
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done
from shared.job.schedule import hourly
{SENDER}"""


def put(aws: Cloud, **values: Any) -> None:
    aws.dynamodb.put_item(TableName=aws.names.table("state"), Item=attributes.row(values))


def record(body: str) -> dict[str, Any]:
    source = "arn:aws:sqs:us-east-1:123456789012:nightshift-test-demo-letters"
    return {"messageId": body, "body": body, "eventSource": "aws:sqs", "eventSourceARN": source, "attributes": {}}


def logged(aws: Cloud, line: str) -> None:
    logs: Any = aws.session.client("logs", region_name="us-east-1")
    group = "/aws/lambda/nightshift-test-good"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    event = {"timestamp": clock.milliseconds(aws.clock.now()), "message": line}
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[event])
