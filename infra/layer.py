"""Third-party code, as a layer: what uv.lock pins, for the machine that runs it, without Docker.

The SDK is part of it, although Lambda's Python carries one: that one changes without notice, and what was tested is
what shall run. botocore is cut to the services that shared/aws/cloud.py opens, which leaves a tenth of it.
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

from infra.bundle import ASSETS
from infra.deployment import ROOT
from infra.package import Package, cached, compile_all
from infra.platform import Target

MOUNTED = "/opt/python"
# Raise it when what is cut changes: it is part of the hash.
CUT = 2


class LayerError(Exception):
    """The layer cannot be made; the message says what to do."""


def layer(
    group: str, target: Target, root: Path = ROOT, folder: Path = ASSETS, extras: tuple[str, ...] = ()
) -> Package:
    """The dependencies of pyproject.toml, and those of its dependency group `functions-<group>` where there is one.

    extras: of its optional dependencies, what the group's settings call for.
    """
    wanted = requirements(group, root, extras)
    services = sdk_services(root)
    digest = hashlib.sha256("\n".join((str(CUT), target.tag, wanted, *services)).encode()).hexdigest()[:32]

    def fill(content: Path) -> None:
        packages = content / "python"
        _install(wanted, packages, target)
        _cut(packages, services)
        compile_all(packages, target, MOUNTED)

    return cached(folder / "layers", digest, fill)


@cache
def requirements(group: str, root: Path = ROOT, extras: tuple[str, ...] = ()) -> str:
    """Exact versions with their hashes, as in uv.lock."""
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
    """The services that the only door to AWS opens: the first argument of every `self._client(...)`."""
    door = root / "shared" / "aws" / "cloud.py"
    opened = set()
    for node in ast.walk(ast.parse(door.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "_client":
            match node.args:
                case [ast.Constant(value=str(service)), *_]:
                    opened.add(service)
                case _:
                    raise LayerError(
                        f"shared/aws/cloud.py:{node.lineno}: name the service in words, the layer is cut to it"
                    )
    if not opened:
        raise LayerError("shared/aws/cloud.py opens no client by self._client('service'); infra/layer.py cuts by that")
    return tuple(sorted(opened))


def _install(wanted: str, packages: Path, target: Target) -> None:
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


def _cut(packages: Path, services: tuple[str, ...]) -> None:
    """Remove what no function can reach."""
    for sdk in ("botocore", "boto3"):
        for service in packages.glob(f"{sdk}/data/*/"):
            if service.name not in services:
                shutil.rmtree(service)
    for unused in (packages / "bin", packages / "boto3" / "examples"):
        shutil.rmtree(unused, ignore_errors=True)
    for stub in packages.rglob("*.pyi"):
        stub.unlink()


def _uv(*arguments: str, folder: Path) -> str:
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        raise LayerError("there is no uv beside this Python or on the PATH; `make setup` installs it into .venv")
    # The CDK command line asks its children for colours, and what uv exports would have them.
    done = subprocess.run([uv, "--color", "never", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LayerError(f"uv {' '.join(arguments)}\nended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
