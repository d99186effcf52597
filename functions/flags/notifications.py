"""Catalogue, FS-03: notifications of organizations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from functions.flags import _notification_text
from shared.archetypes.consumer import Consumer, Defer, Message, Tenant
from shared.job import (
    Confirmed,
    Effect,
    InFlight,
    NotDone,
    RunContext,
    UncertainOutcome,
    Unknown,
    days,
    keyed,
    produce,
    retry_policies,
)
from shared.mail import sending
from shared.mail.message import Mail, MailRefused, Relay
from shared.messages import envelope
from shared.messages.payload import ID
from shared.product import organization
from shared.product.organization_notification import NOTIFICATIONS, OrganizationNotification
from shared.product.webhook_event import DELIVER, WebhookDelivery

ADMINS = ("owner", "admin")
# Seconds until mails are tried again that the relay did not even look at.
RELAY_WAIT = 60
# The key of an effect, and the call that performs it.
Delivery = tuple[str, Callable[[str], Any]]


class Undelivered(Exception):
    """Some deliveries failed and can be retried; the others are not repeated."""


class Notifications(Consumer[OrganizationNotification]):
    """Notify administrators by e-mail and receivers by webhook, each once.

    Equal notifications of one period are sent once, however often they are delivered. The organization chooses the
    channels.
    """

    queue = NOTIFICATIONS
    retry = retry_policies.NOTIFICATIONS
    timeout = 60
    batch_size = 5
    effects = days(60)
    idempotency = keyed("each e-mail and each delivery is an effect of the notification and its recipient")
    settings = sending.SETTINGS
    permissions = (*organization.GRANTS, *sending.GRANTS, *produce(DELIVER))

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        return organization.admits(run.cloud, tenant)

    def handle(self, run: RunContext, message: Message[OrganizationNotification]) -> None:
        notification = message.payload
        tenant = Tenant(notification.organization_id)
        found = organization.find(run.cloud, tenant)
        chosen = (found.channels if found else {}).get(notification.type)
        channels = _notification_text.CHANNELS[notification.type] if chosen is None else chosen
        hooks = [*_webhooks(run, tenant, notification)] if "webhook" in channels else []
        # An organization that has chosen nothing and receives no webhook hears of it by e-mail.
        mailed = "email" in channels or (chosen is None and not hooks)
        deliveries: list[Delivery] = []
        relay = sending.relay(run) if mailed else None
        try:
            if relay:
                deliveries += _mails(run, tenant, notification, relay)
            deliveries += hooks
            _perform(run, tenant, deliveries)
        finally:
            if relay:
                relay.close()

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        if "#hook#" in effect.key:
            # The consumer of deliveries deduplicates by the event's id.
            return NotDone()
        return Unknown("look for the Message-ID in the relay's log")


def _perform(run: RunContext, tenant: Tenant, deliveries: list[Delivery]) -> None:
    """Perform all deliveries, also after one has failed.

    Raises Defer where another run performs one of them, or the relay takes none now: the message waits without an
    attempt. Else raises Undelivered where some failed, and UncertainOutcome where an operator must resolve one.
    """
    failed: list[str] = []
    waits: list[float] = []
    uncertain: list[UncertainOutcome] = []
    for key, deliver in deliveries:
        try:
            run.effect(f"{tenant.id}#{key}", deliver)
        except MailRefused as refused:
            run.log.error("notification_refused", effect=key, error=str(refused), permanent=refused.permanent)
            if not refused.is_attempt:
                waits.append(refused.wait or RELAY_WAIT)
            elif not refused.permanent:
                failed.append(key)
        except InFlight as busy:
            waits.append(busy.seconds)
        except UncertainOutcome as unknown:
            uncertain.append(unknown)
        except Exception as error:  # noqa: BLE001 - an error of one recipient must not keep the others from theirs
            run.log.error("notification_failed", effect=key, error=f"{type(error).__name__}: {error}")
            failed.append(key)
    if waits:
        # Some were not attempted: no attempt, also for those that failed.
        raise Defer(max(waits))
    if failed:
        raise Undelivered(f"{len(failed)} of {len(deliveries)} deliveries failed; they are retried")
    if uncertain:
        raise uncertain[0]


def _mails(run: RunContext, tenant: Tenant, notification: OrganizationNotification, relay: Relay) -> Iterator[Delivery]:
    """Yield a mail for each administrator who has not muted the type."""
    for row in organization.all_rows(run.cloud, tenant, "member"):
        if row.get("role") in ADMINS and row.get("email") and notification.type not in row.get("muted", ()):
            member = row["sk"].partition("#")[2]
            yield f"mail#{notification.key}#{member}", partial(_mail, relay, notification, row["email"])


def _webhooks(run: RunContext, tenant: Tenant, notification: OrganizationNotification) -> Iterator[Delivery]:
    """Yield a webhook for each receiver of this type."""
    for row in organization.all_rows(run.cloud, tenant, "receiver"):
        if row.get("active", True) and notification.type in row.get("events", (notification.type,)):
            receiver = row["sk"].partition("#")[2]
            if not ID.fullmatch(receiver):
                # No retry can make the id of a row valid.
                run.log.error("notification_refused", effect=f"hook {receiver:.200}", error="invalid receiver id")
                continue
            yield f"hook#{notification.key}#{receiver}", partial(_webhook, run, notification, receiver)


def _mail(relay: Relay, notification: OrganizationNotification, address: str, key: str) -> str:
    subject, text = _notification_text.subject(notification), _notification_text.text(notification)
    return relay.send(Mail(to=(address,), subject=subject, text=text), key)


def _webhook(run: RunContext, notification: OrganizationNotification, receiver: str, _key: str) -> str:
    delivery = WebhookDelivery(
        organization_id=notification.organization_id,
        correlation_id=notification.correlation_id,
        receiver_id=receiver,
        event_id=notification.key,
        event=notification.type,
        body=_notification_text.body(notification, run.cloud.clock),
    )
    return envelope.send(run.cloud, DELIVER, delivery)
