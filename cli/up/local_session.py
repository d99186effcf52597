"""The local cloud as a command needs it: the one that runs, or an engine for as long as the command lasts."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cli import output
from cli.environment import replaced, said
from cli.exit_codes import Exit, Stop
from cli.up import demo_sites, leftover_runs, local_services
from local.cloud import FOLDER, STATE, Running, running, workspace
from local.deploy import DeployError, Deployment
from local.engine.engine import Engine, EngineError
from local.engine.properties import DroppedProperty
from shared import tables
from shared.aws.cloud import Cloud
from shared.aws.names import LOCAL, Names
from shared.clock import Clock
from shared.job import registry

HOME = "NIGHTSHIFT_LOCAL"
POLL = 0.2
# What can go wrong with starting it, each with a message that says what to do.
FAULTS = (EngineError, DeployError, DroppedProperty)


def folder() -> Path:
    """Where the local cloud keeps its state: NIGHTSHIFT_LOCAL, or .local in the project."""
    return Path(os.environ.get(HOME) or FOLDER).resolve()


@contextmanager
def opened() -> Iterator[Cloud]:
    """Raises Stop with NO_CLOUD where it cannot be started.

    One that `up` has started is used as it is. Else an engine is started on the same state: without ticker and doors,
    and deployed only where tables are missing, so that a changed job runs at once.
    """
    waits = False
    while not (found := running(folder())):
        with alone(folder()) as mine:
            if mine:
                with _started() as cloud:
                    yield cloud
                return
        if not waits:
            output.say("waiting for another jobs.py, which starts or uses the local cloud")
        waits = True
        time.sleep(POLL)
    with at(found) as cloud:
        yield cloud


@contextmanager
def alone(place: Path) -> Iterator[bool]:
    """Whether this process is now the one that may start an engine on the state in `place`."""
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def at(local: Running | Engine, settings: Mapping[str, str] | None = None) -> Iterator[Cloud]:
    """The local cloud as jobs see it; this process's environment points there for as long as the block lasts."""
    here = workspace(folder()) | local.environment(os.environ) | said(LOCAL, local.account, local.region)
    with replaced({**here, **(settings or {})}):
        yield Cloud(Names(LOCAL, local.account, local.region))


@contextmanager
def _started() -> Iterator[Cloud]:
    began = Clock().now()
    try:
        with demo_sites.sites() as sites, local_services.around(folder()) as near, Engine(folder() / STATE) as engine:
            settings = workspace(folder()) | near | demo_sites.settings(sites)
            if _incomplete(engine):
                output.say("deploying to the local cloud; this is done once")
                Deployment(engine, settings=settings, stage=LOCAL).run()
            with at(engine, settings) as cloud:
                leftover_runs.bury(cloud, registry.jobs().values(), began)
                if sites:
                    demo_sites.hand_over_credentials(sites, cloud)
                yield cloud
    except FAULTS as error:
        raise Stop(Exit.NO_CLOUD, f"the local cloud cannot be started: {error}") from error


def _incomplete(engine: Engine) -> bool:
    wanted = {Names(LOCAL, engine.account, engine.region).table(table.name) for table in tables.TABLES}
    pages = engine.client("dynamodb").get_paginator("list_tables").paginate()
    return not wanted <= {name for page in pages for name in page["TableNames"]}
