"""What is shipped: the same from the same, an allow-list, compiled for the Python that runs it."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import sys
import zipfile
from pathlib import Path

import pytest

from infra import bundle, layer, package, platform
from infra.deployment import Deployment
from infra.package import Package
from shared.aws.names import Names
from shared.job import registry
from tests.infra.conftest import ROOT, grow

HERE = platform.on_this_machine()


@pytest.fixture
def deployment() -> Deployment:
    return Deployment(Names("prod", "123456789012", "eu-west-1"), registry.jobs(), HERE, {})


def names(made: Package) -> set[str]:
    with zipfile.ZipFile(made.path) as archive:
        return set(archive.namelist())


def test_the_same_tree_makes_the_same_file_and_the_same_hash(deployment: Deployment, tmp_path: Path) -> None:
    first = bundle.bundle("operations", deployment, with_manifest=True, folder=tmp_path / "one")
    second = bundle.bundle("operations", deployment, with_manifest=True, folder=tmp_path / "two")
    assert first.digest == second.digest
    assert first.path.read_bytes() == second.path.read_bytes()
    with zipfile.ZipFile(first.path) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {package.EPOCH}, "no time of this machine"


def test_touching_a_file_changes_nothing_and_changing_it_does(deployment: Deployment, tmp_path: Path) -> None:
    tree = grow(tmp_path / "tree")
    module = tree / "functions" / "grown" / "bins.py"

    def digest() -> str:
        return bundle.bundle("grown", deployment, with_manifest=False, root=tree, folder=tmp_path / "assets").digest

    before = digest()
    os.utime(module, (0, 0))
    assert digest() == before
    module.write_text(module.read_text() + "\n# changed\n")
    assert digest() != before


def test_a_package_is_made_once(tmp_path: Path) -> None:
    filled = []

    def fill(content: Path) -> None:
        filled.append(content)
        (content / "a").write_text("a")

    assert package.kept(tmp_path, "digest", fill).path == package.kept(tmp_path, "digest", fill).path
    assert len(filled) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["digest.zip"]


def test_packages_that_nobody_asked_for_in_two_weeks_are_forgotten(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / f"{name}.zip").touch()
    os.utime(tmp_path / "old.zip", (0, 0))
    package.forget(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["new.zip"]


def test_a_bundle_holds_the_runtime_and_its_own_group_and_nothing_else(deployment: Deployment, tmp_path: Path) -> None:
    made = bundle.bundle("operations", deployment, with_manifest=True, folder=tmp_path)
    tops = {name.split("/")[0] for name in names(made)}
    groups = {name.split("/")[1] for name in names(made) if name.startswith("functions/")}
    assert tops == {"shared", "functions", "manifest.json"}
    assert groups == {"operations", "__init__.py", "__pycache__"}


def test_only_who_needs_the_manifest_carries_it(deployment: Deployment, tmp_path: Path) -> None:
    with_it = bundle.bundle("operations", deployment, with_manifest=True, folder=tmp_path)
    without = bundle.bundle("operations", deployment, with_manifest=False, folder=tmp_path)
    assert names(with_it) - names(without) == {"manifest.json"}
    with zipfile.ZipFile(with_it.path) as archive:
        assert set(json.loads(archive.read("manifest.json"))) == set(deployment.jobs)


def test_a_group_that_imports_the_manifest_declares_that_it_needs_it() -> None:
    for path in sorted((ROOT / "functions").glob("*/*.py")):
        if path.name == "handler.py" or path.name.startswith("_") or not _imports_manifest(path):
            continue
        declared = [job for job in registry.jobs().values() if job.module.endswith(f"{path.parent.name}.{path.stem}")]
        assert [job for job in declared if job.needs_manifest], (
            f"{path} imports shared.job.manifest: needs_manifest = True"
        )


def _imports_manifest(path: Path) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and (
            node.module == "shared.job.manifest"
            or any(f"{node.module}.{a.name}" == "shared.job.manifest" for a in node.names)
        )
        for node in ast.walk(ast.parse(path.read_text()))
    )


def test_every_module_is_compiled_so_that_no_cold_start_does_it(deployment: Deployment, tmp_path: Path) -> None:
    made = bundle.bundle("operations", deployment, with_manifest=False, folder=tmp_path)
    sources = {name for name in names(made) if name.endswith(".py")}
    tag = sys.implementation.cache_tag
    compiled = {f"{Path(n).parent}/__pycache__/{Path(n).stem}.{tag}.pyc" for n in sources}
    assert {name for name in names(made) if name.endswith(".pyc")} == compiled
    with zipfile.ZipFile(made.path) as archive:
        content = archive.read(f"shared/job/__pycache__/definition.{tag}.pyc")
    assert content[:4] == importlib.util.MAGIC_NUMBER
    assert content[4:8] == b"\x01\x00\x00\x00", "a hash that is not checked, in place of a time"
    assert b"/var/task/shared/job.py" in content


def test_without_a_python_that_can_compile_for_it_sources_are_shipped_and_hash_differently(tmp_path: Path) -> None:
    missing = platform.Target("arm64", "3.13", None, None)
    bare = Deployment(Names("prod", "1", "x"), registry.jobs(), missing, {})
    made = bundle.bundle("operations", bare, with_manifest=False, folder=tmp_path)
    assert not [name for name in names(made) if name.endswith(".pyc")]
    assert missing.tag != HERE.tag


def test_a_python_of_another_version_is_not_taken_for_a_compiler() -> None:
    assert platform.compiler_of("3.99") is None
    assert platform.compiler_of(f"{sys.version_info.major}.{sys.version_info.minor}") == sys.executable


def test_the_layer_is_what_the_lock_file_says_for_lambdas_machine(tmp_path: Path) -> None:
    made = layer.layer("operations", platform.on_lambda())
    content = names(made)
    binaries = {name for name in content if name.endswith(".so")}
    assert binaries
    assert all("cpython-313-aarch64-linux" in name for name in binaries)
    assert {"python/pydantic/__init__.py", "python/cronsim/__init__.py", "python/botocore/__init__.py"} <= content
    assert {name.split("/")[0] for name in content} == {"python"}
    assert tmp_path.exists()


def test_the_sdk_is_cut_to_the_services_that_the_runtime_opens() -> None:
    content = names(layer.layer("operations", platform.on_lambda()))
    data = {name.split("/")[3] for name in content if name.startswith("python/botocore/data/") and name.count("/") > 3}
    assert data == set(layer.sdk_services())
    assert {"dynamodb", "sqs", "s3"} <= data
    assert "python/botocore/data/endpoints.json" in content


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('self._client("sqs")', ("sqs",)),
        ("self._client('sqs', QUICK); self._client('s3')", ("s3", "sqs")),
        ("self._client(service)", "cloud.py:1: name the service in words"),
        ("session.client('sqs')", "opens no client"),
    ],
)
def test_a_service_that_the_cut_would_miss_is_an_error(tmp_path: Path, source: str, found: tuple[str] | str) -> None:
    (tmp_path / "shared" / "aws").mkdir(parents=True)
    (tmp_path / "shared" / "aws" / "cloud.py").write_text(source)
    if isinstance(found, str):
        with pytest.raises(layer.LayerError, match=found):
            layer.sdk_services(tmp_path)
    else:
        assert layer.sdk_services(tmp_path) == found


def test_every_service_that_a_function_may_call_is_in_the_layer() -> None:
    granted = [grant for job in registry.jobs().values() for grant in job.grants()]
    called = {action.partition(":")[0] for grant in granted for action in grant.actions}
    # What IAM knows by another name than the SDK.
    sdk = {"ses": "sesv2", "bedrock": "bedrock-runtime"}
    assert {sdk.get(service, service) for service in called} <= set(layer.sdk_services())


def test_requirements_are_exact_and_hashed_and_hold_no_tool_of_ours() -> None:
    wanted = layer.requirements("operations")
    pins = [line for line in wanted.splitlines() if line and not line.startswith((" ", "#"))]
    assert all("==" in line for line in pins)
    assert wanted.count("--hash=sha256:") >= len(pins)
    assert not {"aws-cdk-lib", "ministack", "pytest"} & {line.partition("==")[0] for line in pins}
