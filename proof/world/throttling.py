"""AWS that throttles a share of all requests, and counts them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from proof.world.aws_errors import client_error
from shared.aws.throttled_calls import LONGEST_PAUSE, TRIES

if TYPE_CHECKING:
    from proof.world.process import Process


class Throttling:
    """Refuses requests by a seed.

    The clients of jobs repeat them as `throttled_calls` does. Requests to the outside are not AWS's.

    job: the only one whose requests are refused (default: those of all).
    """

    def __init__(self, share: float, seed: int, job: str = "") -> None:
        self.share = share
        self.job = job
        self._drawn = random.Random(seed)
        #: Requests by job, those of the SDK's repetitions included.
        self.requests: Counter[str] = Counter()
        #: Requests by job that were not refused.
        self.performed: Counter[str] = Counter()

    def perform(self, process: Process, name: str, perform: Callable[[], Any]) -> Any:
        """Make the requests of one call. Raises ClientError."""
        for attempt in range(TRIES):
            if attempt:
                process.wait(self._drawn.uniform(0, min(2.0 ** (attempt - 1), LONGEST_PAUSE)))
            self.requests[process.job] += 1
            if self._spares(process, name) or self._drawn.random() >= self.share:
                self.performed[process.job] += 1
                return perform()
        raise client_error(name.partition(":")[2], "ThrottlingException", "Rate exceeded")

    def _spares(self, process: Process, name: str) -> bool:
        return name.startswith("outside:") or self.job not in ("", process.job)
