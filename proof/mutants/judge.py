"""Judge a mutant in its own process, by tests or the prover.

The process is a copy of one that has imported the libraries, so that it begins within milliseconds. The mutated module
is imported from memory: no file changes.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from proof.mutants.mutation import Mutant

# Imported before the copy; nothing of this project may be among them.
LIBRARIES = ("boto3", "moto", "pytest", "pydantic", "aws_lambda_powertools", "werkzeug")
ROOT = Path(__file__).resolve().parents[2]


class Fate(StrEnum):
    KILLED = "killed"
    #: It ran much longer than the tests of the original.
    ENDLESS = "endless"
    SURVIVED = "survived"


class MutatedModule(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finder and loader of one module with its mutated source."""

    def __init__(self, mutant: Mutant, file: Path) -> None:
        self.module = mutant.module
        self.file = file
        self.source = mutant.apply(file.read_bytes())

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != self.module:
            return None
        spec = importlib.util.spec_from_loader(fullname, self, origin=str(self.file), is_package=self.is_package())
        assert spec
        if self.is_package():
            spec.submodule_search_locations = [str(self.file.parent)]
        spec.has_location = True
        return spec

    def is_package(self, fullname: str = "") -> bool:
        return self.file.name == "__init__.py"

    def get_source(self, fullname: str) -> str:
        return self.source.decode()

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.source, str(self.file), "exec")


def preload() -> None:
    """Import the libraries that the copies share."""
    for library in LIBRARIES:
        if importlib.util.find_spec(library):
            importlib.import_module(library)


def file_of(module: str) -> Path:
    """Source of a module. Raises LookupError."""
    path = ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    raise LookupError(f"there is no module {module}")


def judge(mutant: Mutant | None, run: Callable[[], int], seconds: float) -> tuple[Fate, float]:
    """Run tests in a copy of this process, perhaps with a mutant.

    Returns its fate and the seconds that it took.
    """
    process = multiprocessing.get_context("fork").Process(target=_run, args=(mutant, run))
    began = time.monotonic()
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
        return Fate.ENDLESS, time.monotonic() - began
    return Fate.SURVIVED if process.exitcode == 0 else Fate.KILLED, time.monotonic() - began


def _run(mutant: Mutant | None, run: Callable[[], int]) -> None:
    # The output of hundreds of failed tests; the mutant's name is enough to see it again.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    if mutant:
        sys.meta_path.insert(0, MutatedModule(mutant, file_of(mutant.module)))
        sys.dont_write_bytecode = True
    code = 1
    try:
        code = run()
    finally:
        os._exit(min(int(code), 1))


def tests(files: Sequence[str]) -> int:
    """Run test files until one fails. Returns pytest's exit code."""
    import pytest

    options = ("-n0", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--no-header")
    return int(pytest.main([*options, *files]))


def prover(sample: int) -> int:
    """Run the prover's short form on all jobs.

    Returns its exit code.
    """
    from proof.__main__ import main

    return main(["--sample", str(sample), "--pairs", "1", "--seed", "1", "--processes", "1"])
