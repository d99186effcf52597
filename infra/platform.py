"""Machine of the functions, and the Python that compiles for it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LAMBDA_PYTHON = "3.13"
# Graviton: 20 % cheaper per GB-second, and every dependency has wheels for it.
LAMBDA_ARCHITECTURE = "arm64"
UV_PLATFORM = {"arm64": "aarch64-manylinux2014", "x86_64": "x86_64-manylinux2014"}


@dataclass(frozen=True, slots=True)
class LambdaPlatform:
    """A kind of machine.

    platform: uv's name of it, None for this machine. compiler: a Python of version `python`, None if there is none.
    """

    architecture: str
    python: str
    platform: str | None
    compiler: str | None

    @property
    def tag(self) -> str:
        """Part of an asset's hash: packages of one source differ by machine."""
        compiled = "compiled" if self.compiler else "source"
        return f"{self.platform or sys.platform} {self.architecture} {self.python} {compiled}"


def on_lambda() -> LambdaPlatform:
    return LambdaPlatform(
        LAMBDA_ARCHITECTURE, LAMBDA_PYTHON, UV_PLATFORM[LAMBDA_ARCHITECTURE], compiler_of(LAMBDA_PYTHON)
    )


def on_this_machine() -> LambdaPlatform:
    """The local cloud's machine: it runs functions on its own interpreter."""
    architecture = "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"
    return LambdaPlatform(architecture, f"{sys.version_info.major}.{sys.version_info.minor}", None, sys.executable)


@cache
def compiler_of(version: str) -> str | None:
    """A Python of that minor version: others ignore its .pyc files."""
    return next((candidate for candidate in _candidates(version) if _is(candidate, version)), None)


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield on_path
    # Version managers keep Pythons off the PATH, or behind shims that start one version only.
    for root, folder in (
        (os.environ.get("PYENV_ROOT", "~/.pyenv"), "versions"),
        (os.environ.get("UV_PYTHON_INSTALL_DIR", "~/.local/share/uv/python"), "."),
    ):
        pythons = Path(root).expanduser().glob(f"{folder}/*{version}*/bin/python{version}")
        yield from map(str, sorted(pythons))


def _is(python: str, version: str) -> bool:
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([python, "-c", script], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and answer.stdout.strip() == version
