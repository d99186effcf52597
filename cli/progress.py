"""What a long command is doing now, and since when it is at it: a line a step, on stderr."""

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
        output.say(f"{self.seconds:6.1f} s  {step}")
