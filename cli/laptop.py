"""The local cloud as a command needs it: the one that runs, or an engine for as long as the command lasts."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli import output
from cli.ending import Exit, Stop
from local.cloud import FOLDER, running, settings_of
from local.deploy import DeployError, Deployment
from local.engine import Engine, EngineError
from shared import tables
from shared.names import LOCAL, Names

POLL = 0.2


@contextmanager
def endpoint(folder: Path = FOLDER) -> Iterator[str]:
    """Where the local cloud answers. Raises Stop with NO_CLOUD where it cannot be started.

    One that `up` has started is used as it is. Else an engine is started on the same state: without ticker and doors,
    and deployed only where tables are missing, so that a changed job runs at once.
    """
    waits = False
    while True:
        if found := running(folder):
            yield found.endpoint
            return
        with alone(folder) as mine:
            if mine:
                yield from _started(folder)
                return
        if not waits:
            output.say("waiting for another jobs.py, which starts or uses the local cloud")
        waits = True
        time.sleep(POLL)


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Whether this process is now the one that may start an engine on the state in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _started(folder: Path) -> Iterator[str]:
    engine = Engine(folder / "state")
    try:
        with engine:
            if _incomplete(engine):
                output.say("deploying to the local cloud; this is done once")
                Deployment(engine, settings=settings_of(os.environ), stage=LOCAL).run()
            yield engine.endpoint
    except (EngineError, DeployError) as error:
        raise Stop(Exit.NO_CLOUD, f"the local cloud cannot be started: {error}") from error


def _incomplete(engine: Engine) -> bool:
    wanted = {Names(LOCAL, engine.account, engine.region).table(table.name) for table in tables.TABLES}
    pages = engine.client("dynamodb").get_paginator("list_tables").paginate()
    return not wanted <= {name for page in pages for name in page["TableNames"]}
