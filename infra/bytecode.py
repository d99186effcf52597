"""Compiled modules of a synthesis.

Those of the CDK are large: compiling them takes longer than the synthesis.
"""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".local" / "bytecode"


def keep() -> None:
    """Keep compiled modules, in .local/ if not beside their sources.

    PYTHONDONTWRITEBYTECODE is common in containers. With PYTHONPYCACHEPREFIX, that folder is used.
    """
    if sys.dont_write_bytecode:
        sys.dont_write_bytecode = False
        sys.pycache_prefix = sys.pycache_prefix or str(FOLDER)
