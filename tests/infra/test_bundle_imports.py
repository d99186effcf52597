"""Every bundle imports with its layer and nothing else: eagerly, lazily, and the records that its jobs name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra import bundle, layer, platform, public
from infra.deployment import ROOT, Deployment
from infra.import_graph import ImportGraph
from infra.package import Package
from shared.aws.names import Names
from shared.job import registry

HERE = platform.on_this_machine()
DEPLOYMENT = Deployment(Names("prod", "123456789012", "eu-west-1"), registry.jobs(), HERE, {})
GROUPS = [*DEPLOYMENT.groups, *(endpoint.name for endpoint in public.endpoints())]

# Runs without site-packages (-S). Every module of the bundle is imported, as Lambda would load the first job.
IMPORT_ALL = """
import importlib, json, sys
path, modules, places = (json.loads(word) for word in sys.argv[1:])
sys.path[:0] = path
for module in modules:
    importlib.import_module(module)
from shared.job import registry
for place in places:
    record = getattr(registry.load(place), "record", None)
    if isinstance(record, str):
        module, _, name = record.rpartition(".")
        getattr(importlib.import_module(module), name)
if places:
    import shared.handler
outside = [m.__file__ for n, m in sys.modules.items() if n.partition(".")[0] in ("shared", "functions", "workers")]
print(json.dumps(sorted({file for file in outside if not file.startswith(path[0])})))
"""


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unpacked")


def extracted(package: Package, folder: Path) -> Path:
    target = folder / package.digest
    if not target.exists():
        with zipfile.ZipFile(package.path) as archive:
            archive.extractall(target)
    return target


@pytest.mark.parametrize("group", GROUPS)
def test_a_bundle_imports_with_its_layer_alone(group: str, unpacked: Path) -> None:
    code = extracted(bundle.bundle(group, DEPLOYMENT, with_manifest=True), unpacked)
    dependencies = extracted(layer.layer(group, HERE), unpacked)
    places = [job.place for job in DEPLOYMENT.of_group(group)]
    modules = [name for name in ImportGraph(code, "shared", "functions").modules if name != "shared.handler"]
    words = [[str(code), str(dependencies / "python")], modules, places]
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_REGION": "eu-west-1",
        "NIGHTSHIFT_STAGE": "prod",
        "NIGHTSHIFT_ACCOUNT": "123456789012",
        "NIGHTSHIFT_JOB": places[0] if places else "",
    }
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMPORT_ALL, *map(json.dumps, words)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=60,
    )
    assert not answer.stderr, answer.stderr
    assert json.loads(answer.stdout.splitlines()[-1]) == [], "modules from outside of the bundle"


@pytest.mark.parametrize("group", GROUPS)
def test_every_lazy_import_of_a_bundle_is_in_it(group: str, unpacked: Path) -> None:
    code = extracted(bundle.bundle(group, DEPLOYMENT, with_manifest=True), unpacked)
    held, tree = ImportGraph(code, "shared", "functions"), ImportGraph(ROOT, "shared", "functions", "workers")
    missing = {
        f"{module}:{target.line} {target.name}"
        for module in held.modules
        if module in tree.modules
        for target in tree.imports(module)
        if not target.typing and target.name not in held.modules
    }
    assert missing == set()
