"""Lock files, CDK settings and commit hooks: the same tools, from public registries, on every machine."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

ROOT = Path(__file__).parents[2]

# Where cdk.json departs from what the library recommends, and why.
DEPARTURES = {
    "@aws-cdk/core:enableAdditionalMetadataCollection": False,  # sends usage data, and lengthens every template
}


def uv_lock() -> list[dict[str, Any]]:
    packages: list[dict[str, Any]] = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    return packages


def package_lock() -> dict[str, dict[str, Any]]:
    packages: dict[str, dict[str, Any]] = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    return packages


# Packages of this repository, which are pure Python.
OURS = {"nightshift", "kb-labs-plugin-template"}


def test_python_packages_are_locked_to_the_public_index() -> None:
    sources = [package["source"] for package in uv_lock() if package["name"] not in OURS]
    assert {source["registry"] for source in sources} == {"https://pypi.org/simple"}


def test_python_packages_install_without_a_compiler() -> None:
    assert {package["name"] for package in uv_lock() if not package.get("wheels")} == OURS


def test_node_packages_are_locked_by_their_hashes_to_no_other_registry() -> None:
    for name, package in package_lock().items():
        if name:
            assert package["integrity"].startswith("sha512-")
            assert urlsplit(package.get("resolved", "")).hostname in {None, "registry.npmjs.org"}


def test_the_cdk_command_line_is_pinned_to_one_version() -> None:
    wanted = json.loads((ROOT / "package.json").read_text())["devDependencies"]["aws-cdk"]
    assert wanted == package_lock()["node_modules/aws-cdk"]["version"]


def test_feature_flags_are_those_that_the_locked_library_recommends() -> None:
    # Found without an import, which would start a node.
    library = Path(str(importlib.metadata.distribution("aws-cdk-lib").locate_file("aws_cdk/_jsii")))
    (bundle,) = library.glob("aws-cdk-lib@*.jsii.tgz")
    with tarfile.open(bundle) as archive:
        recommended = archive.extractfile("package/recommended-feature-flags.json")
        assert recommended is not None
        expected = json.load(recommended) | DEPARTURES
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    assert {name: value for name, value in context.items() if name.startswith("@aws-cdk")} == expected


COMMANDS = re.compile(r"(?:python|python3) (?:-m ([a-z_.]+)|([a-z]+\.py))")


def test_every_command_that_the_makefile_and_the_documents_name_is_there() -> None:
    told = [ROOT / "Makefile", *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.py")]
    named = {found for path in told for found in COMMANDS.findall(path.read_text())}
    assert len(named) > 10
    assert [module or file for module, file in sorted(named) if not _there(module, file)] == []


def _there(module: str, file: str) -> bool:
    if file:
        return (ROOT / file).exists()
    found = importlib.util.find_spec(module)
    # A package can be run by its __main__ alone.
    return found is not None and (not found.submodule_search_locations or _there(f"{module}.__main__", ""))


@pytest.mark.parametrize(
    ("message", "accepted"),
    [
        ("Count attempts in one place", True),
        ("Count attempts in one place\n\nTwo places counted. They disagreed after a timeout.\n", True),
        ("x" * 72 + "\n\n" + "y" * 100, True),
        ("x" * 73, False),
        ("Count attempts in one place.", False),
        ("Count attempts in one place.\n\nTwo places counted.\n", False),
    ],
)
def test_a_commit_subject_is_short_and_has_no_full_stop(message: str, accepted: bool, tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    [hook] = [hook for repo in config["repos"] for hook in repo["hooks"] if hook.get("stages") == ["commit-msg"]]
    assert hook["language"] == "pygrep"
    file = tmp_path / "COMMIT_EDITMSG"
    file.write_text(message)
    command = [sys.executable, "-m", "pre_commit.languages.pygrep", *hook["args"], hook["entry"], str(file)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == (0 if accepted else 1)
