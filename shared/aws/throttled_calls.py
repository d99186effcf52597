"""Throttled calls are repeated more often than failed ones."""

from __future__ import annotations

import random
from typing import Any

# Tries in all. A refusal takes milliseconds and was not performed, so that more of them fit into a run than tries that
# wait for an answer; a run that gives up repeats all of its work.
TRIES = 8
# Seconds: the longest pause before a try.
LONGEST_PAUSE = 4
CODES = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


def repeat(response: Any, attempts: int, **_: Any) -> float | None:
    """Return the pause before the next try, or None for no try.

    A handler of botocore's event `needs-retry`, registered after the SDK's own: it decides where that one stops.
    """
    code = response[1].get("Error", {}).get("Code") if response else ""
    if code not in CODES or attempts >= TRIES:
        return None
    return random.uniform(0, min(2.0 ** (attempts - 1), LONGEST_PAUSE))
