"""Welcome e-mails (QJ-02)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared import clock
from shared.archetypes.consumer import Consumer, Defer, Message, Tenant
from shared.job import (
    Confirmed,
    Effect,
    NotDone,
    Rejected,
    RunContext,
    Unknown,
    days,
    flag_check,
    retry_policies,
    tables,
    update_rows,
)
from shared.mail import sending
from shared.mail.message import Mail, MailRefused
from shared.messages.payload import Id, Payload, Timestamp
from shared.product import organization
from shared.store import table
from shared.store.keys import RowKey

QUEUE = "users:created"
# Seconds until a welcome is tried again that the relay did not even look at.
RELAY_WAIT = 60


class UserCreated(Payload):
    """A user joined an organization.

    Address and name are read when the welcome is sent.
    """

    user_id: Id
    joined_at: Timestamp
    locale: Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en"


class WelcomeEmail(Consumer[UserCreated]):
    """Send each new user one welcome e-mail per organization."""

    queue = QUEUE
    retry = retry_policies.EMAIL
    timeout = 60
    batch_size = 5
    effects = days(60)
    idempotency = flag_check(
        "the member's row records that it was sent; until then the welcome is an effect of the member"
    )
    settings = sending.SETTINGS
    permissions = (*organization.GRANTS, *sending.GRANTS, update_rows(tables.ORGANIZATIONS.name))

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        return organization.admits(run.cloud, tenant)

    def handle(self, run: RunContext, message: Message[UserCreated]) -> None:
        payload = message.payload
        tenant, sk = Tenant(payload.organization_id), f"member#{payload.user_id}"
        member = organization.row(run.cloud, tenant, sk)
        if not member.get("email"):
            raise Rejected(f"{payload.user_id} is no member with an e-mail address")
        if "welcomed_at" in member:
            return

        def send(key: str) -> str:
            relay = sending.relay(run)
            try:
                return relay.send(_welcome(str(member["email"]), str(member.get("name", ""))), key)
            finally:
                relay.close()

        try:
            run.effect(f"{tenant.id}#welcome#{payload.user_id}", send)
        except MailRefused as refused:
            if refused.permanent:
                raise Rejected(str(refused)) from refused
            if not refused.is_attempt:
                raise Defer(refused.wait or RELAY_WAIT) from refused
            raise
        _record_welcome(run, tenant, sk)

    def reconcile(self, effect: Effect) -> Confirmed | NotDone | Unknown:
        return Unknown("look for the Message-ID in the relay's log")


def _welcome(address: str, name: str) -> Mail:
    lines = [
        f"Hello {name}," if name else "Hello,",
        "",
        "your account is ready. Sign in to see your first tasks.",
        "",
        "If you did not expect this e-mail, you can ignore it: nothing happens unless you sign in.",
    ]
    return Mail(to=(address,), subject="Welcome", text="\n".join(lines))


def _record_welcome(run: RunContext, tenant: Tenant, sk: str) -> None:
    # Nothing is written if the member is gone or was welcomed by a concurrent run.
    table.update_if(
        run.cloud,
        tables.ORGANIZATIONS,
        RowKey(tenant.id, sk),
        "SET welcomed_at = :now",
        {":now": clock.iso(run.cloud.clock.now())},
        "attribute_exists(pk) AND attribute_not_exists(welcomed_at)",
    )
