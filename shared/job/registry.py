"""Registry of jobs, discovered in functions/.

A module declares one job, or defines `jobs()` that yields several.
"""

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
    """No job has that name; the message suggests the closest one."""

    def __init__(self, name: str, known: list[str]) -> None:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"`{without_stage('list')}` lists all jobs"
        super().__init__(f"there is no job {name!r}; {hint}")


def load(path: str, environment: Mapping[str, str] = os.environ) -> Job:
    """The job that functions/<path>.py declares, with the environment's overrides: `sites/pricing`.

    `plugins/host:x` is the job named x of those that the module yields. Raises DeclarationError, and SettingError for
    an invalid setting.
    """
    module, _, name = path.partition(":")
    for declared in _declared(_module(module)):
        if not name or declared.name == name:
            job: Job = configured(declared, environment)()
            return job
    if name:
        raise DeclarationError(
            f"functions/{module}.py yields no job {name!r}; `{without_stage('list')}` lists all jobs"
        )
    raise DeclarationError(f"functions/{module}.py declares no job; define one class that derives from Job")


def jobs(environment: Mapping[str, str] = os.environ) -> dict[str, Job]:
    """All jobs by name, with the environment's overrides.

    They are ordered by group and name. Raises DeclarationError if two jobs have the same name or key, SettingError for
    an invalid setting.
    """
    names: dict[str, Job] = {}
    keys: dict[str, Job] = {}
    for path in _paths():
        for declared in _declared(_module(path)):
            job: Job = configured(declared, environment)()
            for kind, taken, value in (("name", names, declared.name), ("status key", keys, declared.key)):
                if value in taken:
                    here, there = where(declared), where(type(taken[value]))
                    raise DeclarationError(f"{here}: the {kind} {value!r} is taken by {there}; rename one of them")
                taken[value] = job
    return names


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
        # Raised by a schedule, grant or strategy in the class body: the last line of the module is the place.
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
