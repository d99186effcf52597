"""The console in Chromium, by keyboard alone."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.run import pauses
from tests.browser.conftest import Night
from tests.conftest import waiting
from tests.support import axe
from tests.support.focus import FOCUSED, press, tab_to

RUN = "20260302T115700.000Z-cras"


def test_a_failing_run_is_found_and_retried_by_keyboard(new_page: Page, night: Night, cloud: Cloud) -> None:
    night.state.bad("crash", "failed", "SampleCrash: out of memory", streak=1)
    letter = night.state.letter("crash", "SampleCrash: out of memory", 70, run=RUN)
    page = new_page
    page.goto(night.url("now"))
    tab_to(page, "name")
    page.keyboard.type("ada")
    tab_to(page, "token")
    page.keyboard.type("open sesame")
    press(page, "Enter")
    page.wait_for_url("**/ui/now")
    tab_to(page, "Skip to the content")
    press(page, "Enter", "g", "j")
    page.wait_for_url("**/ui/jobs")
    # The oldest failure is the first row; this one is the third.
    press(page, "j", "j", "j")
    assert page.evaluate(FOCUSED)["text"] == "crash"
    press(page, "Enter")
    page.wait_for_url("**/ui/jobs/crash")
    press(page, "j")
    assert page.evaluate(FOCUSED)["text"] == RUN
    press(page, "Enter")
    page.wait_for_url(f"**/ui/runs/crash/{RUN}")
    press(page, "r")
    expect(page.locator("#why")).to_be_focused()
    assert f"python jobs.py dead retry {letter}" in page.locator("dialog code.command").inner_text()
    assert axe.violations(page) == []
    page.keyboard.type("more memory")
    press(page, "Enter")
    expect(page.locator("dialog").get_by_role("status")).to_contain_text("was sent")
    expect(page.locator("dialog [data-close]")).to_be_focused()
    press(page, "Enter")
    expect(page.locator("dialog")).to_be_hidden()
    assert store.find(cloud, letter).state == "retrying"
    assert len(waiting(cloud)) == 1


def test_a_job_is_paused_and_resumed_by_keyboard(page: Page, night: Night, cloud: Cloud) -> None:
    page.goto(night.url("jobs/pricing"))
    tab_to(page, "Pause")
    press(page, "Enter")
    expect(page.locator("#why")).to_be_focused()
    # Cancelled: the focus is where it was.
    press(page, "Escape")
    assert page.evaluate(FOCUSED)["text"] == "Pause"
    press(page, "p")
    expect(page.locator("#why")).to_be_focused()
    press(page, "p", "Enter")
    expect(page.locator("dialog").get_by_role("status")).to_contain_text("is paused")
    assert pauses.read(cloud, "pricing")["job"].why == "p"
    press(page, "Escape")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    press(page, "p")
    expect(page.locator("dialog h2")).to_have_text("Resume pricing")
    page.keyboard.type("over")
    press(page, "Enter")
    expect(page.locator("dialog").get_by_role("status")).to_contain_text("is resumed")
    assert pauses.read(cloud, "pricing") == {}
