"""Web evaluations: each queued task is executed once, by the run that claims it, and its result is stored."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from functions.sites._webevals import Task, Webevals, queue
from functions.sites.seed import seed
from functions.sites.webeval import HOSTS, Webeval
from local.demo import site as demo_site
from local.demo.site import DemoSite
from shared import clock as clocks
from shared.admin import pause
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.names import Names
from shared.run import pauses
from shared.run.claim import LEASE_MARGIN
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import Lines, VirtualClock, waiting
from tests.functions.sites.conftest import Fire, everything, item, kept
from tests.support.failing_calls import failing, named
from tests.support.web_server import Handler, Reply, Request, Web, hang, reset

ENDPOINT = "/api/web-eval/run"
GOOD = Reply(200, '{"score": 80, "note": "fine"}')
LIFE = Webeval.timeout + LEASE_MARGIN + 1


@pytest.fixture
def site(web: Web) -> Web:
    web.answers[ENDPOINT] = GOOD
    return web


@pytest.fixture
def go(fire: Fire, site: Web) -> Any:
    """Run the job with its gates open for the site; the tick is the clock's minute."""

    def gone(firing: dict[str, Any] | None = None, **settings: str) -> RunReport:
        gates = {"WEB_EVAL_EXEC_ENABLE": "true", "WEB_EVAL_EXEC_HOSTS": site.host, **settings}
        return fire(Webeval(), [site.url], firing, **gates)

    return gone


def row(cloud: Cloud, task: str) -> dict[str, Any]:
    found = cloud.dynamodb.get_item(
        TableName=cloud.names.table("webevals"), Key=attributes.row({"pk": task, "sk": "-"}), ConsistentRead=True
    )
    return attributes.plain(found["Item"])


def ask(cloud: Cloud, site: Web, count: int = 1) -> list[str]:
    return [queue(cloud, site.host, f"{site.url}/page-{number}") for number in range(count)]


def test_a_queued_task_is_evaluated_and_its_result_kept(go: Any, cloud: Cloud, site: Web, clock: VirtualClock) -> None:
    (task,) = ask(cloud, site)
    report = go()
    assert (report.outcome, report.ok, report.counts) == ("done", True, {"due": 1, "done": 1})
    kept_row = row(cloud, task)
    assert kept_row.items() >= {"state": "done", "status": 200, "attempt": 1, "run": report.run_id}.items()
    assert json.loads(kept_row["result"]) == {"score": 80, "note": "fine"}
    assert "queue" not in kept_row
    assert "due" not in kept_row
    assert kept_row["expires"] > clock.now().timestamp()
    (request,) = site.asked
    assert json.loads(request.body) == {"task": task, "url": f"{site.url}/page-0"}
    assert request.headers["idempotency-key"] == task


def test_status_and_artifact_are_the_hosts(go: Any, cloud: Cloud, site: Web) -> None:
    (task,) = ask(cloud, site)
    report = go()
    status = item(cloud, f"webeval:last:{site.host}")["status"]
    assert status.items() >= {"ok": True, "statusCode": 200, "outcome": "done"}.items()
    artifact = kept(cloud, "webeval/")[str(report.artifact)]
    assert artifact.items() >= {"kind": "webeval", "ok": True, "status": 200, "host": site.host}.items()
    assert artifact["tasks"][0]["task"] == task


def test_a_finished_task_is_not_found_again(go: Any, cloud: Cloud, site: Web, clock: VirtualClock) -> None:
    ask(cloud, site)
    go()
    clock.move(minutes=5)
    assert go().counts == {"due": 0}
    assert len(site.asked) == 1


def test_the_tasks_of_a_paused_site_wait(go: Any, cloud: Cloud, site: Web, clock: VirtualClock) -> None:
    (task,) = ask(cloud, site)
    part = pauses.part(target=site.host)
    pause.pause(cloud, Webeval(), part, "ada", "moving")
    report = go()
    assert (report.counts, report.ok) == ({"due": 0, "paused": 1}, True)
    assert (row(cloud, task)["state"], site.asked) == ("queued", [])
    pause.resume(cloud, Webeval(), part, "ada", "moved")
    clock.move(minutes=5)
    assert go().counts == {"due": 1, "done": 1}


def test_it_is_off_until_it_is_enabled(fire: Fire, cloud: Cloud, site: Web) -> None:
    ask(cloud, site)
    assert fire(Webeval(), [site.url], WEB_EVAL_EXEC_HOSTS=site.host).outcome == "disabled"
    assert site.asked == []


@pytest.mark.parametrize("hosts", ["", " , "])
def test_without_an_allowed_host_it_is_forbidden(hosts: str, go: Any, cloud: Cloud, site: Web) -> None:
    ask(cloud, site)
    assert go(WEB_EVAL_EXEC_HOSTS=hosts).outcome == "forbidden"
    assert go({"target": site.host}, WEB_EVAL_EXEC_HOSTS="other.example").outcome == "forbidden"
    assert site.asked == []


@pytest.mark.parametrize("form", ["{}", "http://{}", "HTTP://{}/", " {}/ ,", "http://{}/path"])
def test_a_host_may_be_named_by_its_url(form: str, go: Any, cloud: Cloud, site: Web) -> None:
    ask(cloud, site)
    assert go(WEB_EVAL_EXEC_HOSTS=form.format(site.host)).counts == {"due": 1, "done": 1}


def test_hosts_are_named_in_any_letter_case() -> None:
    assert HOSTS.parse("Shop.EXAMPLE, https://B.example:443/,b\u00fccher.example.") == (
        "shop.example",
        "b.example",
        "xn--bcher-kva.example",
    )
    with pytest.raises(ValueError, match="host"):
        HOSTS.parse("a..b")


def test_tasks_of_other_hosts_stay_where_they_are(go: Any, cloud: Cloud, site: Web) -> None:
    with Web() as other:
        other.answers[ENDPOINT] = GOOD
        task = queue(cloud, other.host, f"{other.url}/")
        report = go(BASE_URLS=json.dumps([site.url, other.url]))
        assert report.counts == {"due": 0}
        assert other.asked == []
        assert row(cloud, task)["state"] == "queued"


def test_an_allowed_host_that_is_no_site_is_reported(go: Any, site: Web) -> None:
    report = go(WEB_EVAL_EXEC_HOSTS=f"{site.host},typo.example")
    assert not report.ok
    assert "typo.example of WEB_EVAL_EXEC_HOSTS is not in BASE_URLS" in report.note


def test_a_tick_begins_no_more_tasks_than_its_cap(go: Any, cloud: Cloud, site: Web, clock: VirtualClock) -> None:
    ask(cloud, site, 5)
    assert go(WEB_EVAL_EXEC_MAX_RUNS_PER_TICK="2").counts == {"due": 2, "done": 2}
    assert waiting(cloud) == []
    assert len(site.asked) == 2
    clock.move(minutes=5)
    go(WEB_EVAL_EXEC_MAX_RUNS_PER_TICK="2")
    assert len(site.asked) == 4


def test_the_cap_holds_for_all_attempts_at_a_tick(
    go: Any, cloud: Cloud, site: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(cloud, site, 5)
    done = Webevals.done
    monkeypatch.setattr(Webevals, "done", lambda *_: 1 / 0)
    assert go(WEB_EVAL_EXEC_MAX_RUNS_PER_TICK="2").outcome == "failed"
    monkeypatch.setattr(Webevals, "done", done)
    assert go({"attempt": 2}, WEB_EVAL_EXEC_MAX_RUNS_PER_TICK="2").counts == {"due": 0}
    assert len(site.asked) == 2


def test_the_eldest_come_first(go: Any, cloud: Cloud, site: Web, clock: VirtualClock) -> None:
    for number in (3, 1, 2):
        clock.instant = clock.instant.replace(second=number)
        queue(cloud, site.host, f"{site.url}/page-{number}")
    clock.instant = clock.instant.replace(second=30)
    go(WEB_EVAL_EXEC_MAX_RUNS_PER_TICK="2")
    assert sorted(json.loads(request.body)["url"][-1] for request in site.asked) == ["1", "2"]


def test_the_eldest_come_first_whichever_site_they_are_for(
    fire: Fire, cloud: Cloud, site: Web, clock: VirtualClock
) -> None:
    with Web() as other:
        other.answers[ENDPOINT] = GOOD
        first, last = sorted((site, other), key=lambda web: web.host)
        queue(cloud, last.host, f"{last.url}/elder")
        clock.move(seconds=1)
        queue(cloud, first.host, f"{first.url}/younger")
        gates = {"WEB_EVAL_EXEC_ENABLE": "true", "WEB_EVAL_EXEC_HOSTS": f"{first.host},{last.host}"}
        fire(Webeval(), [site.url, other.url], WEB_EVAL_EXEC_MAX_RUNS_PER_TICK="1", **gates)
        assert (len(first.asked), len(last.asked)) == (0, 1)


def test_in_production_the_call_says_that_it_is_ours(cloud: Cloud, site: Web, log: Lines, clock: VirtualClock) -> None:
    for names, sent in ((Names("prod", "1", "us-east-1"), "1"), (Names("test", "1", "us-east-1"), None)):
        task = Task("t", site.host, f"{site.url}/", clocks.iso(clock.now()), 0)
        tick = RunContext(Webeval(), Firing("webeval", clock.now()), cloud, "run-1", clock.now(), log)
        tasks = Webevals(cloud, "run-1")
        queue(cloud, site.host, f"{site.url}/", "t")
        elsewhere = Cloud(names, clock, {})
        elsewhere.__dict__["dynamodb"] = cloud.dynamodb
        tick.cloud = elsewhere
        Webeval()._execute(tick, tasks, [(_target(site), task)])
        assert site.asked[-1].headers.get("x-internal-exec") == sent
        cloud.dynamodb.delete_item(TableName=cloud.names.table("webevals"), Key=attributes.row({"pk": "t", "sk": "-"}))


def _target(site: Web) -> Any:
    from shared.http.sites import Site

    return Site(site.host, site.url)


def test_a_production_endpoint_refuses_calls_that_are_not_ours(cloud: Cloud, fire: Fire) -> None:
    closed = demo_site.start(production=True)
    try:
        host, url = closed.hosts[0], closed.base_urls[0]
        task = queue(cloud, host, f"{url}/pricing")
        gates = {"WEB_EVAL_EXEC_ENABLE": "true", "WEB_EVAL_EXEC_HOSTS": host}
        assert fire(Webeval(), [url], **gates).counts == {"due": 1, "retried": 1}
        assert row(cloud, task)["error"] == "answered 403"
    finally:
        closed.stop()


def test_the_demo_site_evaluates_its_pages(demo: DemoSite, fire: Fire, cloud: Cloud) -> None:
    cloud.environment = {"BASE_URLS": json.dumps(demo.base_urls)}
    assert seed(cloud, 4) == {"webevals": 4}
    gates = {"WEB_EVAL_EXEC_ENABLE": "true", "WEB_EVAL_EXEC_HOSTS": ",".join(demo.hosts)}
    report = fire(Webeval(), demo.base_urls, **gates)
    assert report.counts == {"due": 4, "done": 2, "retried": 2}
    assert {host: item(cloud, f"webeval:last:{host}")["status"]["ok"] for host in demo.hosts} == {
        host: not demo.explain(host) for host in demo.hosts
    }


def test_seeding_without_sites_makes_nothing(cloud: Cloud) -> None:
    assert seed(cloud, 5) == {"webevals": 0}


@pytest.mark.parametrize("reply", [Reply(500), Reply(200, "<html>"), Reply(200, "[]"), Reply(401), reset])
def test_a_failing_task_is_tried_three_times_at_later_ticks_and_then_failed_with_its_reason(
    reply: Any, go: Any, cloud: Cloud, site: Web, clock: VirtualClock
) -> None:
    (task,) = ask(cloud, site)
    site.answers[ENDPOINT] = reply
    states = []
    for _ in range(8):
        report = go()
        assert report.outcome == "done"
        states.append(row(cloud, task)["state"])
        clock.move(minutes=5)
    assert states == ["queued", "queued", "queued", "queued", "failed", "failed", "failed", "failed"]
    assert len(site.asked) == 3
    assert row(cloud, task)["error"].startswith("attempt 3 of 3: ")
    assert "due" not in row(cloud, task)


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_task_that_the_site_will_never_take_fails_at_once(status: int, go: Any, cloud: Cloud, site: Web) -> None:
    (task,) = ask(cloud, site)
    site.answers[ENDPOINT] = Reply(status)
    report = go()
    assert (report.ok, report.counts) == (False, {"due": 1, "failed": 1})
    assert row(cloud, task).items() >= {"state": "failed", "error": f"answered {status}", "status": status}.items()


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        (Reply(429, "", {"retry-after": "1200"}), 1200),
        (Reply(503, "", {"retry-after": "1200"}), 1200),
        (Reply(429), 60),
        (Reply(429, "", {"retry-after": "99999999"}), 86400),
    ],
)
def test_a_site_that_is_busy_puts_its_task_off_and_no_attempt_is_counted(
    reply: Reply, seconds: int, go: Any, cloud: Cloud, site: Web, clock: VirtualClock
) -> None:
    (task,) = ask(cloud, site)
    site.answers[ENDPOINT] = [reply, GOOD]
    assert go().counts == {"due": 1, "put_off": 1}
    due = clocks.parse(row(cloud, task)["due"])
    assert (due - clock.now()).total_seconds() == seconds
    assert row(cloud, task)["attempt"] == 0
    clock.move(seconds=seconds)
    assert go().counts == {"due": 1, "done": 1}


def test_a_busy_site_is_not_asked_for_its_other_tasks(go: Any, cloud: Cloud, site: Web) -> None:
    first = threading.Event()

    def busy(_: Handler, __: Request) -> Reply:
        first.set()
        return Reply(429, "", {"retry-after": "1200"})

    ask(cloud, site, 6)
    site.answers[ENDPOINT] = busy
    assert go().counts == {"due": 6, "put_off": 6}
    assert len(site.asked) <= 4


def test_the_key_stays_where_no_answer_came_and_changes_after_a_bad_one(
    go: Any, cloud: Cloud, site: Web, clock: VirtualClock
) -> None:
    (task,) = ask(cloud, site)
    replies: list[Any] = [reset, Reply(500), GOOD]
    site.answers[ENDPOINT] = lambda handler, request: (
        reply if isinstance(reply := replies.pop(0), Reply) else reply(handler, request)
    )
    for _ in range(5):
        go()
        clock.move(minutes=5)
    assert [request.headers["idempotency-key"] for request in site.asked] == [task, task, f"{task}-1"]
    assert row(cloud, task)["state"] == "done"


def test_a_claim_is_one_runs_alone(cloud: Cloud, site: Web, clock: VirtualClock) -> None:
    ask(cloud, site)
    one, other = Webevals(cloud, "run-1"), Webevals(cloud, "run-2")
    (seen,), (seen_too,) = one.due(site.host, 5), other.due(site.host, 5)
    until = clock.now().replace(hour=13)
    assert one.claim(seen, until) is not None
    assert other.claim(seen_too, until) is None
    assert other.due(site.host, 5) == []


def test_a_claim_whose_reply_was_lost_is_recognised(cloud: Cloud, site: Web, clock: VirtualClock) -> None:
    ask(cloud, site)
    tasks = Webevals(cloud, "run-1")
    (seen,) = tasks.due(site.host, 5)
    until = clock.now().replace(hour=13)
    assert tasks.claim(seen, until) == tasks.claim(seen, until) != None  # noqa: E711 - neither may be None


def test_a_task_of_a_run_that_died_is_taken_up_once_its_claim_ran_out(
    go: Any, cloud: Cloud, site: Web, clock: VirtualClock
) -> None:
    (task,) = ask(cloud, site)
    dead = Webevals(cloud, "run-that-died")
    (seen,) = dead.due(site.host, 5)
    dead.claim(seen, clock.now().replace(minute=6))
    clock.move(minutes=5)
    assert go().counts == {"due": 0}
    clock.move(minutes=5)
    assert go().counts == {"due": 1, "done": 1}
    assert row(cloud, task)["attempt"] == 2
    assert site.asked[0].headers["idempotency-key"] == task


def test_a_task_that_kills_its_runs_is_given_up(go: Any, cloud: Cloud, site: Web, clock: VirtualClock) -> None:
    (task,) = ask(cloud, site)
    for number in range(3):
        dead = Webevals(cloud, f"run-{number}")
        (seen,) = dead.due(site.host, 5)
        dead.claim(seen, clock.now().replace(second=30))
        clock.move(minutes=1)
    assert go().counts == {"due": 1, "failed": 1}
    assert row(cloud, task)["error"] == "all 3 runs that began it were interrupted"
    assert site.asked == []


def test_a_zombies_result_is_not_stored_over_its_successors(
    go: Any, cloud: Cloud, site: Web, clock: VirtualClock
) -> None:
    """The first run's site answers after the run has lost lease and claim."""
    (task,) = ask(cloud, site)

    def late(_: Handler, __: Request) -> Reply:
        site.answers[ENDPOINT] = Reply(200, '{"by": "successor"}')
        clock.move(seconds=LIFE)
        successor = Webevals(cloud, "run-successor")
        (seen,) = successor.due(site.host, 5)
        claimed = successor.claim(seen, clock.now().replace(hour=20))
        assert claimed is not None
        assert successor.done(claimed, '{"by": "successor"}', {"at": clocks.iso(clock.now()), "note": ""})
        return Reply(200, '{"by": "zombie"}')

    site.answers[ENDPOINT] = late
    assert go().counts == {"due": 1, "taken": 1}
    assert json.loads(row(cloud, task)["result"]) == {"by": "successor"}


def test_a_site_that_hangs_holds_up_nothing_else(
    cloud: Cloud, site: Web, fire: Fire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.sites.webeval.EVALUATION", 0.3)
    with Web() as other:
        other.answers[ENDPOINT] = hang
        slow, quick = queue(cloud, other.host, f"{other.url}/"), queue(cloud, site.host, f"{site.url}/")
        gates = {"WEB_EVAL_EXEC_ENABLE": "true", "WEB_EVAL_EXEC_HOSTS": f"{site.host},{other.host}"}
        report = fire(Webeval(), [site.url, other.url], **gates)
        assert report.counts == {"due": 2, "done": 1, "retried": 1}
        assert row(cloud, quick)["state"] == "done"
        assert row(cloud, slow)["error"] == "no answer within 0.3 s"


def test_a_result_too_large_for_a_row_is_a_fault(go: Any, cloud: Cloud, site: Web) -> None:
    (task,) = ask(cloud, site)
    site.answers[ENDPOINT] = Reply(200, json.dumps({"text": "x" * 70_000}))
    go()
    assert row(cloud, task)["error"] == "answered a result of more than 65536 bytes"


def test_a_sample_of_the_result_is_cut_and_holds_no_secret(go: Any, cloud: Cloud, site: Web, log: Lines) -> None:
    ask(cloud, site)
    site.answers[ENDPOINT] = Reply(200, json.dumps({"token": "canary-4711", "text": "x" * 5000}))
    report = go()
    assert "canary-4711" not in everything(cloud, log)
    assert len(kept(cloud, "webeval/")[report.artifact]["tasks"][0]["sample"]) == 512


def test_the_same_task_queued_twice_is_one(cloud: Cloud, site: Web) -> None:
    assert queue(cloud, site.host, f"{site.url}/", "t-1") == queue(cloud, site.host, f"{site.url}/other", "t-1")
    assert row(cloud, "t-1")["url"] == f"{site.url}/"


def test_what_is_no_url_is_not_queued(cloud: Cloud, site: Web) -> None:
    with pytest.raises(ValueError, match="neither https:// nor http://"):
        queue(cloud, site.host, "javascript:alert(1)")


def test_a_dry_run_names_the_tasks_and_claims_none(cloud: Cloud, site: Web, log: Lines, clock: VirtualClock) -> None:
    (task,) = ask(cloud, site)
    cloud.environment = {"BASE_URLS": json.dumps([site.url]), "WEB_EVAL_EXEC_HOSTS": site.host}
    plan = Webeval().plan(RunContext(Webeval(), Firing("webeval", clock.now()), cloud, "-", clock.now(), log, dry=True))
    assert plan == [f"have {site.host} evaluate {site.url}/page-0 (task {task})"]
    assert row(cloud, task)["state"] == "queued"
    assert site.asked == []


def test_an_error_of_aws_is_the_runs_failure_and_is_retried(
    go: Any, cloud: Cloud, site: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(cloud, site)

    def refused(*_: Any) -> None:
        raise ConnectionError("the table is gone")

    monkeypatch.setattr(Webevals, "claim", refused)
    assert go().outcome == "failed"
    (letter,) = waiting(cloud)
    assert letter["firing"]["attempt"] == 2


def test_a_second_delivery_of_a_tick_asks_for_nothing(cloud: Cloud, go: Any, site: Web, clock: VirtualClock) -> None:
    ask(cloud, site)
    go()
    assert run(Webeval(), replace(Firing("webeval", clock.now())), cloud, Lines(clock)).outcome == "deduplicated"
    assert len(site.asked) == 1


class AfterEnd:
    """Fail calls from the artifact's first write on: the one of this number, or that and all later ones."""

    def __init__(self, number: int, *, lasting: bool) -> None:
        self.number = number
        self.lasting = lasting
        self.first = 0

    def __call__(self, made: int, name: str) -> bool:
        if not self.first and name == "s3:PutObject":
            self.first = made
        since = made - self.first + 1 if self.first else 0
        return since >= self.number if self.lasting else since == self.number


# The calls that follow a task's end: object, pointer with its read, host's status, report, and one of the run's end.
CALLS_AFTER_END = 6


@pytest.mark.parametrize("number", range(1, CALLS_AFTER_END + 1))
@pytest.mark.parametrize(
    ("lasting", "reply_lost"), [(False, False), (False, True), (True, False)], ids=["call", "reply", "crash"]
)
@pytest.mark.parametrize(("reply", "state"), [(Reply(404), "failed"), (Reply(500), "retried")])
def test_a_failure_after_a_tasks_end_delays_artifact_and_status(
    reply: Reply,
    state: str,
    number: int,
    lasting: bool,
    reply_lost: bool,
    go: Any,
    cloud: Cloud,
    site: Web,
    clock: VirtualClock,
) -> None:
    (task,) = ask(cloud, site)
    site.answers[ENDPOINT] = reply
    with failing(cloud, AfterEnd(number, lasting=lasting), reply_lost=reply_lost), suppress(ConnectionClosedError):
        go()
    assert row(cloud, task)["attempt"] == 1
    go({"attempt": 2})
    # Without a retry, as after a crash: the next tick.
    clock.move(seconds=LIFE - LIFE % 300 + 300)
    site.answers[ENDPOINT] = reset
    go()
    artifacts = kept(cloud, f"webeval/{site.host.replace(':', '_')}/")
    assert (task, state) in {(seen["task"], seen["state"]) for each in artifacts.values() for seen in each["tasks"]}
    latest = artifacts[next(key for key in artifacts if key.endswith("latest.json"))]
    status = item(cloud, f"webeval:last:{site.host}")["status"]
    assert (latest["ok"], status["ok"]) == (state == "done", state == "done")
    assert not {"unreported", "ended", "report"} & set(row(cloud, task))
    assert len(site.asked) == (1 if state != "retried" else 2)


def test_a_bad_result_that_is_reported_twice_counts_once(
    go: Any, cloud: Cloud, site: Web, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(cloud, site)
    site.answers[ENDPOINT] = Reply(404)
    with monkeypatch.context() as crash:
        crash.setattr(Webevals, "reported", lambda *_: 1 / 0)
        assert go().outcome == "failed"
    clock.move(minutes=5)
    report = go()
    assert (report.counts, report.ok) == ({"due": 0, "failed": 1}, False)
    host = item(cloud, f"webeval:last:{site.host}")
    assert (host["streak"], host["status"]["note"]) == (1, "answered 404")
    clock.move(minutes=5)
    assert (go().counts, len(site.asked)) == ({"due": 0}, 1)


def test_a_host_whose_artifact_fails_keeps_its_reports_and_those_of_others(
    fire: Fire, cloud: Cloud, site: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Web() as other:
        other.answers[ENDPOINT] = GOOD
        ids = {web.host: queue(cloud, web.host, f"{web.url}/") for web in (site, other)}
        gates = {"WEB_EVAL_EXEC_ENABLE": "true", "WEB_EVAL_EXEC_HOSTS": ",".join(ids)}
        with failing(cloud, named("s3:PutObject")):
            assert fire(Webeval(), [site.url, other.url], **gates).outcome == "failed"
        assert fire(Webeval(), [site.url, other.url], {"attempt": 2}, **gates).counts == {"due": 0, "done": 2}
        for host, task in ids.items():
            (seen,) = kept(cloud, f"webeval/{host.replace(':', '_')}/latest.json").values()
            assert [each["task"] for each in seen["tasks"]] == [task]
            assert item(cloud, f"webeval:last:{host}")["status"]["ok"]


def test_a_report_of_a_later_attempt_is_not_removed_with_an_earlier_one(
    go: Any, cloud: Cloud, site: Web, clock: VirtualClock
) -> None:
    (task,) = ask(cloud, site)
    site.answers[ENDPOINT] = Reply(500)
    with failing(cloud, named("s3:PutObject")):
        go()
    tasks = Webevals(cloud, "run-2")
    [(found, earlier)] = tasks.unreported(site.host)
    clock.move(minutes=10)
    with failing(cloud, named("s3:PutObject")):
        go()
    tasks.reported(found, earlier)
    [(_, later)] = tasks.unreported(site.host)
    assert (found, earlier["attempt"], later["attempt"]) == (task, 1, 2)
