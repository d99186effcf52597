"""A batch of messages, and the answer to each.

Invalid messages become dead letters before the work begins.

A message is answered when it was handled, has failed, was deferred or became a dead letter. A message without an
answer, because of the deadline or a crash, is delivered again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from shared import redaction
from shared.job.effect import UncertainOutcome
from shared.job.outcome import Done, Rejected
from shared.job.setting import SettingError
from shared.messages import resend, tenant
from shared.messages.answered_attempts import Answer, AnsweredAttempts
from shared.messages.failure_answer import answer_failure
from shared.messages.message import Message, P, read
from shared.messages.message_handler import Defer, MessageHandler, Postponed
from shared.messages.tenant import Tenant
from shared.messages.tenant_writes import write_by_tenant
from shared.run import redriven
from shared.run.failed_message import FailedMessage
from shared.run.work import failed

if TYPE_CHECKING:
    from shared.observability.log import Log
    from shared.run.context import RunContext

Item = TypeVar("Item")
Result = TypeVar("Result")


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
        # The run's own, so that they are known where the batch itself fails.
        run.message_counts = self.counts
        self._admitted: dict[str, bool] = {}
        self._attempts = AnsweredAttempts(run.cloud, consumer.name, run.log)
        self._setting_error = _setting_error(consumer, run)
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

    def written(
        self, write: Callable[[Tenant, Item], Result], items: Mapping[Tenant, Item]
    ) -> Iterator[tuple[Tenant, Callable[[], Result]]]:
        """Call `write` with each tenant and its item, several tenants at once.

        Yields each tenant within its scope, with a function that returns the result of its write or raises its
        exception. See `write_by_tenant` for what the write may do.
        """
        for organization, result in write_by_tenant(self.run, write, items):
            with self._scope(organization):
                yield organization, result

    @contextmanager
    def handling(self, *messages: Message[P]) -> Iterator[None]:
        """Answer messages by the block: handled, or failed by its exception.

        Several messages together, all or none.
        """
        before, began = self.run.log, time.monotonic()
        tenants = {message.tenant for message in messages}
        self.run.tenant = tenants.pop() if len(tenants) == 1 else ""
        if len(messages) == 1:
            self.run.log = self._log_for(before, messages[0])
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the failure of a message is its own
            for message in messages:
                self._fail(message, error, _ms_since(began))
        else:
            for message in messages:
                self._done(message, _ms_since(began))
        finally:
            self.run.log, self.run.tenant = before, ""

    @contextmanager
    def validating(self, message: Message[P]) -> Iterator[None]:
        """Check one message before it is handled with others.

        An exception is its answer; without one it has no answer yet.
        """
        began = time.monotonic()
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the failure of a message is its own
            self._fail(message, error, _ms_since(began))

    def end(self) -> dict[str, int]:
        """Return the counts. Messages without an answer are delivered again."""
        answered = {*self.run.answered, *self.run.failures}
        forgotten = [message for message in self.messages if message.id not in answered]
        if forgotten:
            ids, error = [message.id for message in forgotten], "handle_batch() left the message without an answer"
            self.log.error(f"{self.name}_unanswered", messages=ids, error=error)
            for message in forgotten:
                self._count_failed(message, error)
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
            if self._setting_error is not None:
                raise self._setting_error
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
        from shared.messages.payload import InvalidOrganization, InvalidPayload

        if message.fault:
            raise InvalidPayload(f"{kind.wire.type}: the body {message.fault}")
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

    def _done(self, message: Message[P], ms: int) -> None:
        # First: the message is handled, whatever becomes of its dead letter.
        self._count("handled", message)
        self.log.info(f"{self.name}_message_complete", **_log_fields(message), status=Done.word, duration=ms)
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

    def _fail(self, message: Message[P], error: Exception, ms: int = 0) -> None:
        """Answer a failed attempt by a copy, dead letter or deferral."""
        log = self._log_for(self.log, message)
        text = redaction.excerpt(f"{type(error).__name__}: {error}", redaction.LONG)
        end = "rejected" if isinstance(error, Rejected) else "failed"
        answer: Answer | None = None
        try:
            if isinstance(error, Postponed) and self._defer(message, error, log):
                return
            log.error(
                f"{self.name}_message_{end}",
                step="error",
                error=str(error) if end == "rejected" else text,
                attempt=message.attempt,
                duration=ms,
                stack=failed(error).stack,
            )
            answer = answer_failure(self.consumer, self.run, self._attempts, message, error, text)
        except Exception as worse:  # noqa: BLE001 - it stays in its queue, which dead-letters it in the end
            log.error(f"{self.name}_message_failed", error=f"{type(worse).__name__}: {worse}")
        self._count_failed(message, text, ms, end, answer)

    def _defer(self, message: Message[P], error: Postponed, log: Log) -> bool:
        """Defer the message; False where that counts as a failure."""
        if isinstance(error, UncertainOutcome | SettingError):
            # As long as it takes an operator to act: no attempt can help before. An uncertain effect is listed.
            resend.defer_paused(self.run.cloud, message)
            log.warning(f"{self.name}_message_put_off", note=str(error))
            self._count("failed" if isinstance(error, SettingError) else "put_off", message)
            return True
        if self.consumer.payload is None and not self.consumer.retry.delays:
            # Without a policy of its own, the receives of its queue are its attempts.
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

    def _count(self, what: str, message: Message[P]) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
        self.run.answered.add(message.id)

    def _count_failed(
        self, message: Message[P], error: str, ms: int = 0, end: str = "failed", answer: Answer | None = None
    ) -> None:
        """Count a failed attempt and keep it for the history."""
        self.counts[end] = self.counts.get(end, 0) + 1
        if answer is None:
            self.run.failures.append(message.id)
        else:
            self.run.answered.add(message.id)
        final = answer is not None and answer.delay is None
        owner, entity, correlation = message.tenant, message.entity, message.correlation_id
        self.run.failed_messages.append(
            FailedMessage(message.id, owner, entity, message.attempt, error, final, ms, correlation)
        )

    def _log_for(self, log: Log, message: Message[P]) -> Log:
        return log.bind(**_log_fields(message))


def _log_fields(message: Message[Any]) -> dict[str, str]:
    fields = {
        "messageId": message.id,
        "organizationId": message.tenant,
        "entityId": message.entity,
        "correlationId": message.correlation_id,
    }
    return {name: value for name, value in fields.items() if value}


def _setting_error(consumer: MessageHandler[Any], run: RunContext) -> SettingError | None:
    """Error of the consumer's settings, which defers each of its messages."""
    try:
        consumer.check_settings(run.cloud.environment)
    except SettingError as error:
        return error
    return None


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
