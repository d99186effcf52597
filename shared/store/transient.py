"""Repeat a bookkeeping write while AWS cannot be reached or throttles."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from shared.aws import throttled_calls
from shared.clock import Clock

Result = TypeVar("Result")

# Codes of errors that pass; those of a 5xx status need not be named.
CODES = throttled_calls.CODES | {"LimitExceededException", "TransactionConflictException"}
# Seconds between two tries, doubled up to the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0


def is_transient(error: BaseException) -> bool:
    """Return whether the same call may succeed later.

    True for no connection, no answer, throttling and 5xx.
    """
    from botocore.exceptions import ClientError, HTTPClientError

    if isinstance(error, ClientError):
        answer = error.response
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or answer.get("Error", {}).get("Code") in CODES
    return isinstance(error, HTTPClientError | ConnectionError | TimeoutError)


def persist(call: Callable[[], Result], clock: Clock, seconds: Callable[[], float]) -> Result:
    """Call until it succeeds, and return its result.

    `call` must be safe to repeat. seconds: how long it may be repeated from now on.

    Raises the error of the last call, and at once an error that does not pass.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            return call()
        except Exception as error:
            if not is_transient(error) or seconds() < pause:
                raise
        clock.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
