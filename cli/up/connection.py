"""Connections to a local cloud, and the lock of its state."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cli.environment import deployment_variables, replace_environment
from cli.paths import local_folder
from local.running import Running, workspace
from shared.aws.cloud import Cloud
from shared.aws.names import LOCAL, Names

if TYPE_CHECKING:
    from local.engine.engine import Engine


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
    environment = workspace(local_folder()) | local.environment(os.environ) | deployment
    with replace_environment({**environment, **(settings or {})}):
        yield Cloud(Names(LOCAL, local.account, local.region))
