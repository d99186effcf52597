"""The console in Chromium: every page, both themes, narrow; no errors, no other origin, no sideways scroll."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from functions.console._routes import PAGES
from shared.admin import console_link
from shared.aws.cloud import Cloud
from tests.browser.conftest import CHROMIUM
from tests.support.console_site import ConsoleSite

pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).exists(), reason="Chromium is not installed; on Debian: apt-get install chromium"
)


@pytest.mark.timeout(300)
def test_every_page_is_sound(site: ConsoleSite, cloud: Cloud, chromium: Browser) -> None:
    faults: list[str] = []
    for theme, width in (("light", 360), ("dark", 1440)):
        view = {"width": width, "height": 800}
        context = chromium.new_context(viewport=view, color_scheme=theme)  # type: ignore[arg-type]
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "request",
            lambda sent: faults.append(sent.url) if not sent.url.startswith((site.url, "data:")) else None,
        )
        page.goto(console_link.mint(site.url, "open sesame", "operator", "ada", cloud.clock.now()))
        for place in (each for each in PAGES if each not in ("mails", "runs", "queues")):
            page.goto(f"{site.url}/ui/{place}")
            assert page.locator("h1").count() == page.locator("main").count() == 1
            assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        page.goto(f"{site.url}/ui/jobs")
        # A caption or button that wraps is a column that is too narrow.
        for part in ("caption", "td button", "tbody th a"):
            tall = [box["height"] for box in (each.bounding_box() for each in page.locator(part).all()) if box]
            assert len(tall) > 0
            assert max(tall) < 45, (part, width)
        context.close()
    assert faults == []
