"""Deterministic zip files, built once per content and cached."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib.util import source_from_cache
from pathlib import Path

from infra.platform import LambdaPlatform

# The earliest time that the zip format can hold.
EPOCH = (1980, 1, 1, 0, 0, 0)
UNUSED_DAYS = 14
# Threads build packages ahead; a second thread that needs the same one waits. `setdefault` is atomic.
BUILD_LOCKS: dict[Path, threading.Lock] = {}


@dataclass(frozen=True, slots=True)
class Package:
    """A zip file and the hash of its inputs, the asset's hash."""

    path: Path
    digest: str


def cached(folder: Path, digest: str, fill: Callable[[Path], None]) -> Package:
    """Return the package of that digest.

    `fill` writes its content into an empty folder if it is not cached.
    """
    package = Package(folder / f"{digest}.zip", digest)
    with BUILD_LOCKS.setdefault(package.path, threading.Lock()):
        if package.path.exists():
            package.path.touch()
        else:
            _build(folder, package, fill)
    return package


def _build(folder: Path, package: Package, fill: Callable[[Path], None]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    remove_unused(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as building:
        content, archive = Path(building) / "content", Path(building) / "archive.zip"
        content.mkdir()
        fill(content)
        _zip(content, archive)
        # Several processes may synthesize at once: a rename never shows half a file.
        archive.replace(package.path)


def remove_unused(folder: Path, suffix: str = ".zip") -> None:
    """Remove files that no synth has used for two weeks."""
    oldest = time.time() - UNUSED_DAYS * 86_400
    for path in folder.glob(f"*{suffix}"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)


def compile_all(folder: Path, target: LambdaPlatform, mounted: str, skip: str = "") -> None:
    """Put a .pyc beside every module: cold starts are 3.7 times shorter.

    The .pyc files have unchecked hashes, so that they contain no times or paths of this machine. `mounted` is the
    folder's path on Lambda, for tracebacks; `skip` is a folder in it that is compiled already.
    """
    if target.compiler is None:
        return
    folders = sorted(path for path in folder.iterdir() if path.is_dir() and path.name != skip)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run(
        [
            *(target.compiler, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"),
            *("-s", str(folder), "-p", mounted, *map(str, folders if skip else [folder])),
        ],
        env=environment,
        check=True,
    )


def unpack(package: Package, into: Path, sources: Collection[str]) -> None:
    """Extract the files named in `sources`, and the compiled form of each."""
    with zipfile.ZipFile(package.path) as archive:
        archive.extractall(into, [name for name in archive.namelist() if _source(name) in sources])


def copy(source: Path, into: Path) -> None:
    into.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, into)


def _source(name: str) -> str:
    """`a/__pycache__/b.cpython-313.pyc` -> `a/b.py`."""
    return source_from_cache(name) if name.endswith(".pyc") else name


def _zip(content: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(content.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(content).as_posix(), EPOCH)
                # Lambda runs as another user: every user may read.
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                packed.writestr(entry, path.read_bytes())
