"""See the catalogue, QJ-03. Users' own webhooks are rows that are swept; this one rides on its queue."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from functions.webhooks.webhook_retry import LOOPBACK
from shared.archetypes.consumer import Consumer, Defer, Message, Tenant
from shared.http import ssrf, webhook
from shared.http.untrusted import UntrustedHttpClient
from shared.job import (
    Confirmed,
    Effect,
    NotDone,
    Rejected,
    RunContext,
    SettingError,
    Unknown,
    days,
    keyed,
    retry_policies,
)
from shared.product import organization
from shared.product.webhook_event import DELIVER, WebhookDelivery

# For which a receiver may ask to be left alone; longer, and the policy's own delays go on.
LONGEST_WAIT = timedelta(minutes=15)


class WebhookDeliveryJob(Consumer[WebhookDelivery]):
    """Deliver an event to an organization's receiver, signed, after 30 s, 1, 2 and 4 minutes again; then give up.

    Every attempt carries the same idempotency key, by which its receiver knows it.
    """

    queue = DELIVER
    retry = retry_policies.WEBHOOK
    timeout = 60
    batch_size = 5
    effects = days(60)
    retention = "high-volume"
    idempotency = keyed("a delivery is an effect of its event and receiver, and its receiver knows its key")
    permissions = organization.GRANTS
    settings = (LOOPBACK,)

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        return organization.admits(run.cloud, tenant)

    def handle(self, run: RunContext, message: Message[WebhookDelivery]) -> None:
        payload = message.payload
        to = organization.row(run.cloud, Tenant(payload.organization_id), f"receiver#{payload.receiver_id}")
        if not to or not to.get("active", True):
            raise Rejected(f"the receiver {payload.receiver_id} is gone, or switched off")
        key = f"{payload.organization_id}#{payload.receiver_id}#{payload.event_id}"
        try:
            run.effect(key, partial(_post, run, to, payload))
        except webhook.WebhookRefused as refused:
            if refused.gone:
                raise Rejected("the receiver wants no more of them") from refused
            if refused.retry_after and refused.retry_after <= LONGEST_WAIT.total_seconds():
                raise Defer(refused.retry_after, counted=True) from refused
            raise
        except ssrf.ForbiddenUrl as closed:
            raise Rejected(str(closed)) from closed

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        # Its receiver knows the key, and a second one does no harm.
        return NotDone()


def _post(run: RunContext, to: dict[str, Any], payload: WebhookDelivery, key: str) -> dict[str, Any]:
    loopback = run.setting(LOOPBACK.name)
    if loopback and run.cloud.names.production:
        raise SettingError(f"{LOOPBACK.name} is true in production: webhooks would reach into this machine")
    courier = UntrustedHttpClient(run.cloud, loopback=loopback)
    try:
        answer = webhook.post(courier, to["url"], to["secrets"], key, payload.body)
    except ValueError as error:
        raise Rejected(f"it cannot be signed or sent: {error}") from error
    return {"status": answer.status}
