"""The console in Chromium looks as its pictures in the documentation."""

from __future__ import annotations

from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Browser

from tests.browser.conftest import Night
from tests.support import screenshots

# Side of a block in pixels. Within it texts may change; a shifted, missing or recoloured part changes whole blocks.
BLOCK = 40
# How far the colour of a block may be from that of the picture, of 255, and how many may be further.
NEAR, SHARE = 8, 0.1


def test_the_pages_look_as_in_the_documentation(shared_night: Night, chromium: Browser) -> None:
    changed = [
        name
        for name, now in screenshots.taken(shared_night, chromium)
        if _share_changed(Image.open(screenshots.FOLDER / name).convert("RGB"), now) > SHARE
    ]
    assert changed == [], "look at these pages; if they are as intended, `make pictures` renews the pictures"


def test_a_page_in_the_other_theme_or_with_a_missing_part_is_noticed() -> None:
    light, dark = (Image.open(screenshots.FOLDER / f"now-{theme}.png").convert("RGB") for theme in screenshots.THEMES)
    assert _share_changed(light, dark) > 0.8
    without = light.copy()
    # The cards.
    without.paste((246, 247, 249), (0, 180, 1280, 560))
    assert _share_changed(light, without) > SHARE


def _share_changed(stored: Image.Image, now: Image.Image) -> float:
    """Share of the blocks whose colour differs; 1 for another size."""
    if stored.size != now.size:
        return 1.0
    blocks = (now.width // BLOCK, now.height // BLOCK)
    box = Image.Resampling.BOX
    difference = ImageChops.difference(stored.resize(blocks, box), now.resize(blocks, box)).convert("L")
    far = difference.point(lambda value: 255 if value > NEAR else 0)
    return ImageStat.Stat(far).mean[0] / 255
