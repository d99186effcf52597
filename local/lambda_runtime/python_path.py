"""Import path of a function: code, layers, packages of Lambda's runtime."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import shutil
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

# Lambda's Python runtimes contain the SDK and the runtime client only.
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html
RUNTIME_PACKAGES = ("boto3", "awslambdaric")
# One engine uses a folder at a time. `setdefault` is atomic.
CREATION_LOCKS: dict[Path, threading.Lock] = {}


def unpack(archive: bytes, folder: Path) -> Path:
    """Extract a zip once, into a shared folder named by its hash."""
    target = folder / hashlib.sha256(archive).hexdigest()[:20]
    return _created_once(target, lambda unfinished: _extract(archive, unfinished))


def _extract(archive: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(archive)) as contents:
        contents.extractall(folder)


def _created_once(target: Path, fill: Callable[[Path], None]) -> Path:
    """Create a folder under a lock.

    One of several concurrent cold starts fills it, and the others wait.
    """
    with CREATION_LOCKS.setdefault(target, threading.Lock()):
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
            try:
                fill(unfinished)
                # A complete folder or none: the engine can be killed at any time.
                unfinished.rename(target)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return target


def prune(folder: Path, in_use: set[str]) -> None:
    """Remove packages that no function and no layer version uses."""
    names = {base64.b64decode(digest).hex()[:20] for digest in in_use if digest}
    for package in folder.glob("*"):
        if package.name not in names:
            shutil.rmtree(package, ignore_errors=True)


def import_path(code: Path, layers: list[Path], runtime: Path) -> list[str]:
    """`sys.path` in Lambda's order: code, layers, runtime; the standard library comes after."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    path = [code]
    for layer in layers:
        path += [layer / "python" / "lib" / version / "site-packages", layer / "python"]
    return [str(entry) for entry in [*path, runtime] if entry.is_dir()]


def runtime_folder(folder: Path) -> Path:
    """Folder with links to the runtime's packages only."""
    return _created_once(folder / "runtime", _link_runtime)


def _link_runtime(folder: Path) -> None:
    for name in _with_requirements(RUNTIME_PACKAGES):
        for entry in _top_level(name):
            link = folder / entry.name
            if not link.exists():
                link.symlink_to(entry)


def _with_requirements(names: tuple[str, ...]) -> set[str]:
    required: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in required:
            continue
        try:
            requirements = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        required.add(name)
        waiting += [re.split(r"[^\w.-]", need, maxsplit=1)[0] for need in requirements if "extra ==" not in need]
    return required


def _top_level(name: str) -> set[Path]:
    package = distribution(name)
    entries = {file.parts[0] for file in package.files or [] if file.parts[0] != ".."}
    return {Path(str(package.locate_file(entry))) for entry in entries if entry != "__pycache__"}
