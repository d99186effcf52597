"""Pages and exports find what is older than many other rows, and say where they stopped."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from functions.console._pages import audit as audit_page
from functions.console._pages import failures, tenants
from shared import clock
from shared.admin import audit
from shared.aws.cloud import Cloud
from shared.store import failure_index, keys, table
from shared.tables import STATE
from tests.support.console_browser import Person

MOST = 20
VICTIM = "org_victim"


@pytest.fixture
def noisy(operator: Person, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Person:
    """An operator whose one failure of interest is older than MOST failures of another organization."""
    monkeypatch.setattr(failures, "MOST", MOST)
    now = cloud.clock.now()
    for number in range(MOST + 5):
        fail(cloud, number, minutes=30, job="crash", tenant="org_noisy")
    fail(cloud, 99, minutes=180, job="usage", tenant=VICTIM)
    assert cloud.clock.now() - now < timedelta(minutes=1)
    return operator


def fail(cloud: Cloud, number: int, minutes: int, job: str, tenant: str) -> None:
    at = cloud.clock.now() - timedelta(minutes=minutes, seconds=number)
    run = f"{at:%Y%m%dT%H%M%S}.{number:03d}Z-{number:08x}"
    row = {"job": job, "target": "-", "started": clock.iso(at), "outcome": "failed", "ok": False, "note": "boom"}
    index = failure_index.keys_of_run(job, run, at, tenant)
    table.put(cloud, STATE, {**keys.run(job, run).attributes, **row, "ms": 9, "attempt": 1, "tenant": tenant, **index})


def lines(person: Person, path: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in person.get(path).text.splitlines()]


def test_an_organization_is_found_behind_failures_of_others(noisy: Person) -> None:
    page = noisy.get(f"/ui/failures?tenant={VICTIM}").text
    assert "1 failure of 1 job, 1 tenant in the last 24h." in page
    assert [row["tenant"] for row in lines(noisy, f"/ui/export/failures?tenant={VICTIM}")] == [VICTIM]


def test_a_page_of_failures_says_where_the_search_stopped(noisy: Person) -> None:
    assert failures.CUT in noisy.get("/ui/failures").text
    # A filter that finds nothing among the newest rows must not say that nothing failed.
    page = noisy.get("/ui/failures?job=session-cleanup").text
    assert failures.CUT in page
    assert "Nothing failed" not in page


def test_an_export_of_failures_says_where_the_search_stopped(noisy: Person) -> None:
    rows = lines(noisy, "/ui/export/failures")
    assert len(rows) == MOST + 1
    assert rows[-1] == {"incomplete": failures.CUT}


def test_a_search_at_its_limit_is_complete(operator: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    count = len(lines(operator, "/ui/export/failures"))
    monkeypatch.setattr(failures, "MOST", count)
    assert "incomplete" not in operator.get("/ui/export/failures").text
    monkeypatch.setattr(failures, "MOST", count - 1)
    assert "incomplete" in operator.get("/ui/export/failures").text


def test_the_audit_log_says_where_the_search_stopped(
    operator: Person, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_page, "MOST", 3)
    for who in ("mallory", *["eve"] * 4):
        with audit.OperatorAuditEntry(cloud, "pause", who, "test", {"job": "docs"}):
            cloud.clock.sleep(1)
    page = operator.get("/ui/audit?q=mallory").text
    assert audit_page.CUT in page
    assert "Nobody has changed anything" not in page
    rows = lines(operator, "/ui/export/audit")
    assert [row.get("who") for row in rows] == ["eve", "eve", "eve", None]
    assert rows[-1] == {"incomplete": audit_page.CUT}


def test_the_rows_of_a_tenant_say_where_the_search_stopped(noisy: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "incomplete" not in json.loads(noisy.get("/ui/export/tenants/org_noisy").text)
    monkeypatch.setattr(tenants, "MOST", MOST)
    assert tenants.CUT in noisy.get("/ui/tenants/org_noisy").text
    assert json.loads(noisy.get("/ui/export/tenants/org_noisy").text)["incomplete"] == tenants.CUT
