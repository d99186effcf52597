"""Requirements of the local cloud on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

from cli.exit_codes import CommandError, Exit

# Packages, layers and state take about 200 MB; CDK's and uv's caches as much again.
MIN_FREE = 500 << 20


def require(folder: Path) -> None:
    """Check the disk of the state. Raises CommandError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise CommandError(Exit.NO_CLOUD, f"{folder} cannot be used for the state: {error.strerror}") from None
    if free < MIN_FREE:
        raise CommandError(
            Exit.NO_CLOUD,
            f"the disk of {folder} has {free >> 20} MB free, and the local cloud needs {MIN_FREE >> 20} MB; make room, "
            "or set NIGHTSHIFT_LOCAL to a folder on another disk",
        )
