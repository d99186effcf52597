"""The commands of alerts on streaks run as they are printed, for each kind of job."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from functions.operations._streak_alerts import Subject
from shared.aws.cloud import Cloud
from shared.job import manifest, registry
from shared.store import keys, table
from shared.tables import STATE
from tests.cli.conftest import HEAD, Call

HOSTS = '''
class Hosts(Job):
    """Look at the hosts."""
    schedule = every(minutes=15)
    lease_per_target = False
    idempotency = natural("it only looks")
    settings = (settings.BASE_URLS,)
    @classmethod
    def targets(cls, environment=None):
        return ("shop.example",)
    def work(self, run):
        return Done()
'''


@pytest.mark.parametrize(
    ("job", "target"), [("good", "-"), ("sharded", "1"), ("mailbox", "-"), ("hosts", "shop.example")]
)
def test_each_command_of_the_alert_is_accepted(
    job: str, target: str, call: Call, aws: Cloud, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("BASE_URLS", '["https://shop.example"]')
    (jobs / "demo" / "hosts.py").write_text(HEAD + HOSTS)
    for queue in ("demo:letters", "demo:letters-dlq"):
        aws.sqs.create_queue(QueueName=aws.names.queue(queue))
    status = {"outcome": "failed", "state": "FAILED", "ok": False, "note": "down", "at": "2026-03-02T12:00:00.000Z"}
    item = {**keys.claim(job, target).attributes, "streak": 3, "status": status}
    table.put(aws, STATE, item)
    entry = manifest.of([registry.find(job)])[job]
    [alert] = Subject(aws, job, entry, item).alerts(3).alerts
    assert len(alert.commands) == 4
    for command in alert.commands:
        answer = call(*shlex.split(command)[2:])
        assert answer.code == 0, (command, answer.err)
