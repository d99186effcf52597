"""Fate of one try of a call in a simulation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CallEnd(StrEnum):
    """How one try of a call ends."""

    #: Its response arrives.
    ANSWERED = "answered"
    #: The service refuses it, since too many came.
    THROTTLED = "throttled"
    #: The service answers with an error of its own.
    UNAVAILABLE = "unavailable"
    #: The service was not reached.
    UNREACHED = "unreached"
    #: It was performed, and its response is lost.
    REPLY_LOST = "reply lost"
    #: The process ends before it.
    ENDS_BEFORE = "ends before"
    #: It is performed, and the process ends.
    ENDS_AFTER = "ends after"


@dataclass(frozen=True, slots=True)
class CallFate:
    """How a try ends, and how long it takes."""

    end: CallEnd = CallEnd.ANSWERED
    #: Seconds before it is performed.
    before: float = 0
    #: Seconds from then until its response arrives.
    after: float = 0
    #: Whether Lambda's record of an ended process is lost too.
    silent: bool = False
    #: Whether the process is stopped in this time and continued: then it has no time limit.
    frozen: bool = False


PLAIN = CallFate()
