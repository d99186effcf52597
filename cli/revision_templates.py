"""Templates of this checkout or of another commit."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cli import output
from cli.exit_codes import CommandError, Exit
from cli.paths import ROOT
from infra import synth
from infra.template import Template


def of_folder(folder: Path) -> Mapping[str, Template]:
    """Templates in a folder. Raises CommandError if there are none."""
    templates = synth.read(folder)
    if not templates:
        raise CommandError(Exit.WRONG_USE, f"{folder} contains no templates (*.template.json) of a synthesis")
    return templates


def of_checkout(folder: Path, stage: str, root: Path = ROOT) -> Mapping[str, Template]:
    """Synthesize into a folder. Raises CommandError."""
    try:
        return synth.synthesize(folder, stage, root=root, report=output.notice)
    except synth.SynthError as error:
        raise CommandError(Exit.FAILED, str(error)) from None


def of_revision(revision: str, folder: Path, stage: str) -> Mapping[str, Template]:
    """Templates of a commit, synthesized with the packages of this environment."""
    with _tree(revision, folder) as root:
        return of_checkout(folder / "out", stage, root)


@contextmanager
def _tree(revision: str, folder: Path) -> Iterator[Path]:
    """The files of a commit in a folder.

    The cache of packages is that of this checkout.
    """
    root = folder / "tree"
    root.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "--format=tar", revision], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        raise CommandError(Exit.WRONG_USE, f"{revision}: {archive.stderr.decode(errors='replace').strip()}")
    subprocess.run(["tar", "-x", "-C", str(root)], input=archive.stdout, check=True)
    (root / ".local").mkdir(exist_ok=True)
    cache = ROOT / ".local" / "assets"
    cache.mkdir(parents=True, exist_ok=True)
    (root / ".local" / "assets").symlink_to(cache)
    yield root
