"""Webhooks of organizations, delivered from a queue.

Catalogue, QJ-03. The job webhook-retry delivers those of users.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from functions.webhooks._endpoint_health import DISABLE_AFTER, GONE, EndpointHealth
from functions.webhooks.webhook_retry import LOOPBACK, RESOLVER_WAIT
from shared import clock
from shared.archetypes.consumer import Consumer, Defer, Message, Tenant
from shared.http import client, ssrf, webhook
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
    tables,
    update_rows,
)
from shared.product import organization
from shared.product.webhook_event import DELIVER, WebhookDelivery

# Limit of a receiver's Retry-After; a longer one is ignored in favour of the retry policy.
LONGEST_WAIT = timedelta(minutes=15)
# Seconds until a receiver's name is looked up again that DNS did not answer.


class WebhookDeliveryJob(Consumer[WebhookDelivery]):
    """Deliver a signed event to an organization's receiver, with retries.

    Retries follow after 30 s, 1, 2 and 4 minutes. All attempts have the same idempotency key.
    """

    queue = DELIVER
    retry = retry_policies.WEBHOOK
    timeout = 60
    batch_size = 5
    effects = days(60)
    retention = "high-volume"
    idempotency = keyed("a delivery is an effect of its event and receiver, and the receiver recognises its key")
    permissions = (*organization.GRANTS, update_rows(tables.ORGANIZATIONS.name))
    settings = (LOOPBACK, DISABLE_AFTER)

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        return organization.admits(run.cloud, tenant)

    def handle(self, run: RunContext, message: Message[WebhookDelivery]) -> None:
        payload = message.payload
        to = organization.row(run.cloud, Tenant(payload.organization_id), f"receiver#{payload.receiver_id}")
        if not to or not to.get("active", True):
            raise Rejected(f"the receiver {payload.receiver_id} was deleted or switched off")
        key = f"{payload.organization_id}#{payload.receiver_id}#{payload.event_id}"
        health, now = EndpointHealth(run, tables.ORGANIZATIONS, lambda *_: ()), run.cloud.clock.now()
        try:
            delivered = run.effect(key, partial(_post, run, to, payload))
        except webhook.WebhookRefused as refused:
            if refused.gone:
                health.disable(to, now, GONE)
                raise Rejected("the receiver answered 410 Gone") from refused
            health.failed(to, now, f"it answered {refused.status}")
            if refused.retry_after and refused.retry_after <= LONGEST_WAIT.total_seconds():
                raise Defer(refused.retry_after, counted=True) from refused
            raise
        except ssrf.ForbiddenUrl as closed:
            raise Rejected(str(closed)) from closed
        except ssrf.ResolverFailed as error:
            # Perhaps a failure of our resolver: no attempt is counted, for a day.
            raise Defer(RESOLVER_WAIT) from error
        except (client.NoResponse, ssrf.Unresolved) as missed:
            health.failed(to, now, str(missed))
            raise
        # Of a delivery that an earlier run made, the time of that one.
        health.succeeded(to, clock.parse(delivered["at"]) if "at" in delivered else now)

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        # The receiver recognises the key, so a second delivery does no harm.
        return NotDone()


def _post(run: RunContext, to: dict[str, Any], payload: WebhookDelivery, key: str) -> dict[str, Any]:
    loopback = run.setting(LOOPBACK.name)
    if loopback and run.cloud.names.production:
        raise SettingError(f"{LOOPBACK.name} is true in production: webhooks could reach this machine")
    http = UntrustedHttpClient(run.cloud, loopback=loopback)
    try:
        answer = webhook.post(http, to["url"], to["secrets"], key, payload.body)
    except ValueError as error:
        raise Rejected(f"it cannot be signed or sent: {error}") from error
    return {"status": answer.status, "at": clock.iso(run.cloud.clock.now())}
