"""A deployment whose settings override declarations: every component has the same values."""

from __future__ import annotations

import argparse
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli import job_listing
from cli.commands import crontab, heatmap
from cli.commands import list as listing
from infra.template import Template, resources, text
from shared.job import manifest, registry
from shared.job.retry import fixed
from shared.ledger import ledger
from tests.infra.conftest import SETTINGS

Templates = dict[str, Template]
DAY = datetime(2026, 7, 6, tzinfo=UTC)
# A Monday in summer: 03:07 UTC, and 07:30 in Berlin.
TICKS = [DAY.replace(hour=3, minute=7), DAY.replace(hour=5, minute=30)]


@pytest.fixture
def shipped(grown: Templates, grown_folder: Path) -> manifest.Entry:
    """Pricing in the manifest of the reconciler's bundle."""
    [key] = {
        text(found.properties["Code"]["S3Key"])
        for found in resources(grown, "AWS::Lambda::Function")
        if text(found.properties["FunctionName"]) == "nightshift-try-reconciler"
    }
    with zipfile.ZipFile(grown_folder / f"asset.{key}") as archive:
        entry: manifest.Entry = json.loads(archive.read(manifest.FILE))["pricing"]
    return entry


def variables(templates: Templates, job: str) -> dict[str, str]:
    [found] = [
        found.properties["Environment"]["Variables"]
        for found in resources(templates, "AWS::Lambda::Function")
        if text(found.properties["FunctionName"]) == f"nightshift-try-{job}"
    ]
    return {name: text(value) for name, value in found.items()}


def fired(templates: Templates, job: str) -> dict[str, tuple[str, str]]:
    """Every rule and schedule of the job: its expression and zone."""
    rules = [(found, "UTC") for found in resources(templates, "AWS::Events::Rule")]
    zoned = [
        (found, found.properties["ScheduleExpressionTimezone"])
        for found in resources(templates, "AWS::Scheduler::Schedule")
    ]
    return {
        text(found.properties["Name"]): (found.properties["ScheduleExpression"], zone)
        for found, zone in [*rules, *zoned]
        if text(found.properties["Name"]).startswith(f"nightshift-try-{job}")
    }


def test_rules_and_schedules_are_those_of_the_settings(grown: Templates) -> None:
    assert fired(grown, "pricing") == {
        "nightshift-try-pricing": ("cron(7 3 ? * 2 *)", "UTC"),
        "nightshift-try-pricing-2": ("cron(30 7 * * ? *)", "Europe/Berlin"),
    }
    assert fired(grown, "docs") == {}
    assert fired(grown, "auth")["nightshift-try-auth"] == ("cron(5/15 * * * ? *)", "UTC")


def test_the_reconciler_expects_the_ticks_that_rules_fire(shipped: manifest.Entry) -> None:
    assert shipped["schedules"] == SETTINGS["PRICING_SCHEDULE"].split("; ")
    assert ledger.expected_ticks(shipped, DAY, DAY + timedelta(days=1)) == TICKS
    assert manifest.policy(shipped) == fixed(delay=9, retries=2)


def test_the_function_stands_as_the_template_has_it(grown: Templates, shipped: manifest.Entry) -> None:
    """At run time, from its deployed variables only."""
    job = registry.load("sites/pricing", variables(grown, "pricing"))
    assert manifest.of([job])["pricing"] == shipped
    assert job.retry == fixed(delay=9, retries=2)
    assert not {"PRICING_SCHEDULE", "PRICING_RETRY"} & variables(grown, "auth").keys()


def test_logs_are_retained_longer_than_the_runs_of_a_retention_setting(grown: Templates) -> None:
    days = {
        text(found.properties["LogGroupName"]): found.properties["RetentionInDays"]
        for found in resources(grown, "AWS::Logs::LogGroup")
    }
    assert (days["/aws/lambda/nightshift-try-intake"], days["/aws/lambda/nightshift-try-pricing"]) == (90, 30)


def test_list_crontab_and_heatmap_show_the_deployed_schedule(
    shipped: manifest.Entry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    known = registry.jobs()
    listed = job_listing.job_data(known["pricing"])
    assert listed["schedule"] == ", ".join(shipped["schedules"])
    assert listed["retry"] == "fixed 9s, 3 attempts"
    lines = [line for line in crontab.lines(known.values()) if " jobs.py pricing " in line]
    assert [line.partition(" cd ")[0] for line in lines] == ["7 3 * * 1", "30 7 * * *"]
    assert not [line for line in crontab.lines(known.values()) if " jobs.py docs " in line]
    starts: dict[datetime, Any] = heatmap.ticks(known.values(), DAY)
    assert sorted(at for at, names in starts.items() if "pricing" in names) == TICKS
    listing.call(argparse.Namespace(group="sites", json=False))
    assert "7 3 * * 1, 30 7 * * * Europe/Berlin" in " ".join(capsys.readouterr().out.split())
