"""Consumer: process the messages of a queue, one batch per run.

Invalid messages are dead-lettered at once.
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

from shared.aws import permissions
from shared.aws.names import STATE
from shared.aws.permissions import Grant
from shared.job.definition import Job
from shared.job.outcome import Done, Outcome
from shared.job.validation import DeclarationError, where
from shared.messages import tenant
from shared.messages.batch import MessageBatch
from shared.messages.message import Message, P
from shared.messages.message_handler import Defer
from shared.messages.tenant import Tenant
from shared.run.context import RunContext
from shared.run.failed_message import summary
from shared.store import keys

__all__ = ["Consumer", "Defer", "Message", "MessageBatch", "Tenant"]


class Consumer(Job, Generic[P], archetype=True):
    """Process messages without a lease or a tick.

    The write in `handle` must be idempotent. `Consumer[UsageIngestion]` accepts only that payload, and must define
    `admits`.
    """

    payload: ClassVar[type[Any] | None] = None
    """Payload class, from the class's type argument. Default: any JSON."""
    batch_size: ClassVar[int] = 10
    """Messages per run, 1 to 10,000. Default: 10."""
    batch_window: ClassVar[int] = 0
    """Seconds to wait for a full batch, 0 to 300. Default: 0."""
    concurrency: ClassVar[int] = 10
    """Concurrent batches, 2 to 1,000. Default: 10."""

    def __init_subclass__(cls, *, archetype: bool = False) -> None:
        bases = [
            base for base in cls.__dict__.get("__orig_bases__", ()) if issubclass(get_origin(base) or type, Consumer)
        ]
        for kind in [argument for base in bases for argument in get_args(base)]:
            if not isinstance(kind, TypeVar) and kind is not Any:
                cls.payload = kind
        super().__init_subclass__(archetype=archetype)
        if cls.payload is not None and cls.admits is Consumer.admits and not archetype:
            raise DeclarationError(
                f"{where(cls)}: accepts payloads of organizations without a check which of them are admitted; "
                "define admits(run, tenant)"
            )

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        """Whether the organization exists and may have its messages processed.

        Called once per organization.
        """
        raise NotImplementedError

    def handle(self, run: RunContext, message: Message[P]) -> None:
        """Apply one message.

        Raise Rejected if it can never succeed, Defer to process it later.
        """
        raise NotImplementedError

    def handle_batch(self, run: RunContext, batch: MessageBatch[P]) -> None:
        """Process the messages one by one.

        Override it to apply many with one write.
        """
        for _, messages in batch.by_tenant():
            for message in messages:
                with batch.handling(message):
                    self.handle(run, message)

    def work(self, run: RunContext) -> Outcome:
        log = run.log
        try:
            if self.payload is None:
                batch = MessageBatch(self, run)
                self.handle_batch(run, batch)
            else:
                # No tenant's rows are accessible until the batch enters the scope of one.
                with tenant.guard(run.cloud).scope(None):
                    batch = MessageBatch(self, run)
                    self.handle_batch(run, batch)
        finally:
            run.log = log
        counts = batch.end()
        failed = run.failed_messages
        return Done(counts, ok=not failed, note=summary(failed, len(run.records)))

    @classmethod
    def grants(cls) -> tuple[Grant, ...]:
        answered = keys.answered_attempts(cls.name, "*")
        grants = (
            *super().grants(),
            permissions.read_rows(STATE, answered),
            permissions.write_rows(STATE, answered),
        )
        if cls.payload is None or cls.queue is None:
            return grants
        return (*grants, *permissions.collect(cls.queue, encrypted=cls.payload.wire.encrypted))
