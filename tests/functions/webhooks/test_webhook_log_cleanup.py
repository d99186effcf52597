"""Webhook deliveries are deleted after 30 days; those that are retried stay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from functions.webhooks.webhook_log_cleanup import WebhookLogCleanup
from shared.job.duration import days
from shared.product.records.outgoing import Delivery, SendState
from tests.conftest import NOON
from tests.support.purging import Facts


class TestWebhookLogCleanup(Facts):
    job = WebhookLogCleanup()
    keeps = days(30)

    def made(self, id_: str, age: timedelta, now: datetime = NOON, **rest: Any) -> Delivery:
        given = {"state": SendState.FAILED, **rest}
        return Delivery(user="u1", id=id_, webhook="w", event="e", body="{}", created_at=now - age, **given)

    def kept(self, now: datetime = NOON) -> Sequence[Delivery]:
        return [self.made("queued", timedelta(days=400), now, state=SendState.QUEUED, next_attempt_at=now)]
