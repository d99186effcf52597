"""The console in Chromium: every page, both themes, narrow; no errors, no other origin, no sideways scroll."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from functions.console import _security, _session
from functions.console._places import PAGES
from functions.console._ui import Console
from shared.admin import console_link
from shared.aws.cloud import Cloud
from tests.conftest import Lines
from tests.support.console_site import served
from tests.support.console_state import BusyNight

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).exists(), reason="Chromium is not installed; on Debian: apt-get install chromium"
)


@pytest.mark.timeout(300)
def test_every_page_is_sound(cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    # Served without TLS, as the local stage is.
    monkeypatch.setattr(_session, "LOCAL", "test")
    monkeypatch.setattr(_security, "LOCAL", "test")
    BusyNight(cloud).write()
    faults: list[str] = []
    with served(Console(cloud, log)) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for theme, width in (("light", 360), ("dark", 1440)):
            view = {"width": width, "height": 800}
            context = browser.new_context(viewport=view, color_scheme=theme)  # type: ignore[arg-type]
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
        browser.close()
    assert faults == []
