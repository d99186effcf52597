"""Synthesized templates with their packages, kept by the hash of their inputs.

A synth takes 15 s of processor time, and its result depends on the sources, settings and lock files alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

# Assemblies to keep: `make run`, `make up`, and a change of each. They take 60 MB each.
NEWEST = 4


@dataclass(frozen=True)
class Assemblies:
    """Assemblies in a folder.

    Each is a folder, beside a file with the hash of its content.
    """

    folder: Path

    def copy(self, inputs: str, target: Path) -> bool:
        """Copy the assembly of these inputs.

        Returns false without one, or if a file of it has changed.
        """
        kept = self.folder / inputs
        try:
            expected = kept.with_suffix(".sum").read_text()
            _link_tree(kept, target)
        except OSError:
            # Of an older checkout, or removed by another process just now.
            shutil.rmtree(target, ignore_errors=True)
            return False
        if _content(target) != expected:
            shutil.rmtree(target)
            return False
        os.utime(kept.with_suffix(".sum"))
        return True

    def keep(self, inputs: str, assembly: Path) -> None:
        """Keep a copy of the assembly of these inputs.

        Of all, the NEWEST are kept.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".keeping-") as unfinished:
            copy = Path(unfinished) / "assembly"
            _link_tree(assembly, copy)
            (copy.with_suffix(".sum")).write_text(_content(copy))
            # Two processes may keep the same assembly. Its hash last: an assembly without one is not used.
            with contextlib.suppress(OSError):
                shutil.rmtree(self.folder / inputs, ignore_errors=True)
                copy.rename(self.folder / inputs)
                copy.with_suffix(".sum").replace(self.folder / f"{inputs}.sum")
        self._prune()

    def _prune(self) -> None:
        sums = sorted(self.folder.glob("*.sum"), key=_modified, reverse=True)
        for old in sums[NEWEST:]:
            old.unlink(missing_ok=True)
            shutil.rmtree(old.with_suffix(""), ignore_errors=True)


def fingerprint(paths: list[Path], text: str = "") -> str:
    """Hash of names and contents of files; their times do not count."""
    digest = hashlib.sha256(text.encode())
    for top in paths:
        files = sorted(path for path in top.rglob("*") if path.is_file()) if top.is_dir() else [top]
        for path in files:
            if "__pycache__" not in path.parts and path.exists():
                digest.update(f"{path.relative_to(top.parent)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _content(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _link_tree(source: Path, target: Path) -> None:
    """Copy a folder with hard links.

    The CDK writes new files into an assembly and changes none.
    """
    shutil.copytree(source, target, copy_function=_link_or_copy)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Another disk, or one without links.
        shutil.copyfile(source, target)


def _modified(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0
