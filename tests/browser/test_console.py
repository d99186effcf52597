"""The console in Chromium: every page, both themes, both widths; no errors, no other origin, no sideways scroll."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Browser

from functions.console._routes import PAGES
from shared.dead_letters import store
from shared.dead_letters.store import DeadLetterFilter
from tests.browser.conftest import Night
from tests.support import axe

Theme = Literal["light", "dark"]
# All rules once; in the other combinations those that depend on the theme or the width.
LOOKS: tuple[tuple[Theme, int, tuple[str, ...]], ...] = (
    ("light", 360, ()),
    ("light", 1600, axe.LOOKS),
    ("dark", 1600, axe.LOOKS),
    ("dark", 360, axe.LOOKS),
)
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def every_page(night: Night) -> list[str]:
    """Each route, and one page of each kind behind it."""
    letter = next(iter(store.dead_letters(night.cloud, DeadLetterFilter(job="crash"))))
    plan = night.state.plan("session-cleanup")
    return [
        *(place for place in PAGES if place not in ("mails", "runs")),
        *("jobs/pricing", "jobs/docs", "runs/pricing/20260302T115700.000Z-pric"),
        *(f"dead/{letter.fingerprint}", f"dead/letter/{letter.id}", "tenants/org_42", "queues/flagship%3Ausage"),
        *(f"plans/{plan.id}", "nowhere"),
    ]


@pytest.mark.timeout(300)
def test_every_page_is_sound_and_accessible(shared_night: Night, chromium: Browser) -> None:
    faults: list[str] = []
    context = chromium.new_context()
    page = context.new_page()
    # A broken policy is an error of the console too.
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    own = (shared_night.site.url, "data:")
    page.on("request", lambda sent: None if sent.url.startswith(own) else faults.append(sent.url))
    shared_night.sign_in(page)
    for place in every_page(shared_night):
        page.goto(shared_night.url(place))
        for theme, width, rules in LOOKS:
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size({"width": width, "height": 800})
            assert axe.violations(page, *rules) == [], (place, theme, width)
            assert page.evaluate(OVERFLOW) <= 0, (place, width)
        assert page.locator("h1").count() == page.locator("main").count() == 1, place
        assert page.title().endswith(" · Nightshift"), place
    context.close()
    assert [fault for fault in faults if "404" not in fault] == []
