"""Failed e-mails are deleted after 7 days, once they are closed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from functions.mail.failed_email_expiry import FailedEmailExpiry
from shared.job.duration import days
from shared.product.records.mail import FailedEmail, ForwardState
from tests.conftest import NOON
from tests.support.purging import Facts


class TestFailedEmailExpiry(Facts):
    job = FailedEmailExpiry()
    keeps = days(7)

    def made(self, id_: str, age: timedelta, now: datetime = NOON, **rest: Any) -> FailedEmail:
        given = {"state": ForwardState.CLOSED, "closed_at": now, **rest}
        failed = now - age
        return FailedEmail(
            user="u1", id=id_, alias="a@b.c", destination="d", raw=f"mail/{id_}", failed_at=failed, **given
        )

    def kept(self, now: datetime = NOON) -> Sequence[FailedEmail]:
        waits = {"state": ForwardState.PENDING, "closed_at": None, "next_attempt_at": now}
        return [self.made("pending", timedelta(days=400), now, **waits)]

    def test_one_that_was_delivered_after_all_goes_too(self) -> None:
        delivered = self.made("d", self.job.keep, state=ForwardState.DELIVERED, closed_at=None)
        assert delivered.aging() is not None
