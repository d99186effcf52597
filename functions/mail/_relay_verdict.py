"""Verdict of a sweep's attempt from the answer of the relay."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.archetypes.sweep import Attempt, AttemptVerdict, Deferred, GaveUp, RetryLater, Succeeded
from shared.mail.message import DeliveryUnknown, MailRefused

if TYPE_CHECKING:
    from shared.mail.message import Relay
    from shared.mail.relay import RelayPool


def attempt_sending(pool: RelayPool, attempt: Attempt, send: Callable[[Relay], str]) -> AttemptVerdict:
    """Send one message; the verdict on its attempt.

    Where no attempt was made, raises Deferred for a reason of this recipient, and MailRefused for one of the relay or
    of our account: then the run is not ok. Raises DeliveryUnknown where the last attempt has no answer: nobody sends
    the message again, and it may have been sent, so an operator must look it up.
    """
    try:
        with pool.connection() as relay:
            return Succeeded(send(relay))
    except MailRefused as refused:
        if isinstance(refused.__cause__, DeliveryUnknown) and attempt.last:
            raise refused.__cause__ from None
        if refused.is_attempt:
            return GaveUp(str(refused)) if refused.permanent else RetryLater(str(refused))
        if refused.affects_all:
            raise
        raise Deferred(str(refused), refused.wait) from refused
