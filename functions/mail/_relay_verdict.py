"""Verdict of a sweep's attempt from the answer of the relay."""

from __future__ import annotations

from collections.abc import Callable

from shared.archetypes.sweep import AttemptVerdict, Deferred, GaveUp, RetryLater, Succeeded
from shared.mail.message import MailRefused


def attempt_sending(send: Callable[[], str]) -> AttemptVerdict:
    """Send one message; the verdict on its attempt.

    Where no attempt was made, raises Deferred for a reason of this recipient, and MailRefused for one of the relay or
    of our account: then the run is not ok.
    """
    try:
        return Succeeded(send())
    except MailRefused as refused:
        if refused.is_attempt:
            return GaveUp(str(refused)) if refused.permanent else RetryLater(str(refused))
        if refused.affects_all:
            raise
        raise Deferred(str(refused), refused.wait) from refused
