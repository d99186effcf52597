"""Alerts: published to the topic, enqueued once for other channels, redacted, with commands."""

from __future__ import annotations

import json
from typing import Any

from shared.aws.cloud import Cloud
from shared.observability import alerts
from shared.observability.alerts import MAX_SUBJECT, OTHER_CHANNELS, Alert
from shared.store import keys, table
from shared.tables import STATE
from tests.support import moto_backends

KEY = "AKIAIOSFODNN7EXAMPLE"
ALERT = Alert("JOB_FAILING", "sweep", {"error": f"no access for {KEY}", "note": ""}, ["python jobs.py why sweep"])


def published(cloud: Cloud) -> list[tuple[str | None, Any]]:
    return [(subject, json.loads(message)) for subject, message in moto_backends.published(cloud)]


def send(cloud: Cloud) -> None:
    alerts.send(cloud, ALERT.kind, ALERT.about, ALERT.fields, ALERT.commands, "incident 1")


def test_an_alert_is_published_and_enqueued_for_the_other_channels(cloud: Cloud) -> None:
    send(cloud)
    [(subject, message)] = published(cloud)
    assert (subject, message["stage"], message["commands"]) == ("JOB_FAILING sweep", "test", [*ALERT.commands])
    row = table.get(cloud, STATE, keys.owed_alert("incident 1"))
    assert (row["channels"], row["since"]) == ([OTHER_CHANNELS], "2026-03-02T12:00:00.000Z")
    assert row["alert"]["id"] == "incident 1"


def test_an_incident_that_is_sent_again_is_enqueued_once(cloud: Cloud) -> None:
    send(cloud)
    send(cloud)
    assert len(list(table.query(cloud, STATE, "pk = :pk", {":pk": keys.owed_alerts()}))) == 1


def test_no_secret_is_published_or_stored(cloud: Cloud) -> None:
    send(cloud)
    assert KEY not in json.dumps(published(cloud))
    assert KEY not in json.dumps(table.get(cloud, STATE, keys.owed_alert("incident 1")))
    assert KEY not in ALERT.text(cloud)


def test_a_subject_is_one_line_within_the_limit_of_sns() -> None:
    subject = Alert("JOB_FAILING", f"sweep\nof {'x ' * 100}", {}, []).subject
    assert subject.startswith("JOB_FAILING sweep of x")
    assert len(subject) <= MAX_SUBJECT


def test_an_alert_links_to_its_page_of_the_console(cloud: Cloud) -> None:
    cloud.environment = {"NIGHTSHIFT_CONSOLE_URL": "https://console.example"}
    alerts.send(cloud, "JOB_FAILING", "sweep", {"job": "sweep"}, ALERT.commands, "incident 1")
    [(_, message)] = published(cloud)
    assert message["page"] == "https://console.example/ui/jobs/sweep"
    assert "page: https://console.example/ui/jobs/sweep" in Alert("X", "sweep", {"job": "sweep"}, []).text(cloud)
    assert "page" not in table.get(cloud, STATE, keys.owed_alert("incident 1"))["alert"]["fields"]


def test_the_text_leaves_out_empty_fields_and_ends_with_the_commands(cloud: Cloud) -> None:
    lines = ALERT.text(cloud).splitlines()
    assert lines[:2] == ["alert: JOB_FAILING", "stage: test"]
    assert not any(line.startswith("note") for line in lines)
    assert lines[-2:] == ["What you can do:", "  python jobs.py why sweep"]
