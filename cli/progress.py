"""Progress of a long command.

One line for each step, with the seconds since the start, on stderr.
"""

from __future__ import annotations

import time

from cli import output


class Progress:
    def __init__(self) -> None:
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def __call__(self, step: str) -> None:
        output.notice(f"{self.seconds:6.1f} s  {step}")
