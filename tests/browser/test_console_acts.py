"""The console in Chromium: canaries, pauses of tenants, plans, selected rows, and the audit of each act."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from shared.admin import audit
from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.dead_letters.store import DeadLetterFilter
from shared.job import manifest
from shared.plans import draft
from shared.plans import plan as plans
from shared.run import firing as firings
from shared.run import pauses
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.run import run
from tests.browser.conftest import Night, night_on
from tests.conftest import NOON, Lines, VirtualClock, create, waiting
from tests.functions.operations.conftest import ENTRIES
from tests.functions.operations.world import INTAKE, World
from tests.support import axe
from tests.support.holds import HOLDS, Holds, put, there

TENANT, OTHER = (f'{{"organizationId": "{org}", "n": {n}}}' for org, n in (("org_42", 1), ("org_7", 2)))


def confirm(page: Page, verb: str, **fields: str) -> None:
    """Fill the dialog, confirm it, and close its result."""
    dialog = page.locator("dialog")
    for name, value in fields.items():
        field = dialog.locator(f"[name={name}]")
        (field.select_option if name == "until" else field.fill)(value)
    dialog.get_by_role("button", name=verb, exact=True).click()
    expect(dialog.get_by_role("status")).to_be_visible()
    dialog.get_by_role("link", name="Close").click()
    expect(dialog).to_be_hidden()


@pytest.fixture
def world(cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch) -> World:
    """A consumer that rejects what is not mended, as the only one."""
    monkeypatch.setattr(manifest, "load", lambda: {**ENTRIES, "intake": INTAKE})
    cloud.sqs.create_queue(QueueName=cloud.names.queue("demo:intake"))
    return World(cloud, log)


def test_a_canary_stops_where_the_cause_persists(
    world: World, log: Lines, monkeypatch: pytest.MonkeyPatch, new_page: Page
) -> None:
    customers = [f"customer {number:02d}" for number in range(12)]
    world.reject(*customers)
    world.intake.mended = set(customers[:5])
    group = world.letters()[0].fingerprint
    with night_on(world.cloud, log, monkeypatch, busy=False) as night:
        night.sign_in(new_page)
        night.follow(new_page, f"dead/{group}")
        new_page.get_by_role("button", name="Retry the next 1").click()
        confirm(new_page, "Retry 1")
        expect(new_page.locator("main")).to_contain_text("0 of 12 resolved, 1 retrying")
        world.settle()
        # The result is shown without a reload.
        new_page.clock.run_for(6000)
        expect(new_page.locator("main")).to_contain_text("1 of 12 resolved, 0 retrying, 0 failed again, 11 open")
        new_page.get_by_role("button", name="Retry the next 10").click()
        confirm(new_page, "Retry 10", why="the table is back")
        world.settle()
        new_page.clock.run_for(6000)
        expect(new_page.locator("main")).to_contain_text("5 of 12 resolved, 0 retrying, 6 failed again, 7 open")
        expect(new_page.locator("main")).to_contain_text("6 failed again with the same error: retry one")
        expect(new_page.get_by_role("button", name="Retry the next 1", exact=True)).to_be_visible()


def test_a_tenant_is_held_by_every_consumer_until_the_end_of_its_pause(
    world: World, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch, new_page: Page
) -> None:
    world.intake.mended = {"*"}
    with night_on(world.cloud, log, monkeypatch, busy=False) as night:
        night.sign_in(new_page)
        new_page.goto(night.url("tenants/org_42"))
        new_page.get_by_role("button", name="Pause everywhere").click()
        confirm(new_page, "Pause everywhere", why="abuse", until="1h")
        expect(new_page.locator("main")).to_contain_text("paused in 1 job")
        for body in (TENANT, OTHER):
            assert world.deliver(body) == []
        assert world.intake.taken == [OTHER]
        [held] = [json.dumps(body) for body in waiting(world.cloud, "demo:intake")]
        clock.move(hours=1, minutes=2)
        assert world.deliver(held) == []
        assert len(world.intake.taken) == 2
        night.sign_in(new_page, to="/ui/tenants/org_42")
        expect(new_page.locator("main")).to_contain_text("paused in 0 jobs")


def test_a_plan_is_applied_as_shown_and_a_stale_one_is_refused(
    cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch, new_page: Page
) -> None:
    create(cloud, HOLDS)
    for number in range(3):
        put(cloud, f"h{number}", NOON.replace(month=1))
    job, started = Holds(), list[Any]()
    cloud.__dict__["functions"] = SimpleNamespace(invoke=lambda **call: started.append(json.loads(call["Payload"])))
    monkeypatch.setattr(manifest, "load", lambda: manifest.of([job]))

    def planned() -> str:
        """What `--dry-run` does."""
        context = RunContext(job, Firing(job.name, NOON, manual=True), cloud, "dry", NOON, log, dry=True)
        with draft.from_actions(job.actions(context)) as drafted:
            return plans.create(cloud, job, context, drafted, "ada").id

    def applied(plan: str, count: int) -> str:
        new_page.goto(night.url(f"plans/{plan}"))
        expect(new_page.locator("main")).to_contain_text(f"{count} actions, which holds would do")
        new_page.get_by_role("button", name="Apply").click()
        confirm(new_page, "Apply", why="reviewed")
        return run(job, firings.parse_firing(started.pop()["firing"], NOON), cloud, log).outcome

    with night_on(cloud, log, monkeypatch, busy=False) as night:
        night.sign_in(new_page)
        stale = planned()
        put(cloud, "later", NOON.replace(month=1))
        assert applied(stale, 3) == "refused"
        assert len(there(cloud)) == 4
        assert applied(planned(), 4) == "done"
        assert there(cloud) == []


def test_selected_jobs_are_paused_together_with_a_reason(page: Page, night: Night, cloud: Cloud) -> None:
    page.goto(night.url("jobs"))
    for name in ("pricing", "usage", "docs"):
        page.get_by_label(f"select {name}", exact=True).check()
    page.locator("#chosen").get_by_role("button", name="Pause").click()
    # docs is paused already.
    expect(page.locator("dialog h2")).to_have_text("Pause 2 jobs")
    assert axe.violations(page) == []
    assert page.locator("dialog code.command").inner_text().splitlines() == [
        f"python jobs.py pause {name} --reason WHY --aws --stage test" for name in ("pricing", "usage")
    ]
    # The field is required; spaces are no reason either.
    page.locator("dialog [name=why]").fill("  ")
    page.locator("dialog").get_by_role("button", name="Pause 2").click()
    expect(page.locator("dialog").get_by_role("alert")).to_contain_text("A reason is required")
    assert pauses.read(cloud, "pricing") == {}
    confirm(page, "Pause 2", why="the provider is down", until="4h")
    assert {pauses.read(cloud, name)["job"].why for name in ("pricing", "usage")} == {"the provider is down"}
    page.goto(night.url("audit"))
    expect(page.locator("tbody tr").first).to_contain_text("ada (console)")
    expect(page.locator("tbody tr").first).to_contain_text("the provider is down")


def test_selected_dead_letters_are_retried_together(page: Page, night: Night, cloud: Cloud) -> None:
    letters = list(store.dead_letters(cloud, DeadLetterFilter(job="crash")))
    page.goto(night.url(f"dead/{letters[0].fingerprint}"))
    boxes = page.locator("input[name=chosen]")
    for number in range(2):
        boxes.nth(number).check()
    page.locator("#chosen").get_by_role("button", name="Retry").click()
    confirm(page, "Retry 2", why="mended")
    assert len(waiting(cloud)) == 2
    assert next(audit.entries(cloud, 1))["reason"] == "mended"


def test_a_group_over_ten_is_purged_by_its_typed_count_as_it_was_previewed(
    page: Page, night: Night, cloud: Cloud
) -> None:
    group = next(iter(store.dead_letters(cloud, DeadLetterFilter(job="crash")))).fingerprint
    page.goto(night.url(f"dead/{group}"))
    page.get_by_role("button", name="Purge this group").click()
    dialog = page.locator("dialog")
    dialog.locator("[name=why]").fill("old")
    dialog.locator("[name=count]").fill("13")
    dialog.get_by_role("button", name="Delete 14").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Type the number of items, 14")
    night.state.letter("crash", "SampleCrash: attempt 3 crashed on purpose at row 99", 59)
    dialog.locator("[name=why]").fill("old")
    dialog.locator("[name=count]").fill("14")
    dialog.get_by_role("button", name="Delete 14").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Something has changed since the preview")
    expect(dialog.locator("h2")).to_have_text("Delete 15 dead letters")
    confirm(page, "Delete 15", why="old", count="15")
    assert list(store.dead_letters(cloud, DeadLetterFilter(job="crash"))) == []
