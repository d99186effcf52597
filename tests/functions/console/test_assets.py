"""Files of the pages: those of npm packages are the ones of the lock file, and all are small."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from functions.console import _assets

ROOT = Path(__file__).parents[3]
PACKAGED = {"htmx.min.js": "htmx.org/dist", "idiomorph-ext.min.js": "idiomorph/dist"}


@pytest.mark.parametrize("name", PACKAGED)
def test_a_packaged_file_is_that_of_the_lock_file(name: str) -> None:
    package = PACKAGED[name].partition("/")[0]
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"][f"node_modules/{package}"]["version"]
    assert f"{package.removesuffix('.org')} {locked}," in (_assets.FOLDER / "LICENSES.txt").read_text()
    installed = ROOT / "node_modules" / PACKAGED[name] / name
    assert installed.read_bytes() == (_assets.FOLDER / name).read_bytes()


@pytest.mark.parametrize(("name", "most"), [("app.css", 12_000), ("app.js", 4_000)])
def test_an_own_file_is_small(name: str, most: int) -> None:
    assert len(gzip.compress((_assets.FOLDER / name).read_bytes())) < most
