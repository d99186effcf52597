"""See the catalogue, FS-03."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from functions.flags import _notification_text
from functions.flags._messages import NOTIFICATIONS, Notification
from shared.archetypes.consumer import Consumer, Message
from shared.aws.permissions import produce
from shared.job import retry_policies
from shared.job.duration import days
from shared.job.effect import Confirmed, Effect, NotDone, Unknown
from shared.job.idempotency import keyed
from shared.mail import sending
from shared.mail.message import Mail, MailRefused, Relay
from shared.messages import envelope
from shared.messages.tenant import Tenant
from shared.product import organization
from shared.product.webhook_event import DELIVER, WebhookDelivery
from shared.run.context import RunContext

ADMINS = ("owner", "admin")


class Undelivered(Exception):
    """Some of those who are to be told could not be, and may be later; the others are told no second time."""


class Notifications(Consumer[Notification]):
    """Tell an organization's administrators by e-mail, and its receivers by webhook, as they prefer, each once.

    The same news in the same period is told once, whoever sends it and however often.
    """

    queue = NOTIFICATIONS
    retry = retry_policies.NOTIFICATIONS
    timeout = 60
    batch_size = 5
    effects = days(60)
    idempotency = keyed("each e-mail and each delivery is an effect of the news and of whom it is for")
    settings = sending.SETTINGS
    permissions = (*organization.GRANTS, *sending.GRANTS, *produce(DELIVER))

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        return organization.admits(run.cloud, tenant)

    def handle(self, run: RunContext, message: Message[Notification]) -> None:
        told = message.payload
        tenant = Tenant(told.organization_id)
        found = organization.find(run.cloud, tenant)
        channels = (found.channels if found else {}).get(told.type, _notification_text.CHANNELS[told.type])
        ways: list[tuple[str, Callable[[str], Any]]] = []
        relay = sending.relay(run) if "email" in channels else None
        try:
            if relay:
                ways += [
                    (f"mail#{told.key}#{member}", partial(_mail, relay, told, address))
                    for member, address in _administrators(run, tenant, told.type)
                ]
            if "webhook" in channels:
                ways += [
                    (f"hook#{told.key}#{receiver}", partial(_hook, run, told, receiver))
                    for receiver in _receivers(run, tenant, told.type)
                ]
            self._tell(run, tenant, ways)
        finally:
            if relay:
                relay.close()

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        if "#hook#" in effect.key:
            # Whoever takes it knows it by its event's id.
            return NotDone()
        return Unknown("look for the Message-ID in the relay's log")

    def _tell(self, run: RunContext, tenant: Tenant, ways: list[tuple[str, Callable[[str], Any]]]) -> None:
        """All of them, whatever becomes of one."""
        missed: list[str] = []
        for key, do in ways:
            try:
                run.effect(f"{tenant.id}#{key}", do)
            except MailRefused as refused:
                run.log.error("notification_refused", effect=key, error=str(refused), permanent=refused.permanent)
                if not refused.permanent:
                    missed.append(key)
            except Exception as error:  # noqa: BLE001 - the others are to be told all the same
                run.log.error("notification_failed", effect=key, error=f"{type(error).__name__}: {error}")
                missed.append(key)
        if missed:
            raise Undelivered(f"{len(missed)} of {len(ways)} are not told yet")


def _administrators(run: RunContext, tenant: Tenant, kind: str) -> Iterator[tuple[str, str]]:
    """Ids and addresses of those who have not muted it."""
    for row in organization.all_rows(run.cloud, tenant, "member"):
        if row.get("role") in ADMINS and row.get("email") and kind not in row.get("muted", ()):
            yield row["sk"].partition("#")[2], row["email"]


def _receivers(run: RunContext, tenant: Tenant, kind: str) -> Iterator[str]:
    """Those that take all events, or this one."""
    for row in organization.all_rows(run.cloud, tenant, "receiver"):
        if row.get("active", True) and kind in row.get("events", (kind,)):
            yield row["sk"].partition("#")[2]


def _mail(relay: Relay, told: Notification, address: str, key: str) -> str:
    return relay.send(
        Mail(to=(address,), subject=_notification_text.subject(told), text=_notification_text.text(told)), key
    )


def _hook(run: RunContext, told: Notification, receiver: str, _key: str) -> str:
    sent = WebhookDelivery(
        organization_id=told.organization_id,
        correlation_id=told.correlation_id,
        receiver_id=receiver,
        event_id=told.key,
        event=told.type,
        body=_notification_text.body(told, run.cloud.clock),
    )
    return envelope.send(run.cloud, DELIVER, sent)
