"""Folders of the project and of the local cloud's state."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = "NIGHTSHIFT_LOCAL"


def local_folder() -> Path:
    """The folder of the local cloud's state.

    NIGHTSHIFT_LOCAL, or .local in the project.
    """
    return Path(os.environ.get(HOME) or ROOT / ".local").resolve()
