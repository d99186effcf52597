"""A batch of messages: the bad ones are dead letters by the time that work begins, and each of the others is answered.

What is answered neither way, since the deadline or a crash came first, is delivered again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any, Generic

from shared import redaction
from shared.dead_letters.letter import RECEIVES
from shared.job.effect import InFlight
from shared.job.outcome import Done, Rejected
from shared.messages import resend, tenant
from shared.messages.message import Message, P, read
from shared.messages.tenant import Tenant
from shared.run import redriven, send

if TYPE_CHECKING:
    from shared.archetypes.consumer import Consumer
    from shared.run.context import RunContext

LONGEST_VISIBILITY = 12 * 3600


class Defer(Exception):
    """Raised by `handle`: not now, but in `seconds`; that is no failure, until it was put off for a day.

    counted: it was an attempt all the same, and the next one comes no sooner.
    """

    def __init__(self, seconds: float, *, counted: bool = False) -> None:
        super().__init__(f"put off for {seconds:.0f} s")
        self.seconds = seconds
        self.counted = counted


class MessageBatch(Generic[P]):
    """messages: those that were valid, of organizations that are let in, and not paused."""

    def __init__(self, consumer: Consumer[P], run: RunContext) -> None:
        self.consumer = consumer
        self.run = run
        self.name = consumer.name
        self.log = run.log
        self.messages: list[Message[P]] = []
        self.counts = {"handled": 0, "failed": 0}
        self._admitted: dict[str, bool] = {}
        for record in run.records:
            self._take(record)

    def by_tenant(self) -> Iterator[tuple[Tenant | None, list[Message[P]]]]:
        """Each organization's messages, in its turn: the log names it, and no rows but its own can be touched.

        None, and all of them, for a consumer that declares no payload.
        """
        if self.consumer.payload is None:
            yield None, self.messages
            return
        groups: dict[str, list[Message[P]]] = {}
        for message in self.messages:
            groups.setdefault(message.tenant, []).append(message)
        for organization, messages in groups.items():
            with self._turn(Tenant(organization)) as whose:
                self.run.log.info(f"{self.name}_tenant", messages=len(messages))
                yield whose, messages

    @contextmanager
    def handling(self, *messages: Message[P]) -> Iterator[None]:
        """Do the work of these messages within the block. They are done together, or what is raised is all theirs."""
        before = self.run.log
        if len(messages) == 1:
            self.run.log = self._speaking_of(before, messages[0])
        try:
            yield
        except Exception as error:  # noqa: BLE001 - one message's failure is its own
            for message in messages:
                self._not_done(message, error)
        else:
            for message in messages:
                self._done(message)
        finally:
            self.run.log = before

    @contextmanager
    def validating(self, message: Message[P]) -> Iterator[None]:
        """Look at a message, before it is worked on with others: what is raised is its answer, and else it has none."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - one message's failure is its own
            self._not_done(message, error)

    def end(self) -> dict[str, int]:
        """The counts. What was not answered at all comes back."""
        answered = {*self.run.answered, *self.run.failures}
        forgotten = [message.id for message in self.messages if message.id not in answered]
        if forgotten:
            self.log.error(f"{self.name}_unanswered", messages=forgotten, error="handle_batch() left them unanswered")
            self.run.failures.extend(forgotten)
            self.counts["failed"] += len(forgotten)
        return self.counts

    def _take(self, record: Mapping[str, Any]) -> None:
        message: Message[P] = read(record)
        try:
            if told := self.run.paused(tenant=message.tenant):
                resend.defer_paused(self.run.cloud, message)
                self.log.info(f"{self.name}_message_paused", messageId=message.id, note=told)
                self._count("paused", message)
                return
            if resend.not_due_yet(self.run.cloud, message):
                self._count("put_off", message)
                return
            self.messages.append(self._opened(message))
        except Exception as error:  # noqa: BLE001 - nor does it keep the others
            self._not_done(message, error)

    def _opened(self, message: Message[P]) -> Message[P]:
        """With its payload. Raises Rejected where it has none, or none of an organization that is let in."""
        kind = self.consumer.payload
        if kind is None:
            return message
        # With pydantic, which no other consumer needs.
        from shared.messages import envelope
        from shared.messages.payload import InvalidOrganization

        payload = envelope.decode(self.run.cloud, self.consumer.queue or "", kind, message.body)
        organization = payload.organization_id
        if organization not in self._admitted:
            with self._turn(Tenant(organization)) as whose:
                self._admitted[organization] = self.consumer.admits(self.run, whose)
        if not self._admitted[organization]:
            raise InvalidOrganization(organization)
        return replace(message, payload=payload)

    @contextmanager
    def _turn(self, whose: Tenant) -> Iterator[Tenant]:
        self.run.log = self.log.bind(organizationId=whose.id)
        try:
            with tenant.guard(self.run.cloud).scope(whose):
                yield whose
        finally:
            self.run.log = self.log

    def _done(self, message: Message[P]) -> None:
        if message.letter:
            redriven.resolve(self.run.cloud, self.name, message.letter, self.run.run_id, Done.word)
        self._count("handled", message)

    def _not_done(self, message: Message[P], error: Exception) -> None:
        log = self._speaking_of(self.log, message)
        try:
            if isinstance(error, Rejected):
                self._give_up(message, "rejected", str(error))
                log.error(f"{self.name}_message_rejected", error=str(error))
                self._count("rejected", message)
                return
            if isinstance(error, Defer | InFlight) and self._waits(message, error, log):
                return
            text = redaction.excerpt(f"{type(error).__name__}: {error}", redaction.LONG)
            log.error(f"{self.name}_message_failed", error=text, attempt=message.attempt)
            if self._again(message, text, error.seconds if isinstance(error, Defer) and error.counted else 0):
                return
            # Its queue would give it up now, and could not say why.
            if message.receives >= RECEIVES and not self.consumer.dead_letter_queue:
                self._give_up(message, f"all {RECEIVES} receives used up", text)
                self.counts["failed"] += 1
                self.run.answered.add(message.id)
                return
        except Exception as worse:  # noqa: BLE001 - then it stays in its queue, which gives it up in the end
            log.error(f"{self.name}_message_failed", error=f"{type(worse).__name__}: {worse}")
        self.counts["failed"] += 1
        self.run.failures.append(message.id)

    def _waits(self, message: Message[P], error: Defer | InFlight, log: Any) -> bool:
        """Whether it was put off, and is no failure."""
        if self.consumer.payload is None:
            self._hold(message, error.seconds)
            self.counts["put_off"] = self.counts.get("put_off", 0) + 1
            self.run.failures.append(message.id)
            return True
        if resend.deferred_too_long(self.run.cloud, message) or (isinstance(error, Defer) and error.counted):
            return False
        resend.defer(self.run.cloud, message, error.seconds)
        log.info(f"{self.name}_message_put_off", note=str(error), since=message.deferred_since)
        self._count("put_off", message)
        return True

    def _again(self, message: Message[P], error: str, least: float) -> bool:
        """By the policy of the job, whose attempts the message itself counts; whether it has one that can be followed.

        least: seconds that the next attempt waits whatever the policy says.
        """
        retry = self.consumer.retry
        if self.consumer.payload is None or not retry.delays:
            return False
        delay = retry.jittered(message.attempt)
        if delay is None:
            self._give_up(message, f"all {retry.attempts} attempts used up", error)
        elif resend.fits(message, error):
            resend.retry(self.run.cloud, message, error, max(delay, ceil(least)))
        else:
            # Then its queue's own receives are its attempts.
            return False
        self.counts["failed"] += 1
        self.run.answered.add(message.id)
        return True

    def _give_up(self, message: Message[P], reason: str, error: str) -> None:
        send.send_dead_letter_for_event(self.run.cloud, self.name, reason, error, message.text, message.letter)

    def _hold(self, message: Message[P], seconds: float) -> None:
        names = self.run.cloud.names
        self.run.cloud.sqs.change_message_visibility(
            QueueUrl=names.queue_url(message.queue.removeprefix(names.of(""))),
            ReceiptHandle=message.handle,
            VisibilityTimeout=min(max(1, round(seconds)), LONGEST_VISIBILITY),
        )

    def _count(self, what: str, message: Message[P]) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
        self.run.answered.add(message.id)

    def _speaking_of(self, log: Any, message: Message[P]) -> Any:
        told = {"organizationId": message.tenant, "correlationId": getattr(message.payload, "correlation_id", "")}
        return log.bind(messageId=message.id, **{name: value for name, value in told.items() if value})
