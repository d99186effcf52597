"""Verdict of a sweep's attempt whose mail has no answer."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from functions.mail._relay_verdict import attempt_sending
from shared.archetypes.sweep import Attempt, RetryLater
from shared.mail.message import DeliveryUnknown

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def attempt(*, last: bool) -> Attempt:
    unused: Any = None
    return Attempt(unused, unused, 3, AT, "", {}, unused, last)


def send(relay: Any) -> str:
    unknown = DeliveryUnknown("no answer after the message")
    raise unknown.repeated() from unknown


POOL: Any = SimpleNamespace(connection=lambda: nullcontext(None))


def test_an_unanswered_mail_is_sent_again_while_attempts_are_left() -> None:
    assert isinstance(attempt_sending(POOL, attempt(last=False), send), RetryLater)


def test_after_the_last_attempt_its_outcome_is_unknown() -> None:
    with pytest.raises(DeliveryUnknown):
        attempt_sending(POOL, attempt(last=True), send)
