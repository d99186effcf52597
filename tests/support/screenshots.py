"""Screenshots of the console for the documentation: six pages, both themes, a desktop and a phone.

`make pictures` writes them. The state is that of the busy night, at a fixed time, so that a change of a picture is one
of the console.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from PIL import Image
from playwright.sync_api import Browser

from tests.browser.conftest import Night, night_on
from tests.conftest import Lines, VirtualClock, mocked_cloud
from tests.support import chromium

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "operate" / "console"
PAGES = {
    "now": "now",
    "jobs": "jobs",
    "job": "jobs/pricing",
    "failures": "failures",
    "dead": "dead",
    "tenant": "tenants/org_42",
}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = {"": (1280, 800), "-phone": (390, 760)}
# Colours of a stored picture: the pages have few, and text is smoothed in grey.
COLOURS = 128


def taken(night: Night, browser: Browser) -> Iterator[tuple[str, Image.Image]]:
    """Each picture with the name of its file."""
    for suffix, (width, height) in WIDTHS.items():
        context = browser.new_context(viewport={"width": width, "height": height})
        page = context.new_page()
        night.sign_in(page)
        for name, place in PAGES.items():
            page.goto(night.url(place))
            # The age of the page is that of the moment.
            page.evaluate("document.querySelector('#freshness').textContent = 'as of 1 s ago'")
            for theme in THEMES:
                page.emulate_media(color_scheme=theme)
                yield f"{name}-{theme}{suffix}.png", Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        context.close()


def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    clock = VirtualClock()
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        mocked_cloud(clock, monkeypatch) as cloud,
        night_on(cloud, Lines(clock), monkeypatch) as night,
        chromium.started() as browser,
    ):
        for name, picture in taken(night, browser):
            small = picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
            small.save(FOLDER / name, optimize=True)
            print(f"{name}: {(FOLDER / name).stat().st_size // 1024} KB")


if __name__ == "__main__":
    write()
