"""The Chromium of the browser tests: the packaged one, the same on each Linux machine, or an installed one."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "node_modules"
PACKAGE = MODULES / "@sparticuz" / "chromium"
UNPACKED = MODULES / ".cache" / "chromium"
INSTALLED = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
# The package unpacks the libraries that a bare machine lacks only where it takes that for Lambda.
UNPACK = "import('@sparticuz/chromium').then((found) => found.default.executablePath())"
# The packaged fonts alone: a screenshot is the same on each machine.
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir>
<selectfont><rejectfont>
<glob>*Serif*</glob><glob>*Condensed*</glob><glob>*Math*</glob><glob>*ExtraLight*</glob>
</rejectfont></selectfont>
</fontconfig>
"""
# No name is resolved and nothing is sent but to this machine: the console needs no other host.
FLAGS = (
    *("--no-sandbox", "--headless", "--disable-gpu", "--disable-sync", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--font-render-hinting=none"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@dataclass(frozen=True, slots=True)
class Chromium:
    """A browser that can be started."""

    path: str
    environment: dict[str, str] = field(default_factory=dict)


class NoChromium(Exception):
    """No Chromium can be started on this machine."""


@cache
def find() -> Chromium:
    """The packaged one on Linux with x86-64, else an installed one. Raises NoChromium."""
    if sys.platform == "linux" and platform.machine() == "x86_64" and PACKAGE.exists():
        return _packaged()
    found = next(filter(None, map(shutil.which, INSTALLED)), None)
    if found is None:
        raise NoChromium("no Chromium is installed, and the packaged one runs on Linux with x86-64 only")
    return Chromium(found)


@contextmanager
def started() -> Iterator[Browser]:
    """A headless browser while the block lasts. Raises NoChromium."""
    found = find()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found.path, args=list(FLAGS), env={**os.environ, **found.environment}
        )
        try:
            yield browser
        finally:
            browser.close()


def _packaged() -> Chromium:
    if not UNPACKED.exists():
        _unpack()
    libraries = os.pathsep.join(filter(None, (f"{UNPACKED}/al2023/lib", os.environ.get("LD_LIBRARY_PATH"))))
    environment = {"LD_LIBRARY_PATH": libraries, "FONTCONFIG_FILE": f"{UNPACKED}/fonts.conf"}
    path = UNPACKED / "chromium"
    answer = subprocess.run([path, "--version"], env={**os.environ, **environment}, capture_output=True, text=True)
    if answer.returncode:
        raise NoChromium(f"the packaged Chromium does not start: {answer.stderr.strip()[:300]}")
    return Chromium(str(path), environment)


def _unpack() -> None:
    """Unpack beside the packages, so that `npm ci` removes it with them.

    Of two processes, the one that ends later keeps the other's.
    """
    UNPACKED.parent.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=UNPACKED.parent))
    environment = {**os.environ, "TMPDIR": str(folder), "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs24.x"}
    node = ROOT / ".venv" / "bin" / "node"
    subprocess.run([node, "-e", UNPACK], cwd=ROOT, env=environment, check=True, capture_output=True)
    fonts = FONTS.format(fonts=MODULES / "dejavu-fonts-ttf" / "ttf", cache=UNPACKED / "font-cache")
    (folder / "fonts.conf").write_text(fonts)
    try:
        folder.rename(UNPACKED)
    except OSError:
        shutil.rmtree(folder)


if __name__ == "__main__":
    try:
        print(f"The tests in a browser run in {find().path}.")
    except NoChromium as error:
        print(f"WARNING: the tests in a browser are SKIPPED: {error}.")
