"""Break-glass: guarded before anything else, with exact paths and input."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest

from functions.trigger import handler
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.http import sites
from shared.http.internal_token import Guard
from shared.job import Done, Outcome, RunContext, manifest, registry
from shared.job.setting import BASE_URLS
from shared.run import firing as event
from shared.run.run import run
from tests.conftest import Calls, Lines, VirtualClock, waiting
from tests.functions.operations.conftest import ENTRIES
from tests.support.function_url import TOKEN, Context, refused, url_event
from tests.support.sweep_job import Sweep

Ask = Callable[..., tuple[int, Any]]


class Running:
    """A Lambda that runs the job at once; `slow` keeps it from ever starting."""

    def __init__(self, cloud: Cloud, log: Lines) -> None:
        self.cloud, self.log = cloud, log
        self.slow = False
        self.job = Sweep()
        self.asked: list[Any] = []

    def invoke(self, FunctionName: str, InvocationType: str, Payload: str) -> None:  # noqa: N803 - boto's names
        assert (FunctionName, InvocationType) == ("nightshift-test-sweep", "Event")
        self.asked.append(json.loads(Payload))
        if not self.slow:
            firing = event.parse("sweep", self.asked[-1], self.cloud.clock.now())
            assert isinstance(firing, event.Firing)
            run(self.job, firing, self.cloud, self.log)


@pytest.fixture
def functions(cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch) -> Running:
    running = Running(cloud, log)
    cloud.__dict__["functions"] = running
    monkeypatch.setattr(handler, "CLOUD", cloud)
    monkeypatch.setattr(handler, "GUARD", Guard(cloud))
    monkeypatch.setattr(handler, "LOG", log)
    monkeypatch.setattr(manifest, "load", lambda: ENTRIES)
    return running


@pytest.fixture
def ask(functions: Running) -> Ask:
    def ask(
        path: str = "/__cron/run/sweep",
        headers: Mapping[str, str] = TOKEN,
        method: str = "GET",
        body: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        answer = handler.handle(url_event(path, method, headers, query, body), Context())
        assert answer["headers"]["cache-control"] == "no-store"
        return answer["statusCode"], json.loads(answer["body"])

    return ask


def test_a_task_is_run_and_its_outcome_answered(ask: Ask, functions: Running) -> None:
    status, body = ask()
    assert status == 200
    assert (body["job"], body["outcome"], body["ok"]) == ("sweep", "done", True)
    assert body["run_id"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Internal-Health": "wrong"},
        {"X-Internal-Health": ""},
        {"Authorization": "open sesame"},
        {"X-Internal-Health": "öpen"},
    ],
)
@pytest.mark.parametrize("path", ["/__cron/run/sweep", "/__cron/run/nothing", "/", "/__cron/run/status"])
def test_without_the_token_every_path_answers_the_same(
    ask: Ask, functions: Running, cloud: Cloud, headers: dict[str, str], path: str
) -> None:
    _ = cloud.secrets
    calls = Calls(cloud)
    assert refused(ask(path, headers)) == (403, "forbidden", "forbidden")
    assert functions.asked == []
    assert set(calls.made) <= {"secretsmanager:GetSecretValue"}


def test_a_token_in_the_query_string_is_ignored(ask: Ask) -> None:
    assert ask(headers={}, query={"X-Internal-Health": "open sesame", "token": "open sesame"})[0] == 403


def test_the_previous_token_is_accepted_during_rotation_and_a_retired_one_is_not(ask: Ask, cloud: Cloud) -> None:
    secret = cloud.names.secret("internal-health-token")
    cloud.secrets.put_secret_value(SecretId=secret, SecretString="second")
    assert ask(headers={"X-Internal-Health": "second"})[0] == 200
    assert ask()[0] == 200
    cloud.secrets.put_secret_value(SecretId=secret, SecretString="third")
    handler.GUARD.tokens, handler.GUARD.read_at = (), -1000.0
    assert ask(headers={"X-Internal-Health": "third"})[0] == 200
    assert ask()[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "/__cron/run/nothing",
        "/__cron/run/../sweep",
        "/__cron/run/..%2fsweep",
        "/__cron/run/%73weep",
        "/__cron/run/sweep/",
        "/__cron/run/sweep%00",
        "/__cron/run/SWEEP",
        "/__cron/run/",
        "//__cron/run/sweep",
        "/__cron/run/sweep\n",
        "/__cron/run/" + "a" * 5000,
    ],
)
def test_a_path_without_a_task_is_not_found(ask: Ask, functions: Running, path: str) -> None:
    status, kind, detail = refused(ask(path))
    assert (status, detail) == (404, "unknown task")
    assert kind in ("unknown-task", "unknown-path")
    assert functions.asked == []


def test_only_get_and_post_are_served(ask: Ask) -> None:
    assert refused(ask(method="DELETE")) == (405, "method-not-allowed", "use GET or POST")
    assert refused(ask("/__cron/run/status", method="DELETE"))[0] == 405


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("x" * 20_000, 413),
        ("{", 400),
        ("[1]", 400),
        ('{"target": 7}', 400),
        ('{"target": null}', 400),
        ('{"target": "../x"}', 400),
        ('{"target": ""}', 400),
        ('{"force": true}', 400),
    ],
)
def test_an_invalid_body_is_refused_with_its_reason(ask: Ask, functions: Running, body: str, status: int) -> None:
    got, answer = ask(method="POST", body=body)
    assert got == status
    assert answer["error"]
    assert functions.asked == []


@pytest.mark.parametrize(
    ("shards", "named", "status"), [(2, "1", 200), (2, "2", 404), (1, "shop.example", 404), (1, "-", 200)]
)
def test_a_target_that_no_settings_give_is_refused_without_a_run(
    ask: Ask,
    functions: Running,
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    shards: int,
    named: str,
    status: int,
) -> None:
    monkeypatch.setattr(Sweep, "shards", shards)
    monkeypatch.setattr(manifest, "load", lambda: manifest.of([Sweep()], {}))
    got, answer = ask(query={"target": named})
    assert got == status
    assert bool(functions.asked) == (status == 200)
    if status == 404:
        assert f"sweep has no target '{named}'" in answer["error"]
        assert cloud.dynamodb.scan(TableName=cloud.names.table("state"))["Items"] == []


class Hosts(Sweep):
    """Sweep hosts of a setting."""

    name = "sweep"
    settings = (BASE_URLS,)
    ran: ClassVar[list[str]] = []

    @classmethod
    def targets(cls, environment: Mapping[str, str] | None = None) -> tuple[str, ...] | None:
        return sites.configured_hosts(environment)

    def work(self, run: RunContext) -> Outcome:
        self.ran.append(run.target)
        return Done()


@pytest.fixture
def hosts(functions: Running, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Running:
    """The job was deployed with `old.example` and `shop.example`; its function has been set to other hosts since."""
    deployed = {"BASE_URLS": '["https://old.example", "https://shop.example"]'}
    monkeypatch.setattr(manifest, "load", lambda: manifest.of([Hosts()], deployed))
    monkeypatch.setattr(Hosts, "ran", [])
    cloud.environment = {"BASE_URLS": '["https://shop.example", "https://new.example"]'}
    functions.job = Hosts()
    return functions


@pytest.mark.parametrize("named", ["shop.example", "new.example"])
def test_a_host_of_the_settings_in_force_is_run_also_if_it_is_newer_than_the_deployment(
    ask: Ask, hosts: Running, named: str
) -> None:
    assert ask(query={"target": named})[0] == 200
    assert Hosts.ran == [named]


@pytest.mark.parametrize("named", ["shpo.example", "old.example", "-x"])
def test_a_mistyped_or_removed_host_is_refused_without_effect(
    ask: Ask, hosts: Running, cloud: Cloud, named: str
) -> None:
    for method in ("GET", "POST", "GET"):
        status, answer = ask(query={"target": named}, method=method)
        assert status == 404
        assert answer["error"] == f"sweep has no target {named!r}; it has new.example, shop.example"
    assert Hosts.ran == []
    rows = [attributes.plain(item) for item in cloud.dynamodb.scan(TableName=cloud.names.table("state"))["Items"]]
    # No status, streak, history or claim: the answers to the two requests alone.
    assert {row["pk"] for row in rows} == {"manual#sweep"}
    assert len(rows) == 2
    assert waiting(cloud) == waiting(cloud, "firings-dlq") == []


def test_the_manifest_has_the_targets_of_each_job_as_deployed() -> None:
    jobs = registry.discover({}).jobs.values()
    sites = {"BASE_URLS": '["https://shop.example", "https://b.example:8443"]'}
    named = {name: entry["targets"] for name, entry in manifest.of(jobs, sites).items()}
    hosts = ["b.example:8443", "shop.example"]
    assert [named[name] for name in ("pricing", "auth", "docs", "webeval")] == [hosts] * 4
    assert (named["dns-recheck"], named["alias-expiration"]) == (None, [])
    for job in jobs:
        if job.shards > 1:
            assert named[job.name] == [str(number) for number in range(job.shards)]
    assert manifest.of(jobs, {"BASE_URLS": "no array"})["pricing"]["targets"] == []


def test_a_target_may_be_given(ask: Ask, functions: Running, cloud: Cloud) -> None:
    functions.job = Hosts()
    cloud.environment = {"BASE_URLS": '["https://shop.example:8080"]'}
    assert ask(method="POST", body='{"target": "shop.example:8080"}')[0] == 200
    assert functions.asked[0]["firing"]["target"] == "shop.example:8080"


def test_a_bare_get_repeated_within_its_minute_is_one_run(ask: Ask, functions: Running, clock: VirtualClock) -> None:
    first, second = ask(), ask()
    assert first == second
    assert len(functions.asked) == 1
    clock.move(minutes=1)
    assert ask()[1]["run_id"] != first[1]["run_id"]


def test_each_post_is_a_run_of_its_own_unless_it_carries_a_key(ask: Ask, functions: Running) -> None:
    runs = {ask(method="POST")[1]["run_id"] for _ in range(3)}
    keyed = {ask(method="POST", headers={**TOKEN, "Idempotency-Key": "k1"})[1]["run_id"] for _ in range(3)}
    assert (len(runs), len(keyed)) == (3, 1)


def test_an_invalid_key_is_refused(ask: Ask) -> None:
    assert ask(headers={**TOKEN, "Idempotency-Key": "a b"})[0] == 400


def test_a_run_that_takes_longer_is_answered_with_its_id(ask: Ask, functions: Running) -> None:
    functions.slow = True
    status, body = ask()
    assert status == 202
    assert body["outcome"] == "queued"
    assert body["request"] == functions.asked[0]["firing"]["id"]


def test_a_closed_gate_is_answered_at_once(ask: Ask, cloud: Cloud) -> None:
    cloud.environment = {"SWEEP_ENABLE": "false"}
    status, body = ask()
    assert (status, body["outcome"], body["note"]) == (200, "disabled", "SWEEP_ENABLE is false")


def test_status_only_reads_and_shows_the_status_keys(ask: Ask, cloud: Cloud, functions: Running) -> None:
    ask()
    calls = Calls(cloud)
    status, body = ask("/__cron/run/status")
    assert status == 200
    assert body["sweep:last"]["ok"] is True
    assert (body["sweep:last"]["state"], body["sweep:last"]["progress"]) == ("COMPLETED", 100)
    assert set(calls.made) == {"dynamodb:Query"}


def test_status_shows_each_host_under_its_key(ask: Ask, cloud: Cloud) -> None:
    cloud.dynamodb.put_item(
        TableName=cloud.names.table("state"),
        Item=attributes.row({"pk": "sweep:last", "sk": "shop.example", "status": {"ok": False, "statusCode": 503}}),
    )
    assert ask("/__cron/run/status")[1]["sweep:last:shop.example"]["statusCode"] == 503


def test_many_wrong_tokens_are_reported_by_the_metric_that_has_an_alarm(
    functions: Running, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(log, "metric", lambda job, values: reported.append((job, values)))
    guard = Guard(functions.cloud, report=handler._report_guesses)
    monkeypatch.setattr(handler, "GUARD", guard)
    for number in range(12):
        event = url_event("/__cron/run/sweep", headers={"X-Internal-Health": f"guess {number}"})
        assert handler.handle(event, Context())["statusCode"] == 403
    assert reported == [("trigger", {"Failed": 1})]


def test_its_permissions_write_nothing() -> None:
    actions = {action for grant in handler.GRANTS for action in grant.actions}
    assert not any(word in action for action in actions for word in ("Put", "Update", "Delete", "Write", "Publish"))


def test_a_consumer_is_not_run_without_messages(
    ask: Ask, functions: Running, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = {**ENTRIES["sweep"], "queue": "demo:mail", "schedules": []}
    monkeypatch.setattr(manifest, "load", lambda: {"intake": intake})
    error = "intake is driven by its queue 'demo:mail'; send it a message"
    calls = Calls(cloud)
    for method in ("GET", "POST"):
        assert refused(ask("/__cron/run/intake", method=method)) == (409, "driven-by-queue", error)
    assert functions.asked == []
    assert not [call for call in calls.made if call.startswith("dynamodb:")]
