"""The jobs: found in functions/, not listed anywhere. A module there declares one, or has `jobs()` that yields some."""

from __future__ import annotations

import difflib
import importlib
import os
import pkgutil
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from shared.advised_commands import without_stage
from shared.job.definition import Job
from shared.job.overrides import configured
from shared.job.validation import DeclarationError, where

FUNCTIONS = "functions"


class UnknownJob(LookupError):
    """No job of that name; the message suggests the nearest."""

    def __init__(self, name: str, known: list[str]) -> None:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"`{without_stage('list')}` shows all"
        super().__init__(f"there is no job {name!r}; {hint}")


def load(path: str, environment: Mapping[str, str] = os.environ) -> Job:
    """`sites/pricing` -> the job that functions/sites/pricing.py declares, as the environment has it.

    `plugins/host:x` is the one named x of those that a module yields. Raises SettingError where what the environment
    says of it cannot be read.
    """
    module, _, name = path.partition(":")
    for declared in _declared(_module(module)):
        if not name or declared.name == name:
            return configured(declared, environment)()
    if name:
        raise DeclarationError(f"functions/{module}.py yields no job {name!r}; `{without_stage('list')}` shows all")
    raise DeclarationError(f"functions/{module}.py declares no job; define one class that derives from Job")


def jobs(environment: Mapping[str, str] = os.environ) -> dict[str, Job]:
    """Every job by name, in the order of groups and names, as the environment has them.

    Raises DeclarationError where two claim one name or key, SettingError where the environment cannot be read.
    """
    found: dict[str, Job] = {}
    keys: dict[str, Job] = {}
    for path in _paths():
        for declared in _declared(_module(path)):
            job = configured(declared, environment)()
            for kind, taken, mark in (("name", found, declared.name), ("status key", keys, declared.key)):
                if mark in taken:
                    here, there = where(declared), where(type(taken[mark]))
                    raise DeclarationError(f"{here}: the {kind} {mark!r} is taken by {there}; rename one of them")
                taken[mark] = job
    return found


def find(name: str) -> Job:
    """The job of that name. Raises UnknownJob."""
    known = jobs()
    if name not in known:
        raise UnknownJob(name, list(known))
    return known[name]


def _paths() -> Iterator[str]:
    package = importlib.import_module(FUNCTIONS)
    for folder in sorted({Path(entry) for entry in package.__path__}):
        for group in sorted(child for child in folder.iterdir() if child.is_dir()):
            for module in pkgutil.iter_modules([str(group)]):
                if not module.name.startswith("_"):
                    yield f"{group.name}/{module.name}"


def _module(path: str) -> ModuleType:
    name = f"{FUNCTIONS}.{path.replace('/', '.')}"
    try:
        return importlib.import_module(name)
    except ValueError as error:
        # What schedules, grants and strategies refuse while the class is being made; its line is the last one of ours.
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(f"{path}.py")
        ]
        raise DeclarationError(f"functions/{path}.py:{lines[-1] if lines else 1}: {error}") from error


def _declared(module: ModuleType) -> list[type[Job]]:
    if callable(yielding := vars(module).get("jobs")):
        return list(yielding())
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Job)
        and value.__module__ == module.__name__
        and not value.archetype
    ]
    if len(own) > 1:
        names = " and ".join(cls.__name__ for cls in own)
        raise DeclarationError(f"{where(own[1])}: one module is one job, but {names} are in it; split the file")
    return own
