"""The local cloud for one command.

The one that is running, or an engine that runs for the command only.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from cli import log_lines, output
from cli.environment import deployment_variables, replace_environment
from cli.exit_codes import CommandError, Exit
from cli.up import demo_sites, leftover_runs, local_services, machine
from local.cloud import FOLDER, STATE, Running, running, workspace
from local.deploy import DEPLOYED, DeployError, LocalDeployment
from local.engine.engine import Engine, EngineError
from local.engine.properties import DroppedProperty
from shared import tables
from shared.advised_commands import without_stage
from shared.aws.cloud import Cloud
from shared.aws.names import LOCAL, Names
from shared.clock import Clock
from shared.job import registry
from shared.observability.log import Log

HOME = "NIGHTSHIFT_LOCAL"
POLL = 0.2
# Errors of a start; each message states what to do.
START_ERRORS = (EngineError, DeployError, DroppedProperty)


def folder() -> Path:
    """The folder of the local cloud's state.

    NIGHTSHIFT_LOCAL, or .local in the project.
    """
    return Path(os.environ.get(HOME) or FOLDER).resolve()


@contextmanager
def open_cloud() -> Iterator[Cloud]:
    """Connect to the running local cloud, or start an engine. Raises CommandError.

    The engine uses the same state, without ticker and function URLs. It is deployed only if tables are missing, so
    that a changed job runs without a deployment.
    """
    with _connected(_started) as cloud:
        yield cloud


@contextmanager
def open_state() -> Iterator[Cloud]:
    """Connect to the running local cloud, or its kept state, to read.

    Nothing is deployed, and no other server is started. Raises CommandError if there is no state.
    """
    if not (folder() / STATE / DEPLOYED).exists() and not running(folder()):
        raise CommandError(
            Exit.NO_CLOUD, f"nothing has been deployed to the local cloud; `{without_stage('up')}` starts it"
        )
    with _connected(_kept) as cloud:
        yield cloud


@contextmanager
def _connected(start: Callable[[], AbstractContextManager[Cloud]]) -> Iterator[Cloud]:
    """Connect to the running local cloud, or start one.

    Only the holder of the lock of the state starts it.
    """
    waiting = False
    while not (other := running(folder())):
        with lock(folder()) as locked:
            if locked:
                try:
                    with start() as cloud:
                        yield cloud
                except START_ERRORS as error:
                    raise CommandError(Exit.NO_CLOUD, f"the local cloud cannot be started: {error}") from error
                return
        if not waiting:
            output.notice("waiting for another jobs.py that is starting or using the local cloud")
        waiting = True
        time.sleep(POLL)
    with connect(other) as cloud:
        yield cloud


@contextmanager
def _kept() -> Iterator[Cloud]:
    with Engine(folder() / STATE) as engine, connect(engine) as cloud:
        yield cloud


@contextmanager
def lock(place: Path) -> Iterator[bool]:
    """Lock the state in `place`; False if it is locked already."""
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def connect(local: Running | Engine, settings: Mapping[str, str] | None = None) -> Iterator[Cloud]:
    """The local cloud as jobs use it.

    This process's environment points to it while the block lasts.
    """
    deployment = deployment_variables(LOCAL, local.account, local.region)
    environment = workspace(folder()) | local.environment(os.environ) | deployment
    with replace_environment({**environment, **(settings or {})}):
        yield Cloud(Names(LOCAL, local.account, local.region))


@contextmanager
def _started() -> Iterator[Cloud]:
    began = Clock().now()
    machine.require(folder())
    with (
        demo_sites.sites() as sites,
        local_services.start(folder()) as services,
        Engine(folder() / STATE) as engine,
    ):
        settings = workspace(folder()) | services.settings | demo_sites.settings(sites)
        if _lacks_tables(engine):
            output.notice("deploying to the local cloud, once")
            LocalDeployment(engine, settings=settings, stage=LOCAL, report=output.notice).run()
        with connect(engine, settings) as cloud:
            log = Log(log_lines.print_text, cloud.clock)
            leftover_runs.mark_lost(cloud, registry.discover().jobs.values(), began, log)
            if sites:
                demo_sites.store_credentials(sites, cloud)
            yield cloud


def _lacks_tables(engine: Engine) -> bool:
    declared = {Names(LOCAL, engine.account, engine.region).table(table.name) for table in tables.TABLES}
    pages = engine.client("dynamodb").get_paginator("list_tables").paginate()
    return not declared <= {name for page in pages for name in page["TableNames"]}
