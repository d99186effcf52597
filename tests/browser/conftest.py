"""A console in the state of a busy night, served to Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page

from functions.console import _security, _session
from functions.console._ui import Console
from shared.admin import console_link
from shared.aws.cloud import Cloud
from shared.messages import queue_depth
from tests.conftest import Lines, VirtualClock, mocked_cloud
from tests.support import chromium as browsers
from tests.support.console_site import ConsoleSite, served
from tests.support.console_state import BusyNight

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@dataclass(frozen=True, slots=True)
class Night:
    """A served console and the cloud behind it."""

    site: ConsoleSite
    cloud: Cloud
    state: BusyNight

    def url(self, place: str) -> str:
        return f"{self.site.url}/ui/{place}"

    def follow(self, page: Page, place: str) -> None:
        """Open a page whose refreshes the test advances by the clock of the browser."""
        page.clock.install()
        page.goto(self.url(place))

    def sign_in(self, page: Page, who: str = "ada", to: str = "") -> None:
        """Sign in as an operator, by a link that works once."""
        page.goto(console_link.mint(self.site.url, "open sesame", "operator", who, self.cloud.clock.now(), to))


@contextmanager
def night_on(cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch, *, busy: bool = True) -> Iterator[Night]:
    """Serve the console. busy: write the rows of the busy night."""
    # Served without TLS, as the local stage is.
    monkeypatch.setattr(_session, "LOCAL", "test")
    monkeypatch.setattr(_security, "LOCAL", "test")
    state = BusyNight(cloud)
    if busy:
        for queue in queue_depth.queues(state.entries):
            cloud.sqs.create_queue(QueueName=cloud.names.queue(queue))
        state.write()
        # The entries that follow in the audit log are later than these.
        cloud.clock.sleep(1)
    with served(Console(cloud, log)) as site:
        yield Night(site, cloud, state)


@pytest.fixture
def night(cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    """A night of its own, for tests that act."""
    with night_on(cloud, log, monkeypatch) as made:
        yield made


@pytest.fixture(scope="module")
def shared_night() -> Iterator[Night]:
    """One night for a module whose tests only read."""
    clock = VirtualClock()
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        mocked_cloud(clock, monkeypatch) as cloud,
        night_on(cloud, Lines(clock), monkeypatch) as made,
    ):
        yield made


# Of the package: its event loop must have ended before other tests of this process start one.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    try:
        browsers.find()
    except browsers.NoChromium as error:
        pytest.skip(str(error))
    with browsers.started() as browser:
        yield browser


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[Page]:
    """A page of its own, nobody signed in."""
    context = chromium.new_context(viewport=DESKTOP)  # type: ignore[arg-type] # a TypedDict of two numbers
    yield context.new_page()
    context.close()


@pytest.fixture
def page(new_page: Page, night: Night) -> Page:
    """A page of a night of its own, with an operator signed in."""
    night.sign_in(new_page)
    return new_page


@pytest.fixture
def reading(new_page: Page, shared_night: Night) -> Page:
    """A page of the module's night, with an operator signed in."""
    shared_night.sign_in(new_page)
    return new_page
