"""Pages of the console: calls, sizes, odd addresses, hostile text, refreshes."""

from __future__ import annotations

import gzip
import re
from urllib.parse import quote

from functions.console import _assets
from functions.console._routes import PAGES
from shared.aws.cloud import Cloud
from shared.job import manifest
from tests.conftest import Calls
from tests.support.console_browser import Person
from tests.support.console_state import PRICING_NOTE, SECRET_TOKEN, TENANT, BusyNight

HOSTILE = "<script>alert(1)</script><svg onload=alert(2)>\u202eevil\u2066 &amp; \"'"


# The calls of DynamoDB that a page may take.
CALLS = {
    "/ui/now": 4,
    "/ui/jobs": 2,
    "/ui/jobs/pricing": 5,
    "/ui/jobs/docs": 5,
    "/ui/failures": 8,
    "/ui/tenants/org_42": 4,
    "/ui/schedule": 3,
    "/ui/cost": 2,
    "/ui/audit": 1,
    "/ui/help": 0,
    "/ui/login": 0,
    "/ui/plans": 0,
    "/ui/plans?job=session-cleanup": 1,
    # One, and one for each job that has had dead letters, here two.
    "/ui/dead": 3,
    # One for the job of the query.
    "/ui/effects?job=notification-delivery": 1,
    "/ui/queues": 1,
}


def test_a_page_takes_few_calls(operator: Person, cloud: Cloud) -> None:
    calls = Calls(cloud)
    for path, most in CALLS.items():
        calls.clear()
        assert operator.get(path).status == 200
        made = [call for call in calls.made if call.startswith("dynamodb")]
        assert len(made) <= most, (path, made)
        assert not any("Scan" in call for call in made)


def test_a_run_takes_four_calls(operator: Person, cloud: Cloud) -> None:
    calls = Calls(cloud)
    seen = operator.get("/ui/runs/pricing/20260302T115700.000Z-pric")
    assert seen.status == 200
    assert PRICING_NOTE in seen.text
    assert len([call for call in calls.made if call.startswith("dynamodb")]) <= 4


def test_a_page_is_small_and_has_one_heading(operator: Person) -> None:
    files = sum(len(gzip.compress(_assets._content(name))) for name in (_assets.STYLE, *_assets.SCRIPTS))
    for place in PAGES:
        text = operator.get(f"/ui/{place}").text
        assert len(text) < 60_000, place
        assert files + len(gzip.compress(text.encode())) < 150_000
        assert text.count("<h1>") == 1
        assert text.count("<main") == 1
        assert "None" not in re.sub(r"<[^>]*>", " ", text).split()


def test_failing_jobs_come_first_and_are_in_the_title(operator: Person) -> None:
    text = operator.get("/ui/jobs").text
    assert "<title>(2) Jobs · Nightshift</title>" in text
    assert text.index('id="job-pricing"') < text.index('id="job-account-deletion"')
    now = operator.get("/ui/now").text
    count = len(manifest.load())
    assert f"{count} jobs: 2 failing, 1 running, 1 paused, {count - 4} fine." in now
    assert PRICING_NOTE in now


def test_an_unchanged_page_is_304(operator: Person) -> None:
    first = operator.get("/ui/now", **{"hx-request": "true"})
    same = operator.get("/ui/now", **{"hx-request": "true", "x-poll": "1", "if-none-match": first.headers["etag"]})
    assert (same.status, same.text) == (304, "")
    assert first.headers["etag"].strip('"') in operator.get("/ui/now").text


ODD = (
    *("@", "/", ":", "%2F", "ü", "🦊", "x" * 300, "..", "%00", " ", "<b>", "'", '"', "\\", "jobs", "a/b/c/d"),
    *("%", "?", "#"),
)


PLACES = (
    *("jobs/{}", "runs/{}/{}", "runs/pricing/{}", "dead/{}", "dead/letter/{}", "queues/{}", "tenants/{}", "{}"),
    "mails/{}",
    "plans/{}",
)


def test_an_odd_id_is_a_page_of_its_own(operator: Person) -> None:
    for place in PLACES:
        for odd in ODD:
            for given in (quote(odd, safe=""), odd):
                seen = operator.get(f"/ui/{place.format(given, given)}")
                assert seen.status in (200, 303, 404), (place, odd, seen.text[-500:])


QUERIES = (
    *("jobs?state=nothing&q=%00", "jobs?group=../..", "jobs/pricing?day=2026-13-45", "jobs/pricing?day=1999-01-01"),
    *("jobs/pricing?day=9999-12-31", "jobs/pricing?day=x", "failures?since=ever", "failures?outcome=x&job=%2F"),
    *("dead?job=none", "dead?tenant=%3Cb%3E", "effects?job=none", "audit?q=%28&months=9", "now?" + "a=b&" * 300),
    *("tenants?org=" + "y" * 500, "dead?reason=" + "z" * 2000, "schedule?group=%27", "login?to=%2F%2Fevil"),
)


def test_an_odd_query_is_no_error(operator: Person) -> None:
    for query in QUERIES:
        assert operator.get(f"/ui/{query}").status in (200, 400, 404), query


def test_a_removed_job_leads_to_its_dead_letters(operator: Person) -> None:
    seen = operator.get("/ui/jobs/gone")
    assert seen.status == 404
    assert "/ui/dead?job=gone" in seen.text
    assert "/ui/jobs" in seen.text


def test_hostile_text_is_shown_as_text(operator: Person, cloud: Cloud) -> None:
    night = BusyNight(cloud)
    night.bad("pricing", "failed", HOSTILE, streak=2)
    night.letter("crash", HOSTILE + "x" * 65536, 40, tenant=HOSTILE[:40])
    night.uncertain("notification-delivery", HOSTILE)
    for path in (
        "now",
        "jobs",
        "jobs/pricing",
        "failures",
        "dead",
        "effects",
        f"tenants/{quote(HOSTILE[:40], safe='')}",
    ):
        text = operator.get(f"/ui/{path}").text
        assert "<script>alert" not in text
        assert "<svg onload" not in text
    assert "&lt;script&gt;" in operator.get("/ui/now").text


def test_secrets_in_a_payload_are_redacted(operator: Person) -> None:
    letter = re.search(r"/ui/dead/letter/([0-9a-f]+)", operator.get(f"/ui/tenants/{TENANT}").text)
    assert letter
    text = operator.get(f"/ui/dead/letter/{letter[1]}").text
    assert "Payload, redacted" in text
    assert SECRET_TOKEN not in text


def test_a_file_is_served_under_its_hash_alone(operator: Person) -> None:
    address = _assets.address("app.css")
    seen = operator.get(address)
    assert (seen.status, seen.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    for wrong in ("/a/0000000000000000/app.css", f"{address}x", "/a/../handler.py", "/a/app.css", "/a/x/_ui.py"):
        assert operator.get(wrong).status == 404
