"""Bundle of a group: its folder and the packages that it imports."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from infra import certificates
from infra.deployment import ROOT, SHIPPED, Deployment
from infra.import_graph import ImportGraph
from infra.package import Package, cached, compile_all, copy, unpack
from infra.platform import LambdaPlatform
from shared.http import openapi
from shared.job import job_details, manifest, registry

ASSETS = ROOT / ".local" / "assets"
MOUNTED = "/var/task"
RUNTIME = "shared"
HANDLER = "shared.handler"
GROUPS = "functions"
WORKERS = "workers"


def bundle(
    group: str,
    deployment: Deployment,
    *,
    with_manifest: bool,
    with_details: bool = False,
    root: Path = ROOT,
    folder: Path = ASSETS,
) -> Package:
    """Package the code of `functions/<group>/`.

    A function is redeployed if its bundle changes. So a bundle leaves out packages of shared/ that the group cannot
    reach, and the manifest unless one of its jobs needs it: an edit redeploys the groups that use what was edited.
    with_details: it contains the descriptions of all jobs, and the document of all Function URLs.
    """
    files = dict(_sources(root, group, deployment)) | dict(_carried(group, deployment))
    shipped = {manifest.FILE: _manifest(deployment)} if with_manifest else {}
    if with_details:
        shipped[job_details.FILE] = _details(deployment)
        shipped[openapi.FILE] = openapi.text(registry.endpoints())

    def fill(content: Path) -> None:
        runtime = {name for name in files if _is_runtime(name)}
        unpack(_runtime(root, folder, deployment.target), content, runtime)
        for name in files.keys() - runtime:
            copy(files[name], content / name)
        for name, text in shipped.items():
            (content / name).write_text(text)
        compile_all(content, deployment.target, MOUNTED, skip=RUNTIME)

    return cached(folder / "code", _digest(files, "".join(shipped.values()) or None, deployment.target.tag), fill)


def _sources(root: Path, group: str, deployment: Deployment) -> Iterator[tuple[str, Path]]:
    """Files of the group's folder, and modules that its code can import."""
    own = deployment.imports
    graph = own if root == ROOT else ImportGraph(root, *SHIPPED, parsed=own.parsed)
    entry_points = [GROUPS, *_below(graph, f"{GROUPS}.{group}")]
    if deployment.of_group(group):
        entry_points.append(HANDLER)
    if deployment.uses_celery(group):
        # Imported by a name that is made of a setting: see shared/run/send.py.
        entry_points += _below(graph, WORKERS)
    reached = (graph.modules[module] for module in graph.reachable(entry_points))
    for path in sorted({*reached, *_files(root / GROUPS / group)}):
        yield path.relative_to(root).as_posix(), path


def _below(graph: ImportGraph, package: str) -> list[str]:
    return [module for module in graph.modules if f"{module}.".startswith(f"{package}.")]


def _carried(group: str, deployment: Deployment) -> Iterator[tuple[str, Path]]:
    """Folders that jobs add, such as the code of plugins."""
    for job in deployment.of_group(group):
        for name, carried in job.carries.items():
            for path in _files(carried):
                yield f"{name}/{path.relative_to(carried).as_posix()}", path


def _runtime(root: Path, folder: Path, target: LambdaPlatform) -> Package:
    """All of shared/, compiled once: each bundle takes its part of it."""
    files = {path.relative_to(root).as_posix(): path for path in _files(root / RUNTIME)}

    def fill(content: Path) -> None:
        for name, path in files.items():
            copy(path, content / name)
        compile_all(content, target, MOUNTED)

    return cached(folder / RUNTIME, _digest(files, None, target.tag), fill)


def _is_runtime(name: str) -> bool:
    return name.startswith(f"{RUNTIME}/")


def _files(folder: Path) -> Iterator[Path]:
    """All files below `folder`, except hidden and compiled ones."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and "__pycache__" not in parts and not any(part.startswith(".") for part in parts):
            yield path


def _manifest(deployment: Deployment) -> str:
    return json.dumps(manifest.of(deployment.jobs.values(), deployment.environment), indent=1, sort_keys=True)


def _details(deployment: Deployment) -> str:
    proofs = {name: certificates.summary(each) for name, each in certificates.stored().items()}
    details = job_details.of(deployment.jobs.values(), deployment.environment, proofs)
    return json.dumps(details, indent=1, sort_keys=True)


def _digest(files: Mapping[str, Path], shipped: str | None, tag: str) -> str:
    digest = hashlib.sha256(f"{tag}\n{shipped}\n".encode())
    for name, path in files.items():
        digest.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]
