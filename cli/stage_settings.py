"""Settings of a stage's file, for commands that need no cloud."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from cli import output
from cli.environment import replace_environment
from cli.exit_codes import CommandError, Exit
from cli.paths import ROOT
from infra import stage_file
from shared.aws.names import LOCAL
from shared.job import registry


@contextmanager
def stage_settings(stage: str) -> Iterator[None]:
    """Add the settings of the stage's file to the environment.

    The environment overrides them. The local cloud has no file. Raises CommandError if the file is invalid.
    """
    if stage == LOCAL:
        yield
        return
    if stage not in stage_file.known(ROOT):
        output.notice(f"there is no {stage_file.FOLDER}/{stage}.toml: the settings of this environment are used alone")
        yield
        return
    jobs = registry.discover({}).jobs.values()
    try:
        file = stage_file.read(stage, ROOT, jobs)
    except stage_file.StageError as error:
        raise CommandError(Exit.WRONG_USE, str(error)) from None
    for line in stage_file.overridden(file, jobs, os.environ):
        output.notice(line)
    own = {name: value for name, value in os.environ.items() if value.strip() or name not in file.variables}
    with replace_environment({**file.variables, **own}):
        yield
