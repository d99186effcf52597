"""Bundles: deterministic, compiled, and limited to the packages that a group can import."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import sys
import zipfile
from pathlib import Path

import pytest

from infra import bundle, package, platform, public
from infra.deployment import Deployment
from infra.package import Package
from shared.aws.names import Names
from shared.job import registry
from tests.infra.conftest import ROOT, grow

HERE = platform.on_this_machine()
# Not compiled, which takes most of the time that a bundle takes.
BARE = platform.LambdaPlatform("arm64", "3.13", None, None)
ADMIN = {"console", "operations"}


def deployed(target: platform.LambdaPlatform = HERE) -> Deployment:
    return Deployment(Names("prod", "123456789012", "eu-west-1"), registry.jobs(), target, {})


@pytest.fixture
def deployment() -> Deployment:
    return deployed()


def groups() -> list[str]:
    return [*deployed().groups, *(endpoint.name for endpoint in public.endpoints())]


def names(made: Package) -> set[str]:
    with zipfile.ZipFile(made.path) as archive:
        return set(archive.namelist())


def packages(made: Package) -> set[str]:
    """`shared/x` for each package of shared/ that has a module in it."""
    return {name.split("/")[1] for name in names(made) if name.startswith("shared/") and name.count("/") > 1}


def test_the_same_tree_makes_the_same_file_and_the_same_hash(deployment: Deployment, tmp_path: Path) -> None:
    first = bundle.bundle("operations", deployment, with_manifest=True, folder=tmp_path / "one")
    second = bundle.bundle("operations", deployment, with_manifest=True, folder=tmp_path / "two")
    assert first.digest == second.digest
    assert first.path.read_bytes() == second.path.read_bytes()
    with zipfile.ZipFile(first.path) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {package.EPOCH}, "no time of this machine"


def test_touching_a_file_changes_nothing_and_changing_it_does(tmp_path: Path) -> None:
    tree = grow(tmp_path / "tree")
    module = tree / "functions" / "grown" / "bins.py"

    def digest() -> str:
        return bundle.bundle("grown", deployed(BARE), with_manifest=False, root=tree, folder=tmp_path / "assets").digest

    before = digest()
    os.utime(module, (0, 0))
    assert digest() == before
    module.write_text(module.read_text() + "\n# changed\n")
    assert digest() != before


@pytest.mark.parametrize(
    ("edited", "redeployed"),
    [
        ("shared/admin/redrive.py", ADMIN),
        ("shared/plugins/host/sandbox.py", {"plugins"}),
        ("shared/archetypes/probe/__init__.py", {"sites"}),
        ("functions/samples/crash.py", {"samples"}),
        ("shared/clock.py", set(groups())),
    ],
)
def test_a_comment_redeploys_only_the_groups_that_can_import_its_package(
    edited: str, redeployed: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, made = grow(tmp_path / "tree"), deployed()
    monkeypatch.setattr(bundle, "cached", lambda folder, digest, _: Package(folder, digest))

    def digests() -> dict[str, str]:
        return {group: bundle.bundle(group, made, with_manifest=False, root=tree).digest for group in groups()}

    before = digests()
    (tree / edited).write_text((tree / edited).read_text() + "\n# changed\n")
    after = digests()
    assert {group for group in before if before[group] != after[group]} == redeployed


def test_a_bundle_holds_its_own_group_and_the_runtime_and_nothing_else(deployment: Deployment, tmp_path: Path) -> None:
    made = bundle.bundle("operations", deployment, with_manifest=True, folder=tmp_path)
    tops = {name.split("/")[0] for name in names(made)}
    held = {name.split("/")[1] for name in names(made) if name.startswith("functions/")}
    assert tops == {"shared", "functions", "manifest.json"}
    assert held == {"operations", "__init__.py", "__pycache__"}


def test_files_of_a_group_that_are_not_python_are_in_its_bundle(tmp_path: Path) -> None:
    assert "functions/mail/templates/export_ready.txt" in names(
        bundle.bundle("mail", deployed(BARE), with_manifest=False, folder=tmp_path)
    )


def test_a_bundle_leaves_out_packages_that_its_group_cannot_import(tmp_path: Path) -> None:
    made = {
        group: packages(bundle.bundle(group, deployed(BARE), with_manifest=False, folder=tmp_path))
        for group in groups()
    }
    assert {group for group, held in made.items() if "admin" in held} == ADMIN
    assert {group for group, held in made.items() if "plugins" in held} == {"plugins"}
    assert all("aws" in held for held in made.values())
    assert {"mail", "ledger", "product", "archetypes"} & made["samples"] == set()


def test_a_package_whole_or_not_at_all(tmp_path: Path) -> None:
    held = names(bundle.bundle("samples", deployed(BARE), with_manifest=False, folder=tmp_path))
    for folder in {Path(name).parent for name in held if name.startswith("shared/") and name.count("/") > 1}:
        assert {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).glob("*.py")} <= held


def test_a_dotted_string_brings_the_package_that_it_names(tmp_path: Path) -> None:
    tree = grow(tmp_path / "tree")

    def held() -> set[str]:
        return packages(bundle.bundle("grown", deployed(BARE), with_manifest=False, root=tree, folder=tmp_path / "a"))

    module = tree / "functions" / "grown" / "bins.py"
    assert "product" not in held()
    module.write_text(module.read_text() + '\nRECORD = "shared.product.records.mail.Cycle"\n')
    assert "product" in held()


def test_only_groups_that_need_the_manifest_have_it(deployment: Deployment, tmp_path: Path) -> None:
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
    assert content[4:8] == b"\x01\x00\x00\x00", "an unchecked hash, not a time"
    assert b"/var/task/shared/job/definition.py" in content


def test_without_a_python_that_can_compile_for_it_sources_are_shipped_and_hash_differently(tmp_path: Path) -> None:
    made = bundle.bundle("operations", deployed(BARE), with_manifest=False, folder=tmp_path)
    assert not [name for name in names(made) if name.endswith(".pyc")]
    assert BARE.tag != HERE.tag
