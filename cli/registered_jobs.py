"""The registry's usable jobs, for commands that must not fail with one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache

from cli import output
from cli.exit_codes import CommandError, Exit
from shared.job import registry, settings_check
from shared.job.definition import Job
from shared.job.validation import DeclarationError


def jobs() -> dict[str, Job]:
    """All usable jobs by name.

    Broken modules, invalid settings and misspelt names of settings are reported on stderr, once.
    """
    found = registry.discover()
    for error in found.broken.values():
        _report(f"{error}; its jobs are left out")
    for line in settings_check.invalid(found.jobs.values(), os.environ):
        _report(f"{line}; until it is corrected, its job cannot be run here, nor any job deployed")
    for line in settings_check.unknown(found.jobs.values(), os.environ):
        _report(line)
    return found.jobs


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


@cache
def _report(line: str) -> None:
    output.notice(line)
