"""A console in the state of a busy night, served to Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from functions.console import _security, _session
from functions.console._ui import Console
from shared.admin import console_link
from shared.aws.cloud import Cloud
from tests.conftest import Lines
from tests.support.console_site import ConsoleSite, served
from tests.support.console_state import BusyNight

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


@pytest.fixture
def site(cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch) -> Iterator[ConsoleSite]:
    # Served without TLS, as the local stage is.
    monkeypatch.setattr(_session, "LOCAL", "test")
    monkeypatch.setattr(_security, "LOCAL", "test")
    BusyNight(cloud).write()
    with served(Console(cloud, log)) as serving:
        yield serving


@pytest.fixture
def sign_in(site: ConsoleSite, cloud: Cloud) -> str:
    """A link that signs an operator in, once."""
    return console_link.mint(site.url, "open sesame", "operator", "ada", cloud.clock.now())


@pytest.fixture
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
