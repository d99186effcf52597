"""Layer of third-party code: the versions of uv.lock, built without Docker.

The SDK is part of the layer although Lambda's Python contains one: Lambda's changes without notice, and the functions
must run with the version that was tested. botocore is cut to the services that shared/aws/cloud.py opens and to the
operations that the code calls (infra/sdk_models.py).
"""

from __future__ import annotations

import ast
import hashlib
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import botocore

from infra import sdk_models
from infra.bundle import ASSETS
from infra.deployment import ROOT
from infra.derived import derived
from infra.package import Package, cached, compile_all
from infra.platform import LambdaPlatform

MOUNTED = "/opt/python"
# uv.lock pins the same botocore here as in the layer.
SDK_DATA = Path(botocore.__file__).parent / "data"
# Part of the hash: increase it when the cut changes.
CUT = 4


class LayerError(Exception):
    """The layer cannot be built; the message contains the remedy."""


def layer(
    group: str, target: LambdaPlatform, root: Path = ROOT, folder: Path = ASSETS, extras: tuple[str, ...] = ()
) -> Package:
    """Build the layer of a group, for the machine `target`.

    It contains the dependencies of pyproject.toml and of its dependency group `functions-<group>`. extras: optional
    dependencies that the group's settings require. Their libraries may call any operation of the SDK.
    """
    wanted = requirements(group, root, extras)
    services = sdk_services(root)
    names = frozenset[str]() if extras else sdk_models.called_names(root)
    operations = sdk_operations(services, names)
    digest = hashlib.sha256("\n".join((str(CUT), target.tag, wanted, *operations)).encode()).hexdigest()[:32]

    def fill(content: Path) -> None:
        packages = content / "python"
        _install(wanted, packages, target)
        _cut(packages, services, names)
        compile_all(packages, target, MOUNTED)

    return cached(folder / "layers", digest, fill)


@cache
def sdk_operations(services: tuple[str, ...], names: frozenset[str]) -> tuple[str, ...]:
    """Operations that the layer keeps."""
    inputs: list[str | bytes] = [_source(sdk_models.__file__), botocore.__version__, *services, "", *sorted(names)]
    return tuple(derived("operations", inputs, lambda: sdk_models.operations(SDK_DATA, services, names)))


@cache
def requirements(group: str, root: Path = ROOT, extras: tuple[str, ...] = ()) -> str:
    """Exact versions with their hashes, which uv exports from uv.lock."""
    # uv.lock has the version of uv as well.
    inputs: list[str | bytes] = [_source(__file__), group, *extras]
    inputs += [(root / name).read_bytes() for name in ("pyproject.toml", "uv.lock")]
    text: str = derived("requirements", inputs, lambda: _exported(group, root, extras))
    return text


def _source(file: str) -> bytes:
    """Code that derives a value: an edit makes another one."""
    return Path(file).read_bytes()


def _exported(group: str, root: Path, extras: tuple[str, ...]) -> str:
    declared = tomllib.loads((root / "pyproject.toml").read_text()).get("dependency-groups", {})
    extra = ("--group", f"functions-{group}") if f"functions-{group}" in declared else ()
    return _uv(
        "export",
        "--frozen",
        "--no-default-groups",
        "--no-emit-project",
        "--no-header",
        "--no-annotate",
        *extra,
        *(f"--extra={name}" for name in extras),
        folder=root,
    )


@cache
def sdk_services(root: Path = ROOT) -> tuple[str, ...]:
    """Services that shared/aws/cloud.py opens: the first argument of every `self._client(...)`."""
    opened = set()
    for node in ast.walk(ast.parse((root / "shared" / "aws" / "cloud.py").read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "_client":
            match node.args:
                case [ast.Constant(value=str(service)), *_]:
                    opened.add(service)
                case _:
                    raise LayerError(
                        f"shared/aws/cloud.py:{node.lineno}: pass the service as a literal, the layer is cut to it"
                    )
    if not opened:
        raise LayerError("shared/aws/cloud.py opens no client by self._client('service'), to which the layer is cut")
    return tuple(sorted(opened))


def _install(wanted: str, packages: Path, target: LambdaPlatform) -> None:
    pinned = packages.parent / "requirements.txt"
    pinned.write_text(wanted)
    where = (
        ("--python-platform", target.platform, "--python-version", target.python)
        if target.platform
        else ("--python", sys.executable)
    )
    _uv(
        *("pip", "install", "--quiet", "--target", str(packages), "--requirement", str(pinned)),
        *("--no-deps", "--require-hashes", "--only-binary", ":all:", "--link-mode", "copy", *where),
        folder=packages.parent,
    )
    pinned.unlink()


def _cut(packages: Path, services: tuple[str, ...], names: frozenset[str]) -> None:
    """Remove data, scripts and type stubs that no function uses."""
    sdk_models.cut(packages / "botocore" / "data", services, names)
    for service in packages.glob("boto3/data/*/"):
        if service.name not in services:
            shutil.rmtree(service)
    for unused in (packages / "bin", packages / "boto3" / "examples"):
        shutil.rmtree(unused, ignore_errors=True)
    for stub in packages.rglob("*.pyi"):
        stub.unlink()


def _uv(*arguments: str, folder: Path) -> str:
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        raise LayerError("uv is neither beside this Python nor on the PATH; `make setup` installs it into .venv")
    # The CDK command line sets FORCE_COLOR for its children; the export must not contain colours.
    done = subprocess.run([uv, "--color", "never", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LayerError(f"uv {' '.join(arguments)}\nended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
