"""`cost`: idle, by job, by organization, and the difference to a commit, on templates that a test gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli import revision_templates
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
