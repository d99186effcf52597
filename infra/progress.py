"""Progress of a synthesis, on stderr."""

from __future__ import annotations

import sys
import time
from itertools import count
from typing import Any

PREFIX = "synth: "


class SynthProgress:
    """Prints a line for each step, with the seconds since the start."""

    def __init__(self, packages: int) -> None:
        self.packages = packages
        self.began = time.monotonic()
        self._packed = count(1)
        self.say(f"packing the functions of {packages} stacks")

    def packed(self, _: Any) -> None:
        """Called when one package is ready, in any thread."""
        self.say(f"packed {next(self._packed)} of {self.packages}")

    def say(self, step: str) -> None:
        sys.stderr.write(f"{PREFIX}{time.monotonic() - self.began:5.1f} s  {step}\n")
        sys.stderr.flush()
