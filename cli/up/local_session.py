"""The local cloud for one command.

The one that is running, or an engine that runs for the command only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli import output
from cli.exit_codes import CommandError, Exit
from cli.paths import local_folder
from cli.up.connection import connect, lock
from local.running import DEPLOYED, STATE, running
from shared.advised_commands import without_stage
from shared.aws.cloud import Cloud

if TYPE_CHECKING:
    pass

POLL = 0.2


@contextmanager
def open_cloud() -> Iterator[Cloud]:
    """Connect to the running local cloud, or start an engine. Raises CommandError.

    The engine uses the same state, without ticker and function URLs. It is deployed only if tables are missing, so
    that a changed job runs without a deployment.
    """
    with _connected(reading=False) as cloud:
        yield cloud


@contextmanager
def open_state() -> Iterator[Cloud]:
    """Connect to the running local cloud, or its kept state, to read.

    Nothing is deployed, and no other server is started. Raises CommandError if there is no state.
    """
    if not (local_folder() / STATE / DEPLOYED).exists() and not running(local_folder()):
        raise CommandError(
            Exit.NO_CLOUD, f"nothing has been deployed to the local cloud; `{without_stage('up')}` starts it"
        )
    with _connected(reading=True) as cloud:
        yield cloud


@contextmanager
def _connected(*, reading: bool) -> Iterator[Cloud]:
    """Connect to the running local cloud, or start an engine.

    Only the holder of the lock of the state starts it. reading: deploy nothing.
    """
    waiting = False
    while not (other := running(local_folder())):
        with lock(local_folder()) as locked:
            if locked:
                # Imported lazily: the engine and all that it serves take a second.
                from cli.up import own_engine

                try:
                    with own_engine.kept_state() if reading else own_engine.deployed_cloud() as cloud:
                        yield cloud
                except own_engine.START_ERRORS as error:
                    raise CommandError(Exit.NO_CLOUD, f"the local cloud cannot be started: {error}") from error
                return
        if not waiting:
            output.notice("waiting for another jobs.py that is starting or using the local cloud")
        waiting = True
        time.sleep(POLL)
    with connect(other) as cloud:
        yield cloud
