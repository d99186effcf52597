"""The console in Chromium: order of the focus, and shortcuts."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Night
from tests.support.focus import FOCUSED, press


def test_the_focus_follows_the_order_of_the_page(reading: Page, shared_night: Night) -> None:
    reading.goto(shared_night.url("now"))
    stops = []
    for _ in range(45):
        press(reading, "Tab")
        stops.append(reading.evaluate(FOCUSED))
    assert stops[0]["text"] == "Skip to the content"
    # After the last element the browser has the focus, which it reports as the body.
    assert [stop for stop in stops if stop["tag"] != "BODY" and not (stop["outlined"] and stop["shown"])] == []
    texts = [stop["text"] for stop in stops]
    assert texts.index("Now") < texts.index("Sign out") < texts.index("pricing") < texts.index("docs")
    assert reading.locator("[tabindex]:not([tabindex='0']):not([tabindex='-1'])").count() == 0


@pytest.mark.parametrize(("keys", "place"), [("gn", "now"), ("gf", "failures"), ("gd", "dead"), ("?", "help")])
def test_a_shortcut_opens_its_page(reading: Page, shared_night: Night, keys: str, place: str) -> None:
    reading.goto(shared_night.url("jobs/pricing"))
    press(reading, *keys)
    reading.wait_for_url(f"**/ui/{place}")


def test_shortcuts_of_a_list_and_of_a_day(reading: Page, shared_night: Night) -> None:
    reading.goto(shared_night.url("jobs"))
    press(reading, "/")
    expect(reading.locator("#q")).to_be_focused()
    # While typing they are letters.
    reading.keyboard.type("gn?jx")
    expect(reading.locator("#q")).to_have_value("gn?jx")
    reading.locator("#q").fill("")
    reading.locator("h1").click()
    press(reading, "j", "x")
    expect(reading.locator("input[name=chosen]:checked")).to_have_count(1)
    press(reading, "k", ".")
    expect(reading.locator("#live")).to_have_text("Refresh is off")
    press(reading, "X")
    assert reading.locator("input[name=chosen]:checked").count() == reading.locator("tbody tr").count()
    reading.goto(shared_night.url("jobs/pricing"))
    press(reading, "[")
    reading.wait_for_url("**day=2026-03-01")
    press(reading, "]")
    reading.wait_for_url("**day=2026-03-02")


def test_shortcuts_are_switched_off(reading: Page, shared_night: Night) -> None:
    reading.goto(shared_night.url("help"))
    reading.get_by_label("Switch the keys off in this browser").check()
    reading.locator("h1").click()
    press(reading, "g", "n")
    reading.get_by_label("Switch the keys off in this browser").uncheck()
    reading.locator("h1").click()
    assert reading.url == shared_night.url("help")
    press(reading, "g", "n")
    reading.wait_for_url("**/ui/now")
