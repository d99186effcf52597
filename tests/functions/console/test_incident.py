"""A worked incident, from an alert to the audit log: each step as a command and as a page.

The site check of pricing fails, and messages of one organization in usage. Both surfaces show the same, and what one
does the other shows.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cli import declared_jobs, job_settings, operator_identity, options
from cli.main import main
from functions.operations._streak_alerts import Subject
from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.dead_letters.store import DeadLetterFilter
from shared.job import manifest
from shared.observability import alert_page
from shared.store import keys, table
from shared.tables import STATE
from tests.conftest import VirtualClock
from tests.support.console_browser import Person
from tests.support.console_state import PRICING_NOTE, TENANT, BusyNight

STAGE = ("--aws", "--stage", "test")
Call = Callable[..., str]


@pytest.fixture
def command(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the command line on the console's cloud; returns what it printed."""

    @contextmanager
    def opened(*_: Any, **__: Any) -> Iterator[Cloud]:
        yield cloud

    monkeypatch.setattr(options, "open_cloud", opened)
    monkeypatch.setattr(operator_identity, "operator", lambda *_: "bob@laptop")
    monkeypatch.setattr(operator_identity, "local_login", lambda: "bob@laptop")
    # The functions of the console's cloud are invoked only.
    monkeypatch.setattr(job_settings, "_deployed", lambda *_: {})
    declared_jobs._report.cache_clear()

    def call(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        stage = () if "--aws" in words else STAGE
        assert main([*words, *stage]) == code, capsys.readouterr()
        captured = capsys.readouterr()
        return captured.out + captured.err

    return call


def page(person: Person, path: str) -> str:
    """The text of a page, without its tags."""
    seen = person.get(path)
    assert seen.status == 200, (path, seen.status)
    return " ".join(re.sub(r"<[^>]+>", " ", seen.text).split())


def document(printed: str) -> Any:
    """The JSON that a command printed before its notices."""
    return json.JSONDecoder().raw_decode(printed)[0]


def alert(cloud: Cloud, job: str) -> Any:
    entry = manifest.load()[job]
    item = {**table.get(cloud, STATE, keys.claim(entry["key"])), "streak": 4}
    [found] = Subject(cloud, job, entry, item).alerts(4).alerts
    return found


def test_an_operator_finds_pauses_fixes_and_retries_by_command_and_by_page(
    operator: Person, command: Call, cloud: Cloud, clock: VirtualClock, started: list[dict[str, Any]]
) -> None:
    # 1. The alert names the page and the command.
    found = alert(cloud, "pricing")
    assert alert_page.path(found.kind, found.fields) == "/ui/jobs/pricing"
    words = [shlex.split(each)[2:] for each in found.commands]
    assert ["why", "pricing", *STAGE] in words

    # 2. Is it us, since when? Failing first, on both.
    shown = command("status", "--bad")
    assert shown.splitlines()[1].split()[:2] == ["pricing", "bad"]
    now = page(operator, "/ui/now")
    assert now.index("pricing") < now.index("audit-log-cleanup")
    for text in (" ".join(shown.split()), now):
        assert "2 failing" in text
        assert "shop.example answered 503" in text

    # 3. Why?
    why = document(command("why", "pricing", "--json"))
    job = page(operator, "/ui/jobs/pricing")
    assert why["says"][0].split(":")[0] in job
    assert PRICING_NOTE.split(",")[0] in job

    # 4. Whom does it hurt? The messages of one organization.
    failed = document(command("runs", "--tenant", TENANT, "--json"))
    assert {run["job"] for run in failed} == {"usage"}
    assert "dead letters" in command("runs", "--tenant", TENANT)
    tenant = page(operator, f"/ui/tenants/{TENANT}")
    assert "usage" in tenant
    assert failed[0]["note"][:20] in tenant

    # 5. Stop the harm: paused by a command, and seen on the page.
    command("pause", "usage", "--tenant", TENANT, "--reason", "its meter is missing", "--until", "2h")
    assert "its meter is missing" in page(operator, "/ui/jobs/usage")
    assert "its meter is missing" in command("pauses")
    assert "its meter is missing" in command("status", "--tenant", TENANT)

    # 6. The first job is fixed, and good again on both.
    clock.move(minutes=1)
    BusyNight(cloud).good("pricing", minutes=0)
    assert "pricing" not in command("status", "--bad")
    assert page(operator, "/ui/jobs/pricing").count("answered 503") <= job.count("answered 503")

    # 7. Retry one dead letter by a command, then its group as a canary on the page.
    [first, *_] = store.dead_letters(cloud, DeadLetterFilter(job="usage"))
    listed = document(command("dead", "list", "usage", "--json"))
    assert first.fingerprint in {group["fingerprint"] for group in listed}
    assert first.fingerprint[:8] in page(operator, "/ui/dead?job=usage")
    # The consumer runs elsewhere: its result is not there yet.
    assert "has no result yet" in command("dead", "retry", first.id, "--reason", "the meter exists now", code=1)
    assert store.find(cloud, first.id).state == "retrying"
    assert "retrying" in page(operator, f"/ui/dead/letter/{first.id}")

    # 8. Resumed on the page, and seen by the command.
    preview = operator.preview("resume", job="usage", tenant=TENANT)
    assert operator.confirm("resume", preview, why="the meter exists now").status == 200
    assert "nothing of this organization" not in command("pauses")
    assert "its meter is missing" not in command("pauses")

    # 9. The audit log has both operators, on both.
    audit, audited = page(operator, "/ui/audit"), document(command("dead", "audit", "--json"))
    acts = {(each["what"], each["who"]) for each in audited}
    assert {("pause", "bob@laptop"), ("dead retry", "bob@laptop"), ("resume", "ada (console)")} <= acts
    for what, who in (("pause", "bob@laptop"), ("resume", "ada (console)")):
        assert what in audit
        assert who in audit
