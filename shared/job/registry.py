"""Registry of jobs, discovered in functions/.

A module declares one job, or defines `jobs()` that yields several.
"""

from __future__ import annotations

import difflib
import importlib
import os
import pkgutil
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from shared.advised_commands import without_stage
from shared.job.definition import Job
from shared.job.overrides import configured
from shared.job.setting import SettingError
from shared.job.validation import DeclarationError, where

FUNCTIONS = "functions"
# Modules of a group that declare no job: the handler of a Function URL, and sample data. No job is named like these.
NO_JOBS = ("handler", "seed")


class UnknownJob(LookupError):
    """No job has that name; the message suggests the closest one."""

    def __init__(self, name: str, known: list[str], errors: Iterable[Exception] = ()) -> None:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"`{without_stage('list')}` lists all jobs"
        missing = "".join(f"\nIts module may be this one, which cannot be read: {error}" for error in errors)
        super().__init__(f"there is no job {name!r}; {hint}{missing}")
        self.name = name


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


@dataclass(frozen=True, slots=True)
class Discovery:
    """The declared jobs, and what is wrong with some of them."""

    #: By name, ordered by group and name. A job whose settings are invalid has its declared values.
    jobs: dict[str, Job]
    #: By module, such as `sites/pricing`, or by manifest of a plugin: why its jobs are missing.
    broken: dict[str, DeclarationError]
    #: By job: the invalid setting.
    unconfigured: dict[str, SettingError]

    @property
    def errors(self) -> list[DeclarationError | SettingError]:
        return [*self.broken.values(), *self.unconfigured.values()]


def discover(environment: Mapping[str, str] = os.environ) -> Discovery:
    """All jobs with the environment's overrides, and all errors.

    An error of one module does not hide the jobs of the others.
    """
    found = Discovery({}, {}, {})
    keys: dict[str, Job] = {}
    for path in _paths():
        try:
            module = _module(path)
            for declared in _declared(module):
                _add(found, keys, declared, environment)
            # A module that yields jobs may report the broken ones beside them.
            found.broken.update(vars(module).get("broken", dict)())
        except DeclarationError as error:
            found.broken[path] = error
    return found


def jobs(environment: Mapping[str, str] = os.environ) -> dict[str, Job]:
    """All jobs by name, with the environment's overrides.

    They are ordered by group and name. Raises the first error that `discover` finds: DeclarationError or SettingError.
    """
    found = discover(environment)
    if found.errors:
        raise found.errors[0]
    return found.jobs


def find(name: str, environment: Mapping[str, str] = os.environ) -> Job:
    """The job of that name.

    Broken modules of other jobs do not matter. Raises UnknownJob, and SettingError if its own settings are invalid.
    """
    found = discover(environment)
    name = name_of(name, found.jobs)
    if name not in found.jobs:
        raise UnknownJob(name, list(found.jobs), found.broken.values())
    if name in found.unconfigured:
        raise found.unconfigured[name]
    return found.jobs[name]


def name_of(text: str, jobs: Mapping[str, Job]) -> str:
    """The name of a job, given its name or its id.

    `@acme/tool:sweep` is the id of a plugin's job. Other text is returned unchanged.
    """
    return next((name for name, job in jobs.items() if job.id == text), text) if text not in jobs else text


def endpoints() -> list[str]:
    """The folders of functions/ that serve a Function URL, by name.

    Each has a handler.py.
    """
    package = importlib.import_module(FUNCTIONS)
    return sorted({path.parent.name for folder in package.__path__ for path in Path(folder).glob("*/handler.py")})


def _add(found: Discovery, keys: dict[str, Job], declared: type[Job], environment: Mapping[str, str]) -> None:
    try:
        job: Job = configured(declared, environment)()
    except SettingError as error:
        found.unconfigured[declared.name] = error
        job = declared()
    for kind, taken, value in (("name", found.jobs, declared.name), ("status key", keys, declared.key)):
        if value in taken:
            here, there = where(declared), where(type(taken[value]))
            raise DeclarationError(f"{here}: the {kind} {value!r} is taken by {there}; rename one of them")
    found.jobs[declared.name] = keys[declared.key] = job


def _paths() -> Iterator[str]:
    package = importlib.import_module(FUNCTIONS)
    for folder in sorted({Path(entry) for entry in package.__path__}):
        for group in sorted(child for child in folder.iterdir() if child.is_dir()):
            for module in pkgutil.iter_modules([str(group)]):
                if not module.name.startswith("_") and module.name not in NO_JOBS:
                    yield f"{group.name}/{module.name}"


def _module(path: str) -> ModuleType:
    name = f"{FUNCTIONS}.{path.replace('/', '.')}"
    try:
        return importlib.import_module(name)
    except DeclarationError:
        raise
    except (Exception, SystemExit) as error:
        # A module may fail in any way: a schedule in the class body, a missing package, invalid syntax, an exit.
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise DeclarationError(f"{_place(path, error)}: {reason}") from error


def _place(path: str, error: BaseException) -> str:
    """The last line of functions/ that was run, as `functions/sites/pricing.py:12`."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_relative(error.filename)}:{error.lineno or 1}"
    frames = [each for each in traceback.extract_tb(error.__traceback__) if f"/{FUNCTIONS}/" in each.filename]
    return f"{_relative(frames[-1].filename)}:{frames[-1].lineno}" if frames else f"{FUNCTIONS}/{path}.py:1"


def _relative(filename: str) -> str:
    return f"{FUNCTIONS}/{filename.rpartition(f'/{FUNCTIONS}/')[2]}"


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
