"""Acts: preview, confirmation, stale previews, double submission, audit."""

from __future__ import annotations

import json
import re
from typing import Any

from cli.main import command
from shared.admin import audit
from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.dead_letters.store import DeadLetterFilter
from shared.run import pauses
from shared.store import keys, table
from shared.tables import STATE
from tests.conftest import VirtualClock, waiting
from tests.support.console_browser import Person, Seen
from tests.support.console_state import TENANT, BusyNight


def letters(cloud: Cloud, job: str = "crash") -> list[Any]:
    return list(store.dead_letters(cloud, DeadLetterFilter(job=job)))


def last(cloud: Cloud) -> dict[str, Any]:
    return next(audit.entries(cloud, 1))


def test_a_job_is_paused_with_reason_and_end_and_resumed(operator: Person, cloud: Cloud, clock: VirtualClock) -> None:
    preview = operator.preview("pause", job="pricing")
    assert preview.status == 200
    assert "python jobs.py pause pricing --reason WHY --aws --stage test" in preview.text
    done = operator.confirm("pause", preview, why="noise", until="4h")
    assert done.status == 200, done.text
    pause = pauses.read(cloud, "pricing")["job"]
    assert (pause.who, pause.why, pause.until) == ("ada (console)", "noise", "2026-03-02T16:00:01.000Z")
    clock.move(seconds=1)
    resumed = operator.confirm("resume", operator.preview("resume", job="pricing"), why="over")
    assert resumed.status == 200, resumed.text
    assert pauses.read(cloud, "pricing") == {}
    assert (last(cloud)["what"], last(cloud)["who"], last(cloud)["reason"]) == ("resume", "ada (console)", "over")


def test_a_pause_needs_a_reason(operator: Person, cloud: Cloud) -> None:
    refused = operator.confirm("pause", operator.preview("pause", job="pricing"))
    assert (refused.status, "A reason is required" in refused.text) == (422, True)
    assert pauses.read(cloud, "pricing") == {}


def test_a_form_that_is_sent_twice_acts_once(operator: Person, cloud: Cloud, started: list[dict[str, Any]]) -> None:
    preview = operator.preview("run", job="pricing")
    first, second = (operator.confirm("run", preview, why="look") for _ in range(2))
    assert (first.status, second.status, len(started)) == (200, 200, 1)
    assert "Carried out already" in second.text
    firing = json.loads(started[0]["Payload"])["firing"]
    assert started[0]["FunctionName"] == "nightshift-test-pricing"
    assert firing["manual"] is True
    assert (last(cloud)["what"], last(cloud)["count"]) == ("run", 1)


def test_a_stale_preview_does_nothing_and_shows_the_new_one(operator: Person, cloud: Cloud) -> None:
    group = letters(cloud)[0].fingerprint
    preview = operator.preview("purge", fingerprint=group)
    BusyNight(cloud).letter("crash", "SampleCrash: attempt 3 crashed on purpose at row 99", 59)
    stale = operator.confirm("purge", preview, why="old", count="14")
    assert stale.status == 409
    assert "Something has changed since the preview" in stale.text
    assert "Delete 15 dead letters" in stale.text
    assert len(letters(cloud)) == 15


def test_a_preview_expires(operator: Person, clock: VirtualClock, cloud: Cloud) -> None:
    preview = operator.preview("pause", job="pricing")
    clock.move(minutes=5, seconds=1)
    assert operator.confirm("pause", preview, why="x").status == 409
    assert pauses.read(cloud, "pricing") == {}


def test_over_ten_items_the_count_is_typed(operator: Person, cloud: Cloud) -> None:
    group = letters(cloud)[0].fingerprint
    for count in ("", "13", "all"):
        refused = operator.confirm("purge", operator.preview("purge", fingerprint=group), why="old", count=count)
        assert (refused.status, "Type the number of items, 14" in refused.text) == (422, True)
    assert len(letters(cloud)) == 14
    done = operator.confirm("purge", operator.preview("purge", fingerprint=group), why="old", count="14")
    assert "14 dead letters deleted" in done.text
    assert letters(cloud) == []
    assert (last(cloud)["what"], last(cloud)["count"]) == ("dead purge", 14)


def test_an_empty_filter_is_refused(operator: Person, cloud: Cloud) -> None:
    refused = operator.preview("purge")
    assert (refused.status, "An empty filter matches every dead letter" in refused.text) == (409, True)
    assert len(letters(cloud)) == 14


def test_one_letter_is_retried_and_the_second_operator_reads_by_whom(
    operator: Person, viewer: Person, cloud: Cloud
) -> None:
    letter = letters(cloud)[0]
    other = Person(operator.console)
    other.sign_in("open sesame", "grace")
    mine, theirs = operator.preview("retry", id=letter.id), other.preview("retry", id=letter.id)
    assert operator.confirm("retry", mine).status == 200
    lost = other.confirm("retry", theirs)
    assert lost.status == 409
    assert "was redriven by ada (console)" in lost.text
    assert len(waiting(cloud)) == 1
    assert store.find(cloud, letter.id).state == "retrying"


def test_a_group_is_retried_as_a_canary(operator: Person, cloud: Cloud) -> None:
    group = letters(cloud)[0].fingerprint
    preview = operator.preview("retry-group", group=group)
    assert "Retry 1 of 14 dead letters of crash" in preview.text
    assert operator.confirm("retry-group", preview).status == 200
    assert len(waiting(cloud)) == 1
    assert "wait for their results" in operator.preview("retry-group", group=group).text
    (sent,) = [letter for letter in letters(cloud) if letter.state == "retrying"]
    values = {":done": "resolved", ":at": "2026-03-02T12:00:01.000Z"}
    key = keys.dead_letter("crash", sent.key)
    table.update(cloud, STATE, key, "SET #state = :done, resolvedAt = :at", values, names={"#state": "state"})
    preview = operator.preview("retry-group", group=group)
    assert "Retry 10 of 13 dead letters" in preview.text
    assert operator.confirm("retry-group", preview).status == 422
    assert operator.confirm("retry-group", preview, why="fixed").status == 200
    assert len(waiting(cloud)) == 10


def test_an_effect_is_settled(operator: Person, cloud: Cloud) -> None:
    job, key = "notification-delivery", "notify:ada:42"
    preview = operator.preview("settle", job=job, key=key, verdict="done")
    assert operator.confirm("settle", preview, why="found in the sent mail").status == 200
    assert "done" in table.get(cloud, STATE, keys.effect(job, key))
    assert operator.preview("settle", job=job, key=key, verdict="done").status == 409
    assert last(cloud)["what"] == "effects done"


def test_a_tenant_is_paused_and_resumed_everywhere(operator: Person, cloud: Cloud) -> None:
    preview = operator.preview("pause-tenant", tenant=TENANT)
    done = operator.confirm("pause-tenant", preview, why="abuse", until="1d")
    assert done.status == 200, done.text
    assert pauses.read(cloud, "usage")[f"tenant#{TENANT}"].why == "abuse"
    assert "Resume everywhere" in operator.get(f"/ui/tenants/{TENANT}").text
    done = operator.confirm("resume-tenant", operator.preview("resume-tenant", tenant=TENANT), why="talked")
    assert done.status == 200, done.text
    assert pauses.read(cloud, "usage") == {}


def test_a_plan_is_reviewed_and_applied(operator: Person, cloud: Cloud, started: list[dict[str, Any]]) -> None:
    assert 'href="/ui/plans?job=session-cleanup"' in operator.get("/ui/jobs/session-cleanup").text
    asked = operator.get("/ui/plans?job=session-cleanup").text
    assert "python jobs.py session-cleanup --dry-run --aws --stage test" in asked
    made = re.search(r'href="/ui/plans/(session-cleanup\.test\.[0-9a-f]{8})"', asked)
    assert made
    shown = operator.get(f"/ui/plans?plan={made[1]}").text
    assert ("3 actions, which session-cleanup would do" in shown, "delete 3" in shown) == (True, True)
    preview = operator.preview("apply", plan=made[1])
    assert operator.confirm("apply", preview).status == 422
    done = operator.confirm("apply", preview, why="reviewed")
    assert done.status == 200, done.text
    assert json.loads(started[0]["Payload"])["firing"]["plan"] == made[1]
    assert (last(cloud)["what"], last(cloud)["reason"]) == ("apply", "reviewed")


def test_a_plan_that_cannot_be_applied_says_why(operator: Person, clock: VirtualClock, cloud: Cloud) -> None:
    made = BusyNight(cloud).plan("session-cleanup")
    clock.move(days=1, seconds=1)
    operator.sign_in("open sesame")
    expired = operator.get(f"/ui/plans/{made.id}")
    assert (expired.status, f"Plan {made.id} expired at" in expired.text) == (404, True)
    assert operator.get("/ui/plans/session-cleanup.test.00000000").status == 404
    assert operator.get("/ui/plans?job=pricing").status == 404


IMPOSSIBLE: list[tuple[str, dict[str, str]]] = [
    ("pause", {"job": "none"}),
    ("pause", {}),
    ("pause", {"job": "x" * 700}),
    ("run", {"job": "usage"}),
    ("retry", {"id": "nothing"}),
    ("retry", {}),
    ("retry-group", {"group": ""}),
    ("settle", {"job": "pricing", "key": "x", "verdict": "perhaps"}),
    ("apply", {"plan": "none"}),
    ("apply", {}),
    ("nothing", {}),
]


def test_an_impossible_act_is_refused_with_its_reason(operator: Person) -> None:
    for act, form in IMPOSSIBLE:
        assert operator.preview(act, **form).status in (400, 404, 409), (act, form)
    collector = operator.preview("pause", job="dead-letters")
    assert operator.confirm("pause", collector, why="x").status == 409


def test_a_preview_of_another_person_or_act_is_refused(operator: Person) -> None:
    preview = operator.preview("pause", job="pricing")
    other = Person(operator.console)
    other.sign_in("open sesame", "eve")
    assert other.confirm("pause", preview, why="x").status == 409
    assert operator.confirm("resume", preview, why="x").status == 409
    for forged in ("", "x.y", preview.hidden("frozen")[:-2]):
        assert operator.post("/ui/act/pause", {"frozen": forged, "why": "x"}).status == 409


def command_of(seen: Seen) -> list[str]:
    found = re.search(r'<code class="command"[^>]*>([^<]*)</code>', seen.text)
    assert found
    words = found[1].replace("&#39;", "'").split()
    assert words[:2] == ["python", "jobs.py"]
    return [{"WHY": "why"}.get(word, word) for word in words[2:]]


def test_the_command_of_each_dialog_parses(operator: Person, cloud: Cloud) -> None:
    letter = letters(cloud)[0]
    # Of a setting, as its status shows.
    target = keys.claim(BusyNight(cloud).entries["pricing"]["key"], "shop.example")
    table.put(cloud, STATE, {**target.attributes, "state": "COMPLETED"})
    previews = [
        operator.preview("pause", job="pricing"),
        operator.preview("pause", job="pricing", target="shop.example"),
        operator.preview("pause", job="usage", tenant=TENANT),
        operator.preview("resume", job="docs"),
        operator.preview("pause-tenant", tenant=TENANT),
        operator.preview("run", job="pricing"),
        operator.preview("retry", id=letter.id),
        operator.preview("retry-group", group=letter.fingerprint),
        operator.preview("purge", fingerprint=letter.fingerprint),
        operator.preview("settle", job="notification-delivery", key="notify:ada:42", verdict="redo"),
        operator.preview("apply", plan=BusyNight(cloud).plan("session-cleanup").id),
    ]
    for seen in previews:
        words = command_of(seen)
        assert command(words[0]) is not None, words
