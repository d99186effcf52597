"""`cost`: idle, by job, by organization, and the difference to a commit, on templates that a test gives."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cli import revision_templates
from infra import run_cost
from shared.aws.cloud import Cloud
from shared.job.outcome import Done
from shared.run.begin import run_id
from shared.run.firing import Firing
from shared.run.history import History
from tests.cli.conftest import Call
from tests.support.small_templates import GROUP, resource, small


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The templates of this checkout; those of every commit are the small ones."""
    templates: dict[str, Any] = small()
    monkeypatch.setattr(revision_templates, "of_checkout", lambda *_: templates)
    monkeypatch.setattr(revision_templates, "of_revision", lambda *_: small())
    return templates


def test_the_difference_of_a_job_that_is_added_names_it_and_its_idle_cost(call: Call, checkout: dict[str, Any]) -> None:
    assert call("cost", "--diff", "main", "--json").json["items"] == []
    group = checkout[GROUP]["Resources"]
    group["Sweep"] = {
        **group["Tick"],
        "Properties": {**group["Tick"]["Properties"], "FunctionName": "nightshift-prod-sweep"},
    }
    group["SweepRule"] = resource(
        "Events::Rule", ScheduleExpression="cron(* * * * ? *)", Targets=[{"Arn": {"Fn::GetAtt": ["Sweep", "Arn"]}}]
    )
    answer = call("cost", "--diff", "main", "--json")
    assert answer.json["after"] > answer.json["before"]
    assert [(each["job"], each["before"]) for each in answer.json["jobs"]] == [("sweep", None)]
    shown = call("cost", "--diff", "main")
    assert (shown.code, "sweep" in shown.out, "idle, dollars a month" in shown.out) == (0, True, True)


def test_jobs_and_organizations_are_priced(call: Call, checkout: dict[str, Any], tmp_path: Path) -> None:
    assert [each["job"] for each in call("cost", "--jobs", "--json").json] == ["eat", "tick"]
    assert "dollars per million" in call("cost", "--jobs").out
    log = tmp_path / "log.json"
    entry = {"message": "eat_tenant", "job": "eat", "organizationId": "a", "timestamp": "2026-11-28T", "messages": 3}
    log.write_text(json.dumps([{"timestamp": 1, "message": json.dumps(entry)}]))
    [priced] = call("cost", "--tenants", str(log), "--json").json
    assert (priced["organization"], priced["messages"]) == ("a", 3)
    log.write_text("{}")
    answer = call("cost", "--tenants", str(log))
    assert answer.code == 0
    log.write_text("no JSON")
    assert call("cost", "--tenants", str(log)).code == 2


def test_the_runs_of_a_job_are_priced_by_their_durations(call: Call, aws: Cloud, jobs: Path) -> None:
    now = aws.clock.now()
    for hours, ms in ((1, 2000), (2, 1000), (24 * 9, 5000)):
        at = now - timedelta(hours=hours)
        History(aws, "good", "standard").write(Firing("good", at), run_id(at), at, Done(), ms)
    shown = call("cost", "good", "--json", "--aws", "--stage", "test").json
    memory = shown["memory"]
    assert (shown["job"], shown["runs"], shown["seconds"]) == ("good", 2, 3.0)
    assert shown["dollars"] == round(run_cost.of_run(memory, 2000) + run_cost.of_run(memory, 1000), 6)
    assert [each["ms"] for each in shown["dearest"]] == [2000, 1000]
    assert call("cost", "good", "--since", "90m", "--json", "--aws", "--stage", "test").json["runs"] == 1
    run = call("run", shown["dearest"][0]["run"], "--json", "--lines", "0", "--aws", "--stage", "test").json
    assert run["dollars"] == shown["dearest"][0]["dollars"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("mailbox",), "mailbox is a consumer, whose history has failed messages only"),
        (("good", "--jobs"), "price templates: leave the job out"),
        (("--since", "2d"), "name the job"),
        (("good", "--stage", "test"), "add --aws"),
    ],
)
def test_a_price_that_the_history_does_not_have_is_refused(
    call: Call, jobs: Path, words: tuple[str, ...], reason: str
) -> None:
    answer = call("cost", *words)
    assert (answer.code, reason in answer.err) == (2, True)
