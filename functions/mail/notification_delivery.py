from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from functions.mail import _digest
from functions.mail._relay_verdict import attempt_sending
from functions.mail._templates import TemplateError, render, sender
from shared import clock
from shared.archetypes.sweep import Attempt, AttemptResult, AttemptVerdict, Deferred, GaveUp, Key, Succeeded, Sweep
from shared.job import Effect, RunContext, Unknown, before_call, days, every, keyed, retry_policies, tables
from shared.mail import message, sending
from shared.mail.mime import sender_address
from shared.mail.route import SENDER
from shared.run import effect_results

if TYPE_CHECKING:
    from shared.mail.relay import RelayPool
    from shared.product.records.outgoing import Notification


class NotificationDelivery(Sweep):
    """Send queued e-mails to users, no faster than the relay accepts them.

    An unavailable relay costs no attempt: its e-mails are retried every minute, for three days. Notices of holds and of
    failed forwards are digests: one e-mail per user, kind and day.
    """

    schedule = every(minutes=1)
    table = tables.NOTIFICATIONS
    record = "shared.product.records.outgoing.Notification"
    delays = retry_policies.EMAIL
    give_up_after = days(3)
    referenced_tables = (tables.USERS,)
    width = 4
    # A digest is sent by one of its notifications at a time.
    share = 1
    # SES allows a new account 14 per second.
    rate = 10
    verb = "send"
    effects = days(30)
    retention = "high-volume"
    idempotency = keyed("each attempt is an effect of its notification and number, and a notification is written once")
    settings = sending.SETTINGS
    permissions = sending.GRANTS

    def references(self, item: Notification) -> Iterable[Key]:
        return (_user(item),)

    def lane(self, item: Notification) -> str:
        return f"{item.user}#{item.template}" if item.template in _digest.KINDS else ""

    def since(self, item: Notification) -> datetime:
        return item.created_at

    def tools(self, run: RunContext) -> AbstractContextManager[RelayPool]:
        from shared.mail.relay import RelayPool

        return RelayPool(run)

    def attempt(self, attempt: Attempt) -> AttemptVerdict:
        item, run = attempt.item, attempt.run
        user = attempt.references.get(_user(item))
        if not user or user.get("deleted_at"):
            return GaveUp("its user is gone")
        _, from_address = sender_address(run.setting(SENDER.name))
        try:
            text = render(item.template, item.data)
            persona = sender(item.persona, str(from_address))
        except TemplateError as error:
            return GaveUp(str(error))
        with before_call():
            others = self._others(attempt) if item.template in _digest.KINDS else ()
        if others is None:
            return Succeeded("it was sent with another one")
        if others:
            text = _digest.render_digest(item, [other for _, other in others])
        mail = message.Mail((user["email"],), text.subject, text.text, text.html, persona)
        # The same Message-ID on each attempt.
        key = effect_results.token(run.cloud.names, self.name, f"{item.user}#{item.id}#{clock.iso(item.created_at)}")
        verdict = attempt_sending(attempt.tools, attempt, lambda relay: relay.send(mail, key))
        if isinstance(verdict, Succeeded) and others:
            _digest.mark_sent(run, others, attempt.at)
        return verdict

    def _others(self, attempt: Attempt) -> _digest.Members | None:
        """The notifications that the same e-mail lists.

        None if this one was sent with another. Raises Deferred if the user has had the digest of the day.
        """
        found = _digest.waiting(attempt.run.cloud, attempt.item, attempt.at)
        if found.is_settled:
            return None
        if found.sent_today:
            raise Deferred("its user has had an e-mail of this kind today", _digest.until_tomorrow(attempt.at))
        return found.others

    def on_success(self, item: Notification, result: AttemptResult) -> Mapping[str, Any]:
        from shared.product.records.outgoing import SendState

        return {"state": SendState.SENT, "sent_at": result.at, "next_attempt_at": None}

    def on_give_up(self, item: Notification, result: AttemptResult) -> Mapping[str, Any]:
        from shared.product.records.outgoing import SendState

        return {"state": SendState.FAILED, "failed_at": result.at, "next_attempt_at": None}

    def reconcile(self, effect: Effect) -> Unknown:
        return Unknown("look for the Message-ID in the relay's log")


def _user(item: Notification) -> Key:
    return Key(tables.USERS.name, item.user, "-")
