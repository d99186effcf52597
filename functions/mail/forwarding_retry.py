from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from threading import Semaphore
from typing import TYPE_CHECKING, Any, NamedTuple

from functions.mail._forwarded_message import forwarded
from functions.mail._message_facts import sender_and_subject
from functions.mail._relay_verdict import attempt_sending
from shared import clock
from shared.archetypes.sweep import Attempt, AttemptResult, AttemptVerdict, GaveUp, Key, Succeeded, Sweep
from shared.job import (
    Effect,
    NotPerformed,
    RunContext,
    Unknown,
    days,
    every,
    find_missing_objects,
    keyed,
    read_objects,
    retry_policies,
    tables,
)
from shared.mail import message as mail_message
from shared.mail import sending
from shared.product import notifications
from shared.product.alias_state import reason_not_forwarding
from shared.run import effect_results

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.mail.relay import RelayPool
    from shared.product.records.mail import FailedEmail

# Bytes of a message: the limit of SES; most other relays accept less.
LARGEST = 40 * 1024 * 1024
# Sending a message takes five times its size in memory. At most LARGE_AT_ONCE messages larger than LARGE are in memory
# at once, and others are deferred after LARGE_WAIT seconds; the remaining memory suffices for all smaller messages.
LARGE = 4 * 1024 * 1024
LARGE_AT_ONCE = 3
LARGE_WAIT = 20


class Tools(NamedTuple):
    relays: RelayPool
    large_slots: Semaphore


class ForwardingRetry(Sweep):
    """Retry failed forwards after 1, 6, 24 and 48 hours.

    Then close them and notify the user.

    Delays count from the previous attempt. Closed rows are deleted by failed-email-expiry.
    """

    schedule = every(minutes=1)
    table = tables.FAILED_EMAILS
    shards = 4
    record = "shared.product.records.mail.FailedEmail"
    delays = retry_policies.FORWARDING_ITEM
    give_up_after = days(7)
    referenced_tables = (tables.USERS, tables.ALIASES, tables.DESTINATIONS)
    width = 4
    patience = 60
    memory = 1024
    verb = "send"
    effects = days(30)
    retention = "critical"
    idempotency = keyed("each attempt is an effect of its message and number; the notice is written with the closing")
    settings = sending.SETTINGS
    permissions = (
        *sending.GRANTS,
        *notifications.GRANTS,
        read_objects(f"{tables.RAW}*"),
        # A missing message closes its row, and a forbidden one must not.
        find_missing_objects(),
    )

    def references(self, item: FailedEmail) -> Iterable[Key]:
        return _user(item), _alias(item), _destination(item)

    def since(self, item: FailedEmail) -> datetime:
        return item.failed_at

    @contextmanager
    def tools(self, run: RunContext) -> Iterator[Tools]:
        from shared.mail.relay import RelayPool

        with RelayPool(run) as relays:
            yield Tools(relays, Semaphore(LARGE_AT_ONCE))

    def attempt(self, attempt: Attempt) -> AttemptVerdict:
        with ExitStack() as slot:
            prepared = self._prepare(attempt, slot)
            if isinstance(prepared, GaveUp):
                return prepared
            return attempt_sending(attempt.tools.relays, attempt, lambda relay: relay.forward(*prepared))

    def _prepare(self, attempt: Attempt, slot: ExitStack) -> tuple[bytes, str] | GaveUp:
        """The message to forward and its destination.

        Raises NotPerformed if they are not available now.
        """
        item: FailedEmail = attempt.item
        user, alias, to = (attempt.references.get(key) for key in self.references(item))
        if not user or user.get("deleted_at"):
            return GaveUp("its user is gone")
        if why := reason_not_forwarding(alias or {}, attempt.at):
            return GaveUp(why)
        if not to or not to.get("verified_at"):
            return GaveUp("its destination is gone, or was never verified")
        if not isinstance(to.get("address"), str):
            return GaveUp("its destination has no address")
        message = _read_message(attempt.run.cloud, item.raw, attempt.tools.large_slots, slot)
        if isinstance(message, GaveUp):
            return message
        try:
            # The same on each attempt: a message that arrives twice can be recognised.
            key = effect_results.token(attempt.run.cloud.names, self.name, f"{item.user}#{item.id}")
            return forwarded(message, item.alias, key), to["address"]
        except mail_message.MailRefused as refused:
            return GaveUp(str(refused))

    def on_success(self, item: FailedEmail, result: AttemptResult) -> Mapping[str, Any]:
        from shared.product.records.mail import ForwardState

        return {"state": ForwardState.DELIVERED, "next_attempt_at": None}

    def on_give_up(self, item: FailedEmail, result: AttemptResult) -> Mapping[str, Any]:
        from shared.product.records.mail import ForwardState

        return {"state": ForwardState.CLOSED, "closed_at": result.at, "next_attempt_at": None}

    def with_puts(self, run: RunContext, item: FailedEmail, result: AttemptResult) -> Sequence[Any]:
        if isinstance(result.verdict, Succeeded):
            return ()
        data: dict[str, str | int] = {
            "alias": item.alias,
            "attempts": result.number,
            "failed": f"{item.failed_at:%-d %B %Y}",
            **sender_and_subject(run.cloud, item.raw),
        }
        put = notifications.notification(
            run.cloud,
            item.user,
            # With the time: the same message can be forwarded again and fail again.
            f"{self.name}-{item.id}-{clock.iso(item.failed_at)}",
            "forward_failed",
            "porter",
            data,
            f"failed-emails/{item.id}",
        )
        return (put,)

    def reconcile(self, effect: Effect) -> Unknown:
        return Unknown("look for the message's own Message-ID in the relay's log")


def _user(item: FailedEmail) -> Key:
    return Key(tables.USERS.name, item.user, "-")


def _alias(item: FailedEmail) -> Key:
    return Key(tables.ALIASES.name, item.user, item.alias)


def _destination(item: FailedEmail) -> Key:
    return Key(tables.DESTINATIONS.name, item.user, item.destination)


def _read_message(cloud: Cloud, key: str, large_slots: Semaphore, slot: ExitStack) -> bytes | GaveUp:
    try:
        stored = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=key)
        with stored["Body"] as body:
            if stored["ContentLength"] > LARGEST:
                size = f"{stored['ContentLength']:,}"
                return GaveUp(f"the message has {size} bytes, and no relay accepts more than {LARGEST:,}")
            if stored["ContentLength"] > LARGE:
                if not large_slots.acquire(timeout=LARGE_WAIT):
                    raise NotPerformed(f"{LARGE_AT_ONCE} other large messages are being sent")
                slot.callback(large_slots.release)
            message: bytes = body.read()
            return message
    except cloud.s3.exceptions.NoSuchKey:
        return GaveUp("the message does not exist any more")
    except Exception as error:
        # Nothing was sent, and an unreadable bucket must not close the row.
        raise NotPerformed(f"the message cannot be read: {error}") from error
