"""A batch of messages, and the answer to each.

Invalid messages become dead letters before the work begins.

A message is answered when it was handled, has failed, was deferred or became a dead letter. A message without an
answer, because of the deadline or a crash, is delivered again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any, Generic, Protocol

from shared import redaction
from shared.dead_letters.letter import RECEIVES
from shared.job.effect import InFlight, UncertainOutcome
from shared.job.outcome import Done, Rejected
from shared.messages import resend, tenant
from shared.messages.answered_attempts import Answer, AnsweredAttempts, answer_now
from shared.messages.message import Message, P, read
from shared.messages.tenant import Tenant
from shared.run import redriven

if TYPE_CHECKING:
    from shared.job.retry import RetryPolicy
    from shared.observability.log import Log
    from shared.run.context import RunContext


class MessageHandler(Protocol[P]):
    """The part of a consumer that a batch uses."""

    @property
    def name(self) -> str: ...

    @property
    def queue(self) -> str | None: ...

    @property
    def dead_letter_queue(self) -> str | None: ...

    @property
    def retry(self) -> RetryPolicy: ...

    @property
    def payload(self) -> type[Any] | None: ...

    def admits(self, run: RunContext, tenant: Tenant, /) -> bool: ...

    def handle(self, run: RunContext, message: Message[P], /) -> None: ...


class Defer(Exception):
    """Raised by `handle`: process the message in `seconds`.

    No failure until it was deferred for a day.
    """

    #: Delay in seconds.
    seconds: float
    #: Whether this was an attempt of the retry policy; then the next one comes no sooner than `seconds`.
    counted: bool

    def __init__(self, seconds: float, *, counted: bool = False) -> None:
        super().__init__(f"deferred for {seconds:.0f} s")
        self.seconds = seconds
        self.counted = counted


class MessageBatch(Generic[P]):
    """The messages of one run of a consumer."""

    #: Messages that are valid, of admitted organizations and not paused.
    messages: list[Message[P]]
    #: Number of messages by their end: `handled`, `failed`, `rejected`, `paused`, `put_off`, `repeated`.
    counts: dict[str, int]

    def __init__(self, consumer: MessageHandler[P], run: RunContext) -> None:
        self.consumer = consumer
        self.run = run
        self.name = consumer.name
        self.log = run.log
        self.messages = []
        self.counts = {"handled": 0, "failed": 0}
        self._admitted: dict[str, bool] = {}
        self._attempts = AnsweredAttempts(run.cloud, consumer.name, run.log)
        for record in run.records:
            self._add(record)

    def by_tenant(self) -> Iterator[tuple[Tenant | None, list[Message[P]]]]:
        """Yield the messages of each organization, within its scope.

        Only the rows of that organization can be accessed.

        Yields None and all messages for a consumer without a payload.
        """
        if self.consumer.payload is None:
            yield None, self.messages
            return
        groups: dict[str, list[Message[P]]] = {}
        for message in self.messages:
            groups.setdefault(message.tenant, []).append(message)
        for organization, messages in groups.items():
            with self._scope(Tenant(organization)) as owner:
                self.run.log.info(f"{self.name}_tenant", messages=len(messages))
                yield owner, messages

    @contextmanager
    def handling(self, *messages: Message[P]) -> Iterator[None]:
        """Answer messages by the block: handled, or failed by its exception.

        Several messages together, all or none.
        """
        before = self.run.log
        if len(messages) == 1:
            self.run.log = self._log_for(before, messages[0])
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the failure of a message is its own
            for message in messages:
                self._fail(message, error)
        else:
            for message in messages:
                self._done(message)
        finally:
            self.run.log = before

    @contextmanager
    def validating(self, message: Message[P]) -> Iterator[None]:
        """Check one message before it is handled with others.

        An exception is its answer; without one it has no answer yet.
        """
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the failure of a message is its own
            self._fail(message, error)

    def end(self) -> dict[str, int]:
        """Return the counts. Messages without an answer are delivered again."""
        answered = {*self.run.answered, *self.run.failures}
        forgotten = [message.id for message in self.messages if message.id not in answered]
        if forgotten:
            self.log.error(
                f"{self.name}_unanswered", messages=forgotten, error="handle_batch() left them without an answer"
            )
            self.run.failures.extend(forgotten)
            self.counts["failed"] += len(forgotten)
        return self.counts

    def _add(self, record: Mapping[str, Any]) -> None:
        message: Message[P] = read(record)
        try:
            if pause := self.run.paused(tenant=message.tenant):
                resend.defer_paused(self.run.cloud, message)
                self.log.info(f"{self.name}_message_paused", messageId=message.id, note=pause)
                self._count("paused", message)
                return
            if answer := self._attempts.find(message):
                self._repeat(message, answer)
                return
            if resend.not_due_yet(self.run.cloud, message):
                self._count("put_off", message)
                return
            self.messages.append(self._with_payload(message))
        except Exception as error:  # noqa: BLE001 - an invalid message does not stop the others
            self._fail(message, error)

    def _with_payload(self, message: Message[P]) -> Message[P]:
        """Decode the payload. Raises Rejected.

        For an invalid payload, and for an organization that is not admitted.
        """
        kind = self.consumer.payload
        if kind is None:
            return message
        # Imported lazily: with pydantic, which consumers without a payload do not need.
        from shared.messages import envelope
        from shared.messages.payload import InvalidOrganization

        payload = envelope.decode(self.run.cloud, self.consumer.queue or "", kind, message.body)
        organization = payload.organization_id
        if organization not in self._admitted:
            with self._scope(Tenant(organization)) as owner:
                self._admitted[organization] = self.consumer.admits(self.run, owner)
        if not self._admitted[organization]:
            raise InvalidOrganization(organization)
        return replace(message, payload=payload)

    @contextmanager
    def _scope(self, owner: Tenant) -> Iterator[Tenant]:
        self.run.log = self.log.bind(organizationId=owner.id)
        try:
            with tenant.guard(self.run.cloud).scope(owner):
                yield owner
        finally:
            self.run.log = self.log

    def _done(self, message: Message[P]) -> None:
        # First: the message is handled, whatever becomes of its dead letter.
        self._count("handled", message)
        if not message.letter:
            return
        try:
            redriven.resolve(self.run.cloud, self.name, message.letter, self.run.run_id, Done.word)
        except Exception as error:  # noqa: BLE001 - bookkeeping never fails a message
            self.log.error(f"{self.name}_dead_letter_not_resolved", letter=message.letter, error=repr(error))

    def _repeat(self, message: Message[P], answer: Answer) -> None:
        """Complete the answer to an attempt that was made before."""
        self._attempts.send(message, answer)
        self.log.info(f"{self.name}_message_repeated", messageId=message.id, attempt=message.attempt)
        self._count("repeated", message)

    def _fail(self, message: Message[P], error: Exception) -> None:
        log = self._log_for(self.log, message)
        try:
            if isinstance(error, Rejected):
                self._attempts.answer(message, answer_now(self.run.cloud, str(error), reason="rejected"))
                log.error(f"{self.name}_message_rejected", error=str(error))
                self._count("rejected", message)
                return
            if isinstance(error, Defer | InFlight | UncertainOutcome) and self._defer(message, error, log):
                return
            text = redaction.excerpt(f"{type(error).__name__}: {error}", redaction.LONG)
            log.error(f"{self.name}_message_failed", error=text, attempt=message.attempt)
            if self._retry(message, text, error.seconds if isinstance(error, Defer) and error.counted else 0):
                return
            # The queue would move it to its dead-letter queue now, without the reason.
            if message.receives >= RECEIVES and not self.consumer.dead_letter_queue:
                self._attempts.answer(
                    message, answer_now(self.run.cloud, text, reason=f"all {RECEIVES} receives used up")
                )
                self.counts["failed"] += 1
                self.run.answered.add(message.id)
                return
        except Exception as worse:  # noqa: BLE001 - it stays in its queue, which dead-letters it in the end
            log.error(f"{self.name}_message_failed", error=f"{type(worse).__name__}: {worse}")
        self.counts["failed"] += 1
        self.run.failures.append(message.id)

    def _defer(self, message: Message[P], error: Defer | InFlight | UncertainOutcome, log: Log) -> bool:
        """Defer the message; False where that counts as a failure."""
        if isinstance(error, UncertainOutcome):
            # As long as it takes an operator to resolve it: it is listed and alerted, and no attempt can help.
            resend.defer_paused(self.run.cloud, message)
            log.warning(f"{self.name}_message_put_off", note=str(error))
            self._count("put_off", message)
            return True
        if self.consumer.payload is None:
            resend.hide(self.run.cloud, message, error.seconds)
            self.counts["put_off"] = self.counts.get("put_off", 0) + 1
            self.run.failures.append(message.id)
            return True
        if resend.deferred_too_long(self.run.cloud, message) or (isinstance(error, Defer) and error.counted):
            return False
        resend.defer(self.run.cloud, message, error.seconds)
        log.info(f"{self.name}_message_put_off", note=str(error), since=message.deferred_since)
        self._count("put_off", message)
        return True

    def _retry(self, message: Message[P], error: str, least: float) -> bool:
        """Send the next attempt, or a dead letter after the last.

        By the job's retry policy; False without one.

        least: seconds that the next attempt waits at least.
        """
        retry = self.consumer.retry
        if self.consumer.payload is None or not retry.delays:
            return False
        delay = retry.jittered(message.attempt)
        if delay is None:
            reason = f"all {retry.attempts} attempts used up"
            self._attempts.answer(message, answer_now(self.run.cloud, error, reason=reason))
        elif resend.fits(message, error):
            self._attempts.answer(message, answer_now(self.run.cloud, error, max(delay, ceil(least))))
        else:
            # No room for the attributes: the receives of its queue are its attempts.
            return False
        self.counts["failed"] += 1
        self.run.answered.add(message.id)
        return True

    def _count(self, what: str, message: Message[P]) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
        self.run.answered.add(message.id)

    def _log_for(self, log: Log, message: Message[P]) -> Log:
        fields = {"organizationId": message.tenant, "correlationId": getattr(message.payload, "correlation_id", "")}
        return log.bind(messageId=message.id, **{name: value for name, value in fields.items() if value})
