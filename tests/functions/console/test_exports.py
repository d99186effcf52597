"""Downloads: the audit log, failures and a tenant, by the filters of their pages, redacted."""

from __future__ import annotations

import json

from tests.support.console_browser import Person
from tests.support.console_state import SECRET_TOKEN, TENANT


def test_failures_are_exported_as_they_are_filtered(operator: Person) -> None:
    seen = operator.get("/ui/export/failures?job=pricing&since=24h")
    rows = [json.loads(line) for line in seen.text.splitlines()]
    assert [(row["job"], row["outcome"], row["ok"]) for row in rows] == [("pricing", "done", False)] * 4
    assert not rows[0].keys() & {"pk", "sk"}
    assert seen.headers["content-disposition"] == 'attachment; filename="nightshift-failures.jsonl"'
    assert seen.headers["cache-control"] == "no-store"


def test_the_audit_log_is_exported(viewer: Person) -> None:
    rows = [json.loads(line) for line in viewer.get("/ui/export/audit?q=crash").text.splitlines()]
    assert [(row["what"], row["who"]) for row in rows] == [("dead retry", "ada@laptop")]


def test_a_tenant_is_exported_redacted(operator: Person) -> None:
    seen = operator.get(f"/ui/export/tenants/{TENANT}")
    assert {row["kind"] for row in json.loads(seen.text)["rows"]} == {"runs", "dead", "uncertain"}
    assert SECRET_TOKEN not in seen.text


def test_an_export_needs_a_session_and_a_known_page(operator: Person) -> None:
    assert Person(operator.console).get("/ui/export/audit").status == 303
    for path in ("export", "export/nothing", "export/tenants/", "export/failures?since=ever"):
        assert operator.get(f"/ui/{path}").status == 404, path
    odd = operator.get("/ui/export/tenants/a%22b%0Ac").headers["content-disposition"]
    assert odd == 'attachment; filename="nightshift-tenant-a_b_c.json"'
