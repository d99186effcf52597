"""Docs: each site has an index, its links work, and one status covers all sites."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from functions.sites._docs_crawl import DocsCrawl
from functions.sites.docs import Docs
from local.demo.site import DemoSite
from shared.admin import pause
from shared.aws.cloud import Cloud
from shared.run import pauses
from tests.conftest import Lines, VirtualClock, waiting
from tests.functions.sites.conftest import Fire, everything, item, kept
from tests.support.web_server import Handler, Reply, Request, Web, hang, reset


def index(*links: str) -> Reply:
    return Reply(200, "".join(f'<a href="{link}">x</a>' for link in links))


@pytest.fixture
def docs(web: Web) -> Web:
    """An index of three existing pages."""
    web.answers |= {"/docs/": index("a", "/docs/b", f"{web.url}/docs/c#part"), "/docs/a": Reply(200, "a")}
    web.answers |= {"/docs/b": Reply(200, "b"), "/docs/c": Reply(200, "c")}
    return web


def test_a_dead_link_is_found_and_named_under_the_one_key(demo: DemoSite, fire: Fire, cloud: Cloud) -> None:
    report = fire(Docs(), demo.base_urls)
    assert (report.outcome, report.ok) == ("done", False)
    assert report.counts == {"hosts": 2, "links": 10, "dead": 1, "invalid": 0}
    status = item(cloud, "docs-registry:last")["status"]
    broken = next(host for host in demo.hosts if demo.explain(host))
    assert status["ok"] is False
    assert f"{broken}/docs/retries (answered 404)" in status["note"]
    assert item(cloud, f"docs-registry:last:{broken}") == {}


def test_the_artifact_is_one_for_all_sites(demo: DemoSite, fire: Fire, cloud: Cloud) -> None:
    report = fire(Docs(), demo.base_urls)
    artifacts = kept(cloud, "docs/")
    assert set(artifacts) == {report.artifact, "docs/-/latest.json"}
    artifact = artifacts["docs/-/latest.json"]
    assert artifact.items() >= {"kind": "docs", "ok": False, "status": "dead links", "host": "-", "links": 10}.items()
    assert len(artifact["dead"]) == 1


@pytest.mark.parametrize("links", [("#a", "#b"), ("",), ("/docs/#a", "/docs/")])
def test_a_page_that_links_to_itself_only_is_no_index(
    links: tuple[str, ...], web: Web, fire: Fire, cloud: Cloud
) -> None:
    web.answers["/docs/"] = index(*links)
    assert not fire(Docs(), [web.url]).ok
    assert "links to nothing" in item(cloud, "docs-registry:last")["status"]["note"]


def test_each_link_is_asked_for_once_by_head(docs: Web, fire: Fire) -> None:
    assert fire(Docs(), [docs.url]).counts == {"hosts": 1, "links": 3, "dead": 0, "invalid": 0}
    asked = sorted((request.method, request.path) for request in docs.asked)
    assert asked == [("GET", "/docs/"), ("HEAD", "/docs/a"), ("HEAD", "/docs/b"), ("HEAD", "/docs/c")]


def test_only_links_to_the_same_site_are_followed(docs: Web, fire: Fire) -> None:
    with Web() as other:
        links = (
            "a",
            other.url,
            "https://elsewhere.example/",
            "mailto:jane@shop.example",
            "javascript:void(0)",
            "http://[",
        )
        docs.answers["/docs/"] = index(*links)
        assert fire(Docs(), [docs.url]).counts["links"] == 1
        assert other.asked == []


def test_a_paused_site_is_not_walked(docs: Web, fire: Fire, cloud: Cloud) -> None:
    pause.pause(cloud, Docs(), pauses.part(target=docs.host), "ada", "moving")
    report = fire(Docs(), [docs.url])
    assert report.counts == {"hosts": 0, "links": 0, "dead": 0, "invalid": 0, "paused": 1}
    assert report.note == f"1 paused: {docs.host} (ada: moving)"
    assert docs.asked == []


@pytest.mark.parametrize("refusal", [Reply(405), Reply(404), Reply(501), Reply(500), reset])
def test_a_page_that_does_without_head_is_asked_for_by_get(refusal: Any, docs: Web, fire: Fire) -> None:
    def answer(handler: Handler, request: Request) -> Reply | None:
        if request.method == "GET":
            return Reply(200, "a")
        return refusal if isinstance(refusal, Reply) else refusal(handler, request)

    docs.answers["/docs/a"] = answer
    assert fire(Docs(), [docs.url]).ok


def test_a_link_that_failed_once_is_asked_for_again_after_a_pause_and_alive(
    docs: Web, fire: Fire, clock: VirtualClock
) -> None:
    docs.answers["/docs/a"] = [Reply(502), Reply(502), Reply(200)]
    began = clock.now()
    assert fire(Docs(), [docs.url]).ok
    assert (clock.now() - began).total_seconds() >= 2


@pytest.mark.parametrize("reply", [Reply(429), Reply(429, "", {"retry-after": "900"})])
def test_a_page_that_is_asked_for_too_often_is_alive(reply: Reply, docs: Web, fire: Fire) -> None:
    docs.answers["/docs/a"] = reply
    assert fire(Docs(), [docs.url]).ok


def test_a_link_that_leads_on_to_another_site_is_alive_and_not_followed(docs: Web, fire: Fire) -> None:
    docs.answers["/docs/a"] = Reply(302, "", {"location": "https://elsewhere.example/"})
    assert fire(Docs(), [docs.url]).ok


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        (Reply(503), "answered 503"),
        (Reply(200, "soon"), "links to nothing"),
        (index("https://elsewhere.example/"), "links to nothing"),
        (reset, "the connection broke"),
    ],
)
def test_an_index_that_is_none_is_dead(page: Any, fault: str, docs: Web, fire: Fire) -> None:
    docs.answers["/docs/"] = page
    report = fire(Docs(), [docs.url])
    assert report.counts == {"hosts": 1, "links": 0, "dead": 1, "invalid": 0}
    assert f"{docs.host}/docs/ ({fault}" in report.note


def test_a_dead_site_does_not_hide_the_next(docs: Web, fire: Fire) -> None:
    report = fire(Docs(), ["http://nowhere.invalid", docs.url, "nonsense"])
    assert report.counts == {"hosts": 2, "links": 3, "dead": 1, "invalid": 1}


def test_the_work_cap_leaves_the_rest_of_the_links_to_a_continuation(docs: Web, fire: Fire, cloud: Cloud) -> None:
    with Web() as other:
        other.answers |= {"/docs/": index("a"), "/docs/a": Reply(200)}
        docs.answers["/docs/a"] = Reply(404)
        urls, counts, part = [docs.url, other.url], [], 0
        while True:
            report = fire(Docs(), urls, {"part": part}, DOCS_MAX_RUNS_PER_TICK="2")
            counts.append(report.counts["links"])
            sent = waiting(cloud)
            if not sent:
                break
            part = sent[0]["firing"]["part"]
        assert sum(counts) == 4
        assert max(counts) == 2
        # A link was broken in an earlier part: the whole crawl fails.
        assert not report.ok
        heads = [request.path for web in (docs, other) for request in web.asked if request.method == "HEAD"]
        assert sorted(set(heads)) == ["/docs/a", "/docs/b", "/docs/c"]
        assert heads.count("/docs/b") == heads.count("/docs/c") == 1


def test_the_artifact_of_a_crawl_in_parts_has_the_dead_links_of_all_parts(web: Web, fire: Fire, cloud: Cloud) -> None:
    web.answers["/docs/"] = index(*(f"{number:02d}" for number in range(25)))
    web.answers |= {f"/docs/{number:02d}": Reply(404 if number == 3 else 200) for number in range(25)}
    parts = [fire(Docs(), [web.url], DOCS_MAX_RUNS_PER_TICK="10")]
    while sent := waiting(cloud):
        follow = {name: sent[0]["firing"][name] for name in ("part", "bad")}
        parts.append(fire(Docs(), [web.url], follow, DOCS_MAX_RUNS_PER_TICK="10"))
    dead = f"{web.host}/docs/03 (answered 404)"
    assert [part.counts["links"] for part in parts] == [10, 10, 5]
    assert [part.ok for part in parts] == [False] * 3
    latest = kept(cloud, "docs/")["docs/-/latest.json"]
    assert (latest["ok"], latest["status"], latest["dead"]) == (False, "dead links", [dead])
    status = item(cloud, "docs-registry:last")["status"]
    assert (status["ok"], status["streak"], status["note"]) == (False, 1, f"1 dead: {dead}")


def test_a_checkpoint_of_an_earlier_version_keeps_the_verdict(docs: Web, fire: Fire, cloud: Cloud) -> None:
    run = SimpleNamespace(checkpoint={"after": ["", ""], "dead": 2})
    crawl = DocsCrawl(run, [], "/docs/")  # type: ignore[arg-type]
    assert crawl.all_dead == {"2 links of earlier parts": "not named"}


def test_queries_of_dead_links_are_kept_nowhere(docs: Web, fire: Fire, cloud: Cloud, log: Lines) -> None:
    docs.answers["/docs/"] = index("gone?session=canary-4711")
    assert fire(Docs(), [docs.url]).counts["dead"] == 1
    assert "canary-4711" not in everything(cloud, log)


def test_a_link_that_hangs_is_dead_in_time(docs: Web, fire: Fire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.sites._docs_crawl.PATIENCE", 0.5)
    docs.answers["/docs/a"] = hang
    assert fire(Docs(), [docs.url]).note.endswith("/docs/a (no end within 0 s)")


def test_a_dry_run_names_the_indexes(docs: Web, cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    from shared.run.context import RunContext
    from shared.run.firing import Firing

    cloud.environment = {"BASE_URLS": '["https://a.example", 5]'}
    plan = Docs().plan(RunContext(Docs(), Firing("docs", clock.now()), cloud, "-", clock.now(), log, dry=True))
    assert plan[0] == "GET https://a.example/docs/, then HEAD each of its own links"
    assert plan[1].startswith("skip BASE_URLS, entry 2")
