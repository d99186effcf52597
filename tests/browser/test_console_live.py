"""The console in Chromium: refreshes without a reload, filters in the address, times of other zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from shared.aws.cloud import Cloud
from shared.job import manifest
from tests.browser.conftest import Night, night_on
from tests.conftest import Lines, VirtualClock

# More than the period of the refresh, in milliseconds.
PERIOD = 6000
COUNT_ANNOUNCEMENTS = """() => {
  window.announced = 0;
  new MutationObserver(() => { window.announced += 1; }).observe(document.querySelector("#live"), { childList: true });
}"""
SELECT_PURPOSE = "getSelection().selectAllChildren(document.querySelector('main > p.soft'))"
KEPT = """() => [document.activeElement.textContent, getSelection().toString(), scrollY,
  document.querySelectorAll("details[open]").length]"""


def test_a_new_failure_appears_without_reload_and_is_announced_once(page: Page, night: Night) -> None:
    night.follow(page, "now")
    expect(page).to_have_title("(2) Now · Nightshift")
    page.evaluate(COUNT_ANNOUNCEMENTS)
    night.state.bad("webeval", "failed", "no route to shop.example", streak=1)
    page.clock.run_for(PERIOD)
    expect(page.locator("#card-webeval")).to_contain_text("no route to shop.example")
    expect(page).to_have_title("(3) Now · Nightshift")
    expect(page.locator("#live")).to_have_text("webeval failed")
    night.state.pause("audit", "noise")
    page.clock.run_for(PERIOD)
    page.wait_for_load_state("networkidle")
    # The counter is still there: nothing was reloaded.
    assert page.evaluate("window.announced") == 1


def test_a_refresh_keeps_focus_selection_scroll_and_open_details(page: Page, night: Night) -> None:
    night.follow(page, "jobs/pricing")
    page.get_by_text("Commands for a shell").click()
    page.get_by_role("link", name="Failures", exact=True).last.focus()
    page.evaluate("scrollTo(0, 200)")
    page.evaluate(SELECT_PURPOSE)
    before = page.evaluate(KEPT)
    assert before[1:] == [page.locator("main > p.soft").first.inner_text(), 200, 1]
    night.state.bad("pricing", "failed", "another error", streak=5)
    page.clock.run_for(PERIOD)
    expect(page.locator("main")).to_contain_text("another error")
    assert page.evaluate(KEPT) == before


def test_a_hidden_page_is_not_refreshed(page: Page, night: Night) -> None:
    night.follow(page, "now")
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => window.away, configurable: true })")
    page.evaluate("window.away = true")
    count = len(night.site.hits)
    page.clock.run_for(5 * PERIOD)
    assert len(night.site.hits) == count
    page.evaluate("window.away = false")
    with page.expect_response("**/ui/now"):
        page.clock.run_for(PERIOD)
    assert night.site.hits[-1] == "GET /ui/now 304"


def test_filters_are_in_the_address(page: Page, night: Night) -> None:
    page.goto(night.url("jobs"))
    rows = page.locator("tbody tr")
    expect(rows.nth(0)).to_contain_text("pricing")
    expect(rows.nth(1)).to_contain_text("usage")
    page.get_by_role("link", name="failing 2").click()
    expect(rows).to_have_count(2)
    page.get_by_label("Name or purpose contains").fill("pric")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    page.reload()
    expect(rows).to_have_count(1)
    page.go_back()
    expect(rows).to_have_count(2)
    page.go_forward()
    expect(rows).to_have_count(1)
    shared = page.context.new_page()
    shared.goto(page.url)
    expect(shared.locator("tbody tr")).to_have_count(1)


def test_a_view_is_saved_in_the_browser(page: Page, night: Night) -> None:
    page.goto(night.url("jobs?state=failing"))
    page.get_by_text("Views", exact=True).click()
    page.get_by_role("button", name="Save this view").click()
    page.goto(night.url("now"))
    page.get_by_text("Views", exact=True).click()
    page.get_by_role("link", name="Jobs: state failing").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_text("Views", exact=True).click()
    page.get_by_role("button", name="remove the view Jobs: state failing").click()
    page.reload()
    page.get_by_text("Views", exact=True).click()
    expect(page.get_by_role("link", name="Jobs: state failing")).to_have_count(0)


def test_times_are_the_servers_over_a_change_of_the_clocks(
    cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch, chromium: Browser
) -> None:
    # The night before the clocks of Berlin change; this browser is in India, and its own clock is three hours ahead.
    clock.instant = datetime(2026, 3, 28, 20, tzinfo=UTC)
    entries = manifest.load()
    berlin = {**entries, "pricing": {**entries["pricing"], "schedules": ["15 4 * * * Europe/Berlin"]}}
    monkeypatch.setattr(manifest, "load", lambda: berlin)
    with night_on(cloud, log, monkeypatch) as night:
        context = chromium.new_context(timezone_id="Asia/Kolkata")
        page = context.new_page()
        page.clock.install(time=clock.now() + timedelta(hours=3))
        night.sign_in(page, to="/ui/jobs/pricing")
        ticks = page.locator("section", has_text="Next ticks").locator("time .abs")
        assert ticks.all_inner_texts()[:2] == ["Mar 29 02:15", "Mar 30 02:15"]
        assert page.locator("section time .age").first.inner_text() == "1 h 3 min ago"
        page.keyboard.press("u")
        assert ticks.all_inner_texts()[:2] == ["Mar 29, 07:45 AM local", "Mar 30, 07:45 AM local"]
        context.close()
