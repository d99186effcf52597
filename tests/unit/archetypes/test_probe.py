"""Probes: every site is visited, and each answer or failure is a result."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared import clock as clocks
from shared.archetypes.probe import Probe, Verdict
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET
from shared.http.client import HttpResponse
from shared.job.schedule import every
from shared.job.validation import DeclarationError
from shared.run import status
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import NOON, Calls, Lines, VirtualClock, letters, waiting
from tests.support.web_server import Behaviour, Reply, Web, babble, drip, hang, reset, slow_headers


class Look(Probe):
    """Check that a site answers hello."""

    name = "look"
    schedule = every(minutes=15)
    path = "/hello"
    read_timeout = 0.4
    patience = 2
    rate = 1000

    def judge(self, answer: HttpResponse) -> Verdict:
        word = answer.text.split()[0]
        return Verdict(word == "hello", "" if word == "hello" else "says no hello", {"word": word})


FIRED = Firing("look", NOON, correlation_id="c-1")
HELLO = Reply(200, "hello there")


@pytest.fixture
def webs() -> Iterator[list[Web]]:
    """Three sites that answer hello, in the order of their hosts."""
    with Web() as one, Web() as two, Web() as three:
        for web in (one, two, three):
            web.answers["/hello"] = HELLO
        yield sorted((one, two, three), key=lambda web: web.host)


def visit(
    cloud: Cloud, log: Lines, *entries: Any, firing: Firing = FIRED, job: Probe | None = None, **more: str
) -> RunReport:
    urls = [entry.url if isinstance(entry, Web) else entry for entry in entries]
    cloud.environment = {"BASE_URLS": json.dumps(urls), **more}
    return run(job or Look(), firing, cloud, log)


def shown(cloud: Cloud, host: str, key: str = "look") -> dict[str, Any]:
    found = cloud.dynamodb.get_item(
        TableName=cloud.names.table("state"), Key=attributes.row({"pk": f"{key}:last", "sk": host})
    )
    return attributes.plain(found.get("Item"))


def objects(cloud: Cloud, prefix: str = "") -> dict[str, Any]:
    listed = cloud.s3.list_objects_v2(Bucket=cloud.names.bucket, Prefix=prefix).get("Contents", [])
    return {
        thing["Key"]: json.loads(cloud.s3.get_object(Bucket=cloud.names.bucket, Key=thing["Key"])["Body"].read())
        for thing in listed
    }


def folder(web: Web) -> str:
    return f"look/{web.host.replace(':', '_')}"


def probing() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("fan-out")]


def test_every_site_has_a_status_and_an_artifact_of_its_own(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    report = visit(cloud, log, *webs)
    assert (report.outcome, report.ok) == ("done", True)
    assert report.counts == {"hosts": 3, "ok": 3, "bad": 0, "invalid": 0}
    for web in webs:
        item = shown(cloud, web.host)
        assert item["tick"] == FIRED.position
        assert (
            item["status"].items() >= {"ok": True, "outcome": "done", "statusCode": 200, "at": clocks.iso(NOON)}.items()
        )
        assert isinstance(item["status"]["ms"], int)
        kept = objects(cloud, folder(web))
        assert set(kept) == {f"{folder(web)}/2026/03/02/{report.run_id}.json", f"{folder(web)}/latest.json"}
        for artifact in kept.values():
            assert artifact.items() >= {"kind": "look", "ok": True, "status": 200, "host": web.host}.items()
            assert artifact["at"] == clocks.iso(NOON)
            assert isinstance(artifact["ms"], int)
            assert (artifact["word"], artifact["sample"]) == ("hello", "hello there")


def test_a_bad_site_is_a_verdict_and_no_failure_of_the_job(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    webs[1].answers["/hello"] = Reply(200, "go away")
    report = visit(cloud, log, *webs)
    assert (report.outcome, report.ok) == ("done", False)
    assert report.counts == {"hosts": 3, "ok": 2, "bad": 1, "invalid": 0}
    assert f"1 of 3 bad: {webs[1].host} (says no hello)" in report.note
    assert shown(cloud, webs[1].host)["status"]["note"] == "says no hello"
    assert waiting(cloud) == []
    assert letters(cloud, "firings-dlq") == []


def test_a_site_is_asked_twice_before_it_is_called_bad(
    cloud: Cloud, log: Lines, webs: list[Web], clock: VirtualClock
) -> None:
    webs[0].answers["/hello"] = [Reply(500, "oh"), HELLO]
    webs[1].answers["/hello"] = Reply(500, "oh")
    report = visit(cloud, log, *webs)
    assert [len(web.asked) for web in webs] == [2, 2, 1]
    assert report.counts == {"hosts": 3, "ok": 2, "bad": 1, "invalid": 0}
    assert clock.now() > NOON


@pytest.mark.parametrize(
    "behaviour", [hang, reset, babble, drip, slow_headers, Reply(200, ""), Reply(200, b"\xff\x00")]
)
def test_whatever_one_site_does_the_others_are_judged(
    behaviour: Behaviour | Reply, cloud: Cloud, log: Lines, webs: list[Web]
) -> None:
    webs[0].answers["/hello"] = behaviour
    started = time.monotonic()
    report = visit(cloud, log, *webs)
    assert time.monotonic() - started < 4
    assert (report.outcome, report.counts["bad"], report.counts["ok"]) == ("done", 1, 2)
    assert shown(cloud, webs[0].host)["status"]["note"]
    assert objects(cloud, folder(webs[0]))[f"{folder(webs[0])}/latest.json"]["ok"] is False


def test_a_site_that_is_not_there_is_a_verdict(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    report = visit(cloud, log, webs[0], "http://nowhere.invalid", f"https://{webs[1].host}")
    assert report.counts == {"hosts": 3, "ok": 1, "bad": 2, "invalid": 0}
    assert shown(cloud, "nowhere.invalid")["status"]["note"] == "the name does not resolve"
    assert shown(cloud, webs[1].host)["status"]["note"].startswith("TLS")
    assert objects(cloud, "look/nowhere.invalid")["look/nowhere.invalid/latest.json"]["status"] is None


def test_a_dead_site_slows_the_others_by_no_more_than_its_own_time(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    webs[0].answers["/hello"] = slow_headers
    started = time.monotonic()
    visit(cloud, log, *webs)
    assert time.monotonic() - started < Look.patience + 1
    # The client ends it: each byte comes in time, and the head does not.
    assert shown(cloud, webs[0].host)["status"]["note"] == "no answer within 0.4 s"


def test_an_invalid_entry_is_reported_and_skipped(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    report = visit(cloud, log, webs[0], "nonsense", 7, webs[1])
    assert report.counts == {"hosts": 2, "ok": 2, "bad": 0, "invalid": 2}
    assert report.ok
    assert "2 entries of BASE_URLS cannot be used" in report.note
    assert len(log.said("base_url_invalid")) == 2


def test_entries_of_which_none_can_be_used_are_not_well(cloud: Cloud, log: Lines) -> None:
    report = visit(cloud, log, "nonsense")
    assert (report.outcome, report.ok) == ("done", False)


def test_no_sites_is_nothing_to_do(cloud: Cloud, log: Lines) -> None:
    report = visit(cloud, log)
    assert (report.ok, report.counts["hosts"], report.note) == (True, 0, "BASE_URLS names no site")
    assert objects(cloud) == {}


def test_a_setting_that_is_no_array_fails_at_once_and_says_so(cloud: Cloud, log: Lines) -> None:
    cloud.environment = {"BASE_URLS": "https://a.example"}
    report = run(Look(), FIRED, cloud, log)
    assert report.outcome == "failed"
    assert "BASE_URLS='https://a.example': is not JSON" in report.note
    assert waiting(cloud) == []


def test_a_firing_for_one_site_looks_at_that_one(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    by_hand = replace(FIRED, target=webs[1].host, manual=True, id="m-1")
    report = visit(cloud, log, *webs, firing=by_hand)
    assert [len(web.asked) for web in webs] == [0, 1, 0]
    assert report.counts["hosts"] == 1


def test_a_firing_for_an_unknown_site_is_dead_at_once(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    report = visit(cloud, log, *webs, firing=replace(FIRED, target="nowhere.example"))
    assert report.outcome == "failed"
    assert "'nowhere.example' is no host of BASE_URLS" in report.note
    (letter,) = letters(cloud, "firings-dlq")
    assert letter["dead"]["reason"] == "rejected"
    assert [len(web.asked) for web in webs] == [0, 0, 0]


def test_a_retry_looks_only_at_sites_without_a_result_for_its_tick(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    job, states = Look(), iter((True, False))
    at = clocks.iso(NOON)
    for web, ok in zip(webs, states, strict=False):
        status.write_host(cloud, job, web.host, FIRED.position, {"ok": ok, "at": at, "ms": 1})
    status.write_host(cloud, job, webs[2].host, "2026-03-02T11:45Z#00", {"ok": True, "at": "2026-03-02T11:45:00.000Z"})
    report = visit(cloud, log, *webs, firing=replace(FIRED, attempt=2))
    assert [len(web.asked) for web in webs] == [0, 0, 1]
    assert report.counts == {"hosts": 3, "ok": 2, "bad": 1, "invalid": 0}
    assert not report.ok


def test_results_of_an_attempt_that_failed_half_way_are_kept_and_not_made_again(
    cloud: Cloud, log: Lines, webs: list[Web], monkeypatch: pytest.MonkeyPatch, clock: VirtualClock
) -> None:
    class Narrow(Look):
        """Look at one site at a time."""

        name = "look"
        width = 1

    write = status.write_host

    def failing(cloud: Cloud, job: Probe, host: str, *rest: Any) -> bool:
        if host != webs[0].host:
            raise ConnectionError("the table is gone")
        return write(cloud, job, host, *rest)

    monkeypatch.setattr(status, "write_host", failing)
    assert visit(cloud, log, *webs, job=Narrow()).outcome == "failed"
    monkeypatch.setattr(status, "write_host", write)
    (letter,) = waiting(cloud)
    clock.move(seconds=5)
    asked = len(webs[0].asked)
    report = visit(cloud, log, *webs, job=Narrow(), firing=replace(FIRED, attempt=letter["firing"]["attempt"]))
    assert report.counts == {"hosts": 3, "ok": 3, "bad": 0, "invalid": 0}
    assert len(webs[0].asked) == asked


def test_a_status_never_goes_back_in_time(cloud: Cloud, log: Lines, webs: list[Web], clock: VirtualClock) -> None:
    """A suspended run resumes and writes an old result."""
    sleeper = Look()
    clock.move(minutes=15)
    visit(cloud, log, *webs, firing=replace(FIRED, at=clock.now()))
    newer = {web.host: shown(cloud, web.host) for web in webs}
    latest = objects(cloud, folder(webs[0]))[f"{folder(webs[0])}/latest.json"]
    clock.instant = NOON
    webs[0].answers["/hello"] = Reply(500, "down")
    visit(cloud, log, *webs, job=sleeper, firing=replace(FIRED, manual=True, id="m-1"))
    assert {web.host: shown(cloud, web.host) for web in webs} == newer
    kept = objects(cloud, folder(webs[0]))
    assert kept[f"{folder(webs[0])}/latest.json"] == latest
    assert len(kept) == 3


def test_bad_verdicts_in_a_row_are_counted_and_a_good_one_ends_the_row(
    cloud: Cloud, log: Lines, webs: list[Web], clock: VirtualClock
) -> None:
    streaks = []
    for reply in (Reply(500, "down"), Reply(500, "down"), HELLO):
        webs[0].answers["/hello"] = reply
        visit(cloud, log, webs[0], firing=replace(FIRED, at=clock.now()))
        streaks.append(shown(cloud, webs[0].host)["streak"])
        clock.move(minutes=15)
    assert streaks == [1, 2, 0]


def test_a_work_cap_leaves_the_rest_to_a_continuation(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    webs[0].answers["/hello"] = Reply(500, "down")
    first = visit(cloud, log, *webs, LOOK_MAX_RUNS_PER_TICK="2")
    assert first.counts == {"hosts": 2, "ok": 1, "bad": 1, "invalid": 0}
    assert [len(web.asked) for web in webs] == [2, 1, 0]
    (letter,) = waiting(cloud)
    onward = replace(FIRED, part=letter["firing"]["part"])
    second = visit(cloud, log, *webs, firing=onward, LOOK_MAX_RUNS_PER_TICK="2")
    assert second.counts == {"hosts": 1, "ok": 1, "bad": 0, "invalid": 0}
    assert [len(web.asked) for web in webs] == [2, 1, 1]
    # One site was bad in the first part: the whole pass is not ok.
    assert not second.ok
    # Not an error without a reason, also where the firing has none.
    assert second.note.startswith(f"1 bad in earlier parts: {webs[0].host}")
    assert "checkpoint" not in shown(cloud, NO_TARGET)


def test_samples_are_cut_at_512_characters_and_hold_no_secret(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    webs[0].answers["/hello"] = Reply(
        200, "hello token=abcdef0123456789 jane@shop.example " + "x" * 5000, {"set-cookie": "session=c00kie-canary"}
    )
    visit(cloud, log, webs[0])
    kept = json.dumps(objects(cloud)) + json.dumps(log.lines) + json.dumps(shown(cloud, webs[0].host))
    for secret in ("abcdef0123456789", "jane@shop.example", "c00kie-canary"):
        assert secret not in kept
    for artifact in objects(cloud).values():
        assert len(artifact["sample"]) == 512


def test_what_a_judge_shows_is_cut_too(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    webs[0].answers["/hello"] = Reply(200, "y" * 5000)
    visit(cloud, log, webs[0])
    assert {len(artifact["word"]) for artifact in objects(cloud).values()} == {512}


def test_a_deadline_leaves_no_threads(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    class Patient(Look):
        """Look, and wait longer than the run may take."""

        name = "look"
        read_timeout = 60
        patience = 200

    for web in webs:
        web.answers["/hello"] = hang
    cloud.clock = clocks.Clock()
    cloud.environment = {"BASE_URLS": json.dumps([web.url for web in webs])}
    now = cloud.clock.now()
    started = time.monotonic()
    report = run(Patient(), replace(FIRED, at=now), cloud, log, seconds=6)
    assert time.monotonic() - started < 4
    assert "DeadlineExceeded" in report.note
    while probing() and time.monotonic() - started < 10:
        time.sleep(0.05)
    assert probing() == []
    assert shown(cloud, webs[0].host) == {}


def test_time_that_runs_short_leaves_the_rest_to_a_continuation(
    cloud: Cloud, log: Lines, webs: list[Web], clock: VirtualClock
) -> None:
    class Short(Look):
        """Look at one site at a time, in a run of ten seconds."""

        name = "look"
        width = 1
        timeout = 10

    def late(*_: Any) -> Reply:
        clock.move(seconds=4)
        return HELLO

    for web in webs:
        web.answers["/hello"] = late
    report = visit(cloud, log, *webs, job=Short())
    assert (report.outcome, report.counts["hosts"]) == ("done", 1)
    assert len(waiting(cloud)) == 1


def test_a_host_that_asks_for_patience_is_not_asked_again(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    webs[0].answers["/hello"] = Reply(503, "later", {"retry-after": "600"})
    visit(cloud, log, webs[0])
    assert len(webs[0].asked) == 1
    assert shown(cloud, webs[0].host)["status"].items() >= {"ok": False, "statusCode": 503}.items()


def test_retry_after_is_honoured_by_later_runs(cloud: Cloud, log: Lines, webs: list[Web], clock: VirtualClock) -> None:
    webs[0].answers["/hello"] = [Reply(429, "later", {"retry-after": "3600"}), HELLO]
    visit(cloud, log, *webs)
    for minutes, asked in ((15, 1), (45, 2), (60, 3)):
        report = visit(cloud, log, *webs, firing=replace(FIRED, at=NOON + timedelta(minutes=minutes)))
        assert len(webs[0].asked) == 1, minutes
        assert len(webs[1].asked) == asked + 1
        assert report.counts["held"] == 1
        assert webs[0].host in report.note
        clock.move(minutes=15)
    clock.move(minutes=30)
    report = visit(cloud, log, *webs, firing=replace(FIRED, at=NOON + timedelta(minutes=75)))
    assert report.ok
    assert (len(webs[0].asked), "held" in report.counts) == (2, False)
    assert "retryAfter" not in shown(cloud, webs[0].host)["status"]


def test_a_manual_run_calls_a_site_that_asked_for_patience(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    webs[0].answers["/hello"] = [Reply(503, "later", {"retry-after": "3600"}), HELLO]
    visit(cloud, log, webs[0])
    visit(cloud, log, webs[0], firing=replace(FIRED, manual=True, id="m-1"))
    assert len(webs[0].asked) == 2


def test_a_second_delivery_of_a_tick_looks_at_nothing(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    visit(cloud, log, *webs)
    assert visit(cloud, log, *webs).outcome == "deduplicated"
    assert [len(web.asked) for web in webs] == [1, 1, 1]


def test_a_dry_run_names_what_it_would_ask_and_asks_nothing(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    from shared.run.context import RunContext

    cloud.environment = {"BASE_URLS": json.dumps(["https://b.example", "https://a.example/app", "nonsense"])}
    calls = Calls(cloud)
    plan = Look().plan(RunContext(Look(), FIRED, cloud, "-", NOON, log, dry=True))
    assert plan[:2] == ["GET https://a.example/app/hello", "GET https://b.example/hello"]
    assert plan[2].startswith("skip BASE_URLS, entry 3, 'nonsense'")
    # The plan reads the job's pauses.
    assert calls.made == ["dynamodb:Query"]


def test_the_path_is_a_setting(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    webs[0].answers["/salut"] = HELLO
    assert visit(cloud, log, webs[0], LOOK_PATH="/salut").ok
    assert webs[0].paths() == ["/salut"]


def test_the_status_of_a_host_that_has_left_base_urls_goes(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    visit(cloud, log, *webs)
    later = [replace(FIRED, at=NOON + number * timedelta(minutes=15)) for number in range(1, 6)]
    # A manual run, an entry that may be that host, a run for one host, and a retry after a failure.
    assert visit(cloud, log, webs[0], firing=replace(later[0], manual=True, id="by hand")).outcome == "done"
    assert visit(cloud, log, webs[0], "nonsense", firing=later[1]).outcome == "done"
    assert visit(cloud, log, webs[0], firing=replace(later[2], target=webs[0].host)).outcome == "done"
    assert visit(cloud, log, webs[0], firing=replace(later[3], attempt=2)).outcome == "done"
    assert all(shown(cloud, web.host) for web in webs)
    visit(cloud, log, webs[0], firing=later[4])
    assert [bool(shown(cloud, web.host)) for web in webs] == [True, False, False]
    assert [line["entityId"] for line in log.said("target_forgotten")] == [web.host for web in webs[1:]]
    assert shown(cloud, NO_TARGET)["status"]["ok"]


def test_a_site_costs_a_write_to_the_table_and_nothing_else_there(cloud: Cloud, log: Lines, webs: list[Web]) -> None:
    calls = Calls(cloud)
    visit(cloud, log, *webs)
    # Claim, finish and history are the run's own; one query finds the statuses of removed sites.
    assert calls.made.count("dynamodb:UpdateItem") == 3 + len(webs)
    assert [call for call in calls.made if call.startswith("dynamodb:Q")] == ["dynamodb:Query"]
    # One read of all statuses finds the sites that asked not to be called.
    assert calls.made.count("dynamodb:BatchGetItem") == 1
    used = {call for call in calls.made if call.startswith("dynamodb:")}
    assert used == {"dynamodb:UpdateItem", "dynamodb:Query", "dynamodb:BatchGetItem"}


def test_a_visit_that_fits_into_no_run_is_refused_at_declaration() -> None:
    with pytest.raises(DeclarationError, match="a visit must fit into a run"):

        class Endless(Probe):
            """Look for ever."""

            name = "endless"
            timeout = 60
            patience = 55
