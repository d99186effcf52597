"""A function's own code: an allow-list of the runtime and one group's folder, never the rest of the repository."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from infra.deployment import ROOT, Deployment
from infra.package import Package, compile_all, copy, kept, unpack
from infra.platform import Target
from shared.job import manifest

ASSETS = ROOT / ".local" / "assets"
MOUNTED = "/var/task"
RUNTIME = "shared"


def bundle(
    group: str, deployment: Deployment, *, with_manifest: bool, root: Path = ROOT, folder: Path = ASSETS
) -> Package:
    """The code of `functions/<group>/`, with what it runs on.

    Only bundles that need the manifest carry it: a job that changes its schedule changes its own group's functions
    and those few that serve all jobs, and no others.
    """
    files = dict(_sources(root, group, *(["workers"] if deployment.uses_celery(group) else [])))
    for job in deployment.of_group(group):
        for name, carried in job.carries.items():
            files |= {f"{name}/{path.relative_to(carried).as_posix()}": path for path in _files(carried)}
    shipped = _manifest(deployment) if with_manifest else None

    def fill(content: Path) -> None:
        unpack(_runtime(root, folder, deployment.target), content)
        for name, path in files.items():
            if not name.startswith(f"{RUNTIME}/"):
                copy(path, content / name)
        if shipped is not None:
            (content / manifest.FILE).write_text(shipped)
        compile_all(content, deployment.target, MOUNTED, but=RUNTIME)

    return kept(folder / "code", _digest(files, shipped, deployment.target.tag), fill)


def _runtime(root: Path, folder: Path, target: Target) -> Package:
    """What every bundle has, compiled once for all of them."""
    files = {path.relative_to(root).as_posix(): path for path in _files(root / RUNTIME)}

    def fill(content: Path) -> None:
        for name, path in files.items():
            copy(path, content / name)
        compile_all(content, target, MOUNTED)

    return kept(folder / RUNTIME, _digest(files, None, target.tag), fill)


def _sources(root: Path, group: str, *others: str) -> Iterator[tuple[str, Path]]:
    functions = root / "functions"
    yield "functions/__init__.py", functions / "__init__.py"
    for folder in (root / RUNTIME, functions / group, *(root / other for other in others)):
        for path in _files(folder):
            yield path.relative_to(root).as_posix(), path


def _files(folder: Path) -> Iterator[Path]:
    """Those below it, without what is hidden or compiled."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and "__pycache__" not in parts and not any(part.startswith(".") for part in parts):
            yield path


def _manifest(deployment: Deployment) -> str:
    return json.dumps(manifest.of(deployment.jobs.values()), indent=1, sort_keys=True)


def _digest(files: dict[str, Path], shipped: str | None, tag: str) -> str:
    digest = hashlib.sha256(f"{tag}\n{shipped}\n".encode())
    for name, path in files.items():
        digest.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]
