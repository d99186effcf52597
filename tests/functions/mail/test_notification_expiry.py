"""Notifications are deleted after 90 days; those that wait to be sent stay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from functions.mail.notification_expiry import NotificationExpiry
from shared.job.duration import days
from shared.product.records.outgoing import Notification, SendState
from tests.conftest import NOON
from tests.support.purging import Facts


class TestNotificationExpiry(Facts):
    job = NotificationExpiry()
    keeps = days(90)

    def made(self, id_: str, age: timedelta, now: datetime = NOON, **rest: Any) -> Notification:
        given = {"state": SendState.SENT, **rest}
        return Notification(user="u1", id=id_, template="t", created_at=now - age, **given)

    def kept(self, now: datetime = NOON) -> Sequence[Notification]:
        return [self.made("queued", timedelta(days=400), now, state=SendState.QUEUED, next_attempt_at=now)]
