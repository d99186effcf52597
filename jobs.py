#!/usr/bin/env python3
"""The command line: `python jobs.py <job>`, or a command; `python jobs.py --help` lists them."""

import importlib.util
import os
import sys
from pathlib import Path

VENV = Path(__file__).resolve().parent / ".venv"
OLDEST = (3, 11)
# One package of uv.lock stands for all: without it the others are missing too.
PACKAGE = "rich"


def use_venv() -> None:
    """Restart with the Python of .venv: this one is too old or lacks the packages."""
    python = VENV / "bin" / "python"
    if Path(sys.prefix) == VENV or not python.exists():
        sys.exit("jobs.py needs Python 3.11 or newer and the packages of uv.lock; `make setup` builds .venv with them.")
    os.execv(python, [str(python), *sys.argv])


if __name__ == "__main__":
    if sys.version_info < OLDEST or importlib.util.find_spec(PACKAGE) is None:
        use_venv()
    from cli.main import leave

    leave()
