"""Zip files that come out the same from the same input, made once and kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.platform import Target

# The oldest time that a zip file can say.
EPOCH = (1980, 1, 1, 0, 0, 0)
KEPT_DAYS = 14
# Packages are made ahead by threads; who asks for one meanwhile waits for it. `setdefault` is atomic.
MAKING: dict[Path, threading.Lock] = {}


@dataclass(frozen=True, slots=True)
class Package:
    """A zip file and the hash of all that went into it; CDK takes that hash for its own."""

    path: Path
    digest: str


def kept(folder: Path, digest: str, fill: Callable[[Path], None]) -> Package:
    """The package of that digest. `fill` puts the files into a folder where nobody made it before."""
    package = Package(folder / f"{digest}.zip", digest)
    with MAKING.setdefault(package.path, threading.Lock()):
        if package.path.exists():
            package.path.touch()
        else:
            _make(folder, package, fill)
    return package


def _make(folder: Path, package: Package, fill: Callable[[Path], None]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    forget(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as making:
        content, archive = Path(making) / "content", Path(making) / "archive.zip"
        content.mkdir()
        fill(content)
        _zip(content, archive)
        # Synths run side by side; a rename shows the file whole or not at all.
        archive.replace(package.path)


def forget(folder: Path) -> None:
    """Remove packages that no synth has asked for in two weeks."""
    oldest = time.time() - KEPT_DAYS * 86_400
    for path in folder.glob("*.zip"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)


def compile_all(folder: Path, target: Target, mounted: str, but: str = "") -> None:
    """Put a .pyc beside every module: without them a cold start takes 3.7 times as long.

    but: a folder within that has them.

    Unchecked hashes, so that neither times nor paths of this machine get into the file. `mounted`: where the folder
    will be, for tracebacks.
    """
    if target.compiler is None:
        return
    below = sorted(path for path in folder.iterdir() if path.is_dir() and path.name != but)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run(
        [
            *(target.compiler, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"),
            *("-s", str(folder), "-p", mounted, *map(str, below if but else [folder])),
        ],
        env=environment,
        check=True,
    )


def unpack(package: Package, into: Path) -> None:
    with zipfile.ZipFile(package.path) as packed:
        packed.extractall(into)


def copy(source: Path, into: Path) -> None:
    into.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, into)


def _zip(content: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(content.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(content).as_posix(), EPOCH)
                # Lambda runs as a user of its own: everybody may read.
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                packed.writestr(entry, path.read_bytes())
