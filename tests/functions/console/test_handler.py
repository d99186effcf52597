"""The API over jobs: the same guard as break-glass, ids escaped or not, pages, ETags."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from openapi_schema_validator import OAS31Validator

from functions.console import handler
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.http import openapi
from shared.http.internal_token import Guard
from shared.job import manifest, registry
from shared.run import firing as event
from shared.run import status_view
from shared.run.run import run
from shared.store import keys, table
from shared.tables import STATE
from tests.conftest import Lines, VirtualClock
from tests.support.function_url import TOKEN, Context, refused, url_event

HELLO = "@kb-labs/plugin-template:hello-cron"
NAME = "kb-labs-plugin-template-hello-cron"
JOBS = registry.jobs()
DOCUMENT = openapi.of(registry.endpoints())
Ask = Callable[..., tuple[int, Any, dict[str, str]]]


def as_documented(path: str, method: str, status: int, told: Any) -> None:
    """Assert that an answer is documented, where its path and method are."""
    found = re.fullmatch(r"/jobs/.+/(trigger|pause|resume|runs)", path)
    documented = DOCUMENT["paths"].get(f"/jobs/{{id}}/{found[1]}" if found else path, {}).get(method.lower())
    if documented is None or status == 405:
        return
    content = documented["responses"][str(status)].get("content")
    if content is None:
        assert told is None
        return
    (media,) = content.values()
    schema = {**media["schema"], "components": DOCUMENT["components"]}
    OAS31Validator(schema).validate(told)


@pytest.fixture
def ask(cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch) -> Ask:
    def invoke(FunctionName: str, InvocationType: str, Payload: str) -> None:  # noqa: N803 - boto's names
        assert (FunctionName, InvocationType) == (f"nightshift-test-{NAME}", "Event")
        firing = event.parse(NAME, json.loads(Payload), cloud.clock.now())
        assert isinstance(firing, event.Firing)
        run(JOBS[NAME], firing, cloud, log)

    cloud.__dict__["functions"] = SimpleNamespace(invoke=invoke)
    monkeypatch.setattr(handler, "CLOUD", cloud)
    monkeypatch.setattr(handler, "GUARD", Guard(cloud))
    monkeypatch.setattr(handler, "LOG", log)
    entries = manifest.of(JOBS.values())
    monkeypatch.setattr(manifest, "load", lambda: entries)

    def asked(
        path: str,
        method: str = "GET",
        body: Any = None,
        query: dict[str, str] | None = None,
        headers: dict[str, str] = TOKEN,
    ) -> tuple[int, Any, dict[str, str]]:
        event = url_event(path, method, headers, query, json.dumps(body) if body is not None else None)
        answer = handler.handle(event, Context())
        told = json.loads(answer["body"] or "null")
        as_documented(path, method, answer["statusCode"], told)
        return answer["statusCode"], told, answer["headers"]

    return asked


def one(ask: Ask) -> Any:
    _, body, _ = ask("/jobs", query={"limit": "100"})
    return next(job for job in body["jobs"] if job["id"] == HELLO)


@pytest.mark.parametrize("path", ["/jobs", "/jobs/stats", "/openapi.json", f"/jobs/{HELLO}/trigger", "/nowhere"])
@pytest.mark.parametrize("headers", [{}, {"X-Internal-Health": "wrong"}])
def test_without_the_token_every_path_answers_the_same(ask: Ask, path: str, headers: dict[str, str]) -> None:
    assert refused(ask(path, headers=headers)) == (403, "forbidden", "forbidden")


def test_a_job_is_listed_with_its_fields(ask: Ask) -> None:
    assert one(ask) == {
        "id": HELLO,
        "name": NAME,
        "schedule": "* * * * *",
        "status": "never",
        "verdict": "never",
        "lastRun": None,
        "nextRun": "2026-03-02T12:01:00.000Z",
        "runCount": 0,
    }


@pytest.mark.parametrize("given", [HELLO, quote(HELLO), quote(HELLO, safe=""), NAME])
def test_a_job_is_triggered_by_its_id_escaped_or_not_or_by_its_name(ask: Ask, given: str) -> None:
    status, body, _ = ask(f"/jobs/{given}/trigger", "POST")
    assert (status, body["ok"], body["message"]) == (202, True, f"{HELLO} was triggered")
    assert (one(ask)["status"], one(ask)["runCount"]) == ("done", 1)
    assert one(ask)["lastRun"] == "2026-03-02T12:00:00.000Z"


def test_the_same_key_starts_one_run(ask: Ask) -> None:
    for _ in range(2):
        assert ask(f"/jobs/{HELLO}/trigger", "POST", headers={**TOKEN, "Idempotency-Key": "k"})[0] == 202
    assert one(ask)["runCount"] == 1


def test_a_job_is_paused_and_resumed(ask: Ask, cloud: Cloud) -> None:
    assert ask(f"/jobs/{HELLO}/pause", "POST", {"who": "ada", "reason": "it is loud"})[0] == 200
    assert (one(ask)["status"], one(ask)["nextRun"]) == ("paused", None)
    status, body, _ = ask(f"/jobs/{HELLO}/pause", "POST")
    assert (status, body["ok"]) == (409, False)
    assert ask(f"/jobs/{HELLO}/resume", "POST")[0] == 200
    assert one(ask)["status"] != "paused"


def test_resuming_a_job_with_a_budget_answers_with_a_hint(ask: Ask) -> None:
    """The budget is declared in code that is not in this function."""
    assert ask("/jobs/webeval/pause", "POST")[:2] == (
        200,
        {"ok": True, "message": "webeval is paused; a current run continues to its end"},
    )
    hint = (
        "its budget may still block it: `python jobs.py status --aws --stage test` shows that "
        "and `python jobs.py resume webeval --aws --stage test` lifts it"
    )
    assert ask("/jobs/webeval/resume", "POST")[1]["message"] == f"webeval is resumed; {hint}"
    status, told, _ = ask("/jobs/webeval/resume", "POST")
    assert (status, told["error"]) == (409, f"webeval is not paused; nothing was done; {hint}")


def test_runs_of_a_day_come_newest_first_and_in_pages(ask: Ask, clock: VirtualClock) -> None:
    for _ in range(3):
        ask(f"/jobs/{HELLO}/trigger", "POST")
        clock.move(minutes=1)
    _, first, _ = ask(f"/jobs/{HELLO}/runs", query={"limit": "2"})
    _, rest, _ = ask(f"/jobs/{HELLO}/runs", query={"limit": "2", "cursor": first["next"]})
    started = [each["started"][14:16] for each in (*first["runs"], *rest["runs"])]
    assert started == ["02", "01", "00"]
    assert json.loads(first["runs"][0]["note"])["runCount"] == 3


def test_pages_follow_each_other_without_a_gap(ask: Ask) -> None:
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        _, body, _ = ask("/jobs", query={"limit": "5", **({"cursor": cursor} if cursor else {})})
        seen += [job["id"] for job in body["jobs"]]
        cursor = body["next"]
    assert seen == sorted(job.id for job in JOBS.values())


def test_an_unchanged_answer_is_not_sent_again(ask: Ask) -> None:
    _, _, headers = ask("/jobs/stats")
    tagged = {**TOKEN, "If-None-Match": headers["etag"]}
    assert ask("/jobs/stats", headers=tagged)[:2] == (304, None)
    ask(f"/jobs/{HELLO}/trigger", "POST")
    status, body, _ = ask("/jobs/stats", headers=tagged)
    assert (status, body["runs"], body["statuses"]["done"]) == (200, 1, 1)


@pytest.mark.parametrize(
    ("path", "method", "body", "query", "status"),
    [
        ("/jobs/@no/such:job/trigger", "POST", None, None, 404),
        ("/jobs/..%2f..%2fstatus/trigger", "POST", None, None, 404),
        (f"/jobs/{quote(quote(HELLO, safe=''))}/trigger", "POST", None, None, 404),
        (f"/jobs/{HELLO}/trigger", "GET", None, None, 405),
        ("/jobs", "POST", None, None, 405),
        ("/jobs/x/y", "GET", None, None, 404),
        (f"/jobs/{HELLO}/trigger", "POST", {"target": "x"}, None, 400),
        (f"/jobs/{HELLO}/trigger", "POST", [1], None, 400),
        (f"/jobs/{HELLO}/pause", "POST", {"reason": ""}, None, 400),
        (f"/jobs/{HELLO}/pause", "POST", {"reason": "x" * 9999}, None, 400),
        (f"/jobs/{HELLO}/runs", "GET", None, {"day": "2026-13-01"}, 400),
        (f"/jobs/{HELLO}/runs", "GET", None, {"day": "2020-01-01"}, 400),
        ("/jobs", "GET", None, {"limit": "0"}, 400),
        ("/jobs", "GET", None, {"limit": "²"}, 400),
        ("/jobs/dead-letters/trigger", "POST", None, None, 409),
        ("/jobs/dead-letters/pause", "POST", None, None, 409),
    ],
)
def test_an_invalid_request_is_refused_with_a_reason(
    ask: Ask, path: str, method: str, body: Any, query: Any, status: int
) -> None:
    answered, told, _ = ask(path, method, body, query)
    assert answered == status
    assert told["error"]


def test_the_document_is_served(ask: Ask) -> None:
    status, document, headers = ask("/openapi.json")
    assert (status, document) == (200, DOCUMENT)
    assert ask("/openapi.json", headers={**TOKEN, "If-None-Match": headers["etag"]})[0] == 304


def test_a_cursor_of_another_listing_is_refused(ask: Ask, clock: VirtualClock) -> None:
    for _ in range(3):
        ask(f"/jobs/{HELLO}/trigger", "POST")
        clock.move(minutes=1)
    of_jobs, of_runs = (ask(path, query={"limit": "1"})[1]["next"] for path in ("/jobs", f"/jobs/{HELLO}/runs"))
    for path, cursor in (
        ("/jobs", of_runs),
        ("/jobs", "x"),
        ("/jobs", HELLO),
        (f"/jobs/{HELLO}/runs", of_jobs),
        (f"/jobs/{HELLO}/runs", "%%%"),
        ("/jobs/pricing/runs", of_runs),
    ):
        assert refused(ask(path, query={"cursor": cursor}))[:2] == (400, "invalid-cursor")
    query = {"cursor": of_runs, "day": "2026-03-01"}
    assert refused(ask(f"/jobs/{HELLO}/runs", query=query))[:2] == (400, "invalid-cursor")
    assert ask("/jobs", query={"cursor": "y" * 1001})[0] == 400


def test_a_listing_of_runs_continues_after_midnight(ask: Ask, clock: VirtualClock) -> None:
    for _ in range(3):
        ask(f"/jobs/{HELLO}/trigger", "POST")
        clock.move(minutes=1)
    following = ask(f"/jobs/{HELLO}/runs", query={"limit": "2"})[1]["next"]
    clock.move(hours=12)
    status, page, _ = ask(f"/jobs/{HELLO}/runs", query={"cursor": following})
    assert (status, page["day"], len(page["runs"])) == (200, "2026-03-02", 1)


def rows(cloud: Cloud, name: str, *items: dict[str, Any]) -> None:
    for item in items:
        cloud.dynamodb.put_item(TableName=cloud.names.table(name), Item=attributes.row(item))


def test_the_sums_of_a_month_are_served_of_all_its_rows(ask: Ask, cloud: Cloud) -> None:
    sums = {"total": 12, "peak": 9, "peak_day": "03"}
    rows(
        cloud,
        "meters",
        {"pk": "org_1#dashboard", "sk": "2026-03", "as_of": "a", "features": {"x": sums}, "days": {"03": {"x": 9}}},
        {"pk": "org_1#dashboard", "sk": "2026-03#7", "as_of": "b", "features": {"y": sums}, "days": {"03": {"y": 9}}},
        {"pk": "org_1#dashboard", "sk": "2026-02", "as_of": "c", "features": {"z": sums}, "days": {}},
    )
    status, told, headers = ask("/organizations/org_1/usage")
    shown = {"total": 12, "peak": 9, "peakDay": "03"}
    assert (status, told["month"], told["asOf"]) == (200, "2026-03", "b")
    assert (told["features"], told["days"]) == ({"x": shown, "y": shown}, {"03": {"x": 9, "y": 9}})
    assert ask("/organizations/org_1/usage", headers={**TOKEN, "If-None-Match": headers["etag"]})[0] == 304
    assert [*ask("/organizations/org_1/usage", query={"month": "2026-02"})[1]["features"]] == ["z"]
    assert ask("/organizations/org_9/usage")[1]["features"] == {}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/organizations/org_1/usage", {"month": "2026-13"}),
        ("/organizations/org_1/usage", {"month": "٢٠٢٦-03"}),
        ("/organizations/org%231/usage", None),
        ("/organizations/org_1/assessments/a%23b", None),
    ],
)
def test_an_invalid_month_or_id_is_refused(ask: Ask, path: str, query: dict[str, str] | None) -> None:
    assert ask(path, query=query)[0] in (400, 404)


@pytest.mark.parametrize("state", ["processing", "completed", "failed"])
def test_an_assessment_is_served_in_the_words_of_the_product(ask: Ask, cloud: Cloud, state: str) -> None:
    at = "2026-03-02T12:00:00.000Z"
    row = {
        "pk": "org_1",
        "sk": "as_1",
        "state": state,
        "step": "x",
        "progress": 50,
        "started_at": at,
        f"{state}_at": at,
    }
    rows(cloud, "assessments", {**row, "score": 80, "user": "user_1", "result": {"secret": 1}})
    status, told, _ = ask("/organizations/org_1/assessments/as_1")
    assert (status, told["status"], told["startedAt"], told["score"]) == (200, state.upper(), at, 80)
    assert told.get("completedAt") == (at if state == "completed" else None)
    assert told.get("failedAt") == (at if state == "failed" else None)
    assert not {"result", "user"} & told.keys()
    assert ask("/organizations/org_1/assessments/as_2")[0] == 404


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ({"outcome": "done", "ok": True, "at": "2026-03-02T12:00:00.000Z", "ms": 0}, "done"),
        ({"outcome": "done", "ok": False, "at": "2026-03-02T12:00:00.000Z", "ms": 0}, "bad"),
        ({"outcome": "failed", "ok": False, "at": "2026-03-02T12:00:00.000Z", "ms": 0}, "failed"),
        (None, "never"),
    ],
)
def test_jobs_and_their_counts_show_verdicts(ask: Ask, cloud: Cloud, status: Any, shown: str) -> None:
    job = one(ask)
    entry = manifest.load()[job["name"]]
    # As a pause of one tenant leaves it: without a status.
    item = {**keys.claim(entry["key"]).attributes, "partial_pauses": "0a1b", **({"status": status} if status else {})}
    table.put(cloud, STATE, item)
    assert one(ask)["status"] == shown
    stats = ask("/jobs/stats")[1]
    assert (stats["statuses"][shown], stats["verdicts"][shown]) >= (1, 1)
    assert status_view.view(item)["state"] == {"done": "COMPLETED", "never": "NEVER_RUN"}.get(shown, "FAILED")
