"""The registry's usable jobs, for commands that must not fail with one."""

from __future__ import annotations

import os
from collections.abc import Iterable

from cli import declared_jobs
from cli.exit_codes import CommandError, Exit
from shared.job import registry, settings_check
from shared.job.definition import Job
from shared.job.setting import SettingError
from shared.job.validation import DeclarationError


def jobs() -> dict[str, Job]:
    """All usable jobs by name.

    Broken modules, invalid settings and misspelt names of settings are reported on stderr, once.
    """
    declared_jobs.report(declared_jobs.read().reports)
    return registry.discover().jobs


def find(name: str) -> Job | None:
    """The usable job of that name or id, or None.

    Only its module is imported.
    """
    declared = declared_jobs.read()
    declared_jobs.report(declared.reports)
    known = declared_jobs.name_of(name, declared)
    try:
        return registry.load(declared.places[known]) if known else None
    except SettingError:
        # Reported; the registry has the job with its declared values.
        return registry.discover().jobs[known]


def fault(name: str) -> DeclarationError | None:
    """The error of the broken module with this name, if any."""
    broken = registry.discover().broken
    return next((error for path, error in broken.items() if path.rpartition("/")[2].replace("_", "-") == name), None)


def require_valid_settings(checked: Iterable[Job]) -> None:
    """Check the jobs' settings in this environment.

    Raises CommandError with all that are invalid.
    """
    if lines := settings_check.invalid(checked, os.environ):
        raise CommandError(Exit.WRONG_USE, "\n".join(lines))
