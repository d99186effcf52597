"""Driven by messages: each batch is one run; a bad message is dead-lettered at once and never blocks the others."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

from shared.aws import permissions
from shared.aws.permissions import Grant
from shared.job.definition import Job
from shared.job.outcome import Done, Outcome
from shared.job.validation import DeclarationError, where
from shared.messages import tenant
from shared.messages.batch import Defer as Defer
from shared.messages.batch import MessageBatch
from shared.messages.message import Message as Message
from shared.messages.message import P
from shared.messages.tenant import Tenant
from shared.run.context import RunContext


class Consumer(Job, Generic[P], archetype=True):
    """Takes no lease and has no tick; idempotency sits in the write of `handle`.

    `Consumer[UsageIngestion]` takes that payload and nothing else, and must say which organizations it `admits`.
    batch_size: messages a run takes, 1 to 10,000. batch_window: seconds to wait for them. concurrency: batches worked
    on at once, 2 to 1,000.
    """

    payload: ClassVar[type[Any] | None] = None
    batch_size: ClassVar[int] = 10
    batch_window: ClassVar[int] = 0
    concurrency: ClassVar[int] = 10

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
                f"{where(cls)}: takes payloads of organizations and does not say which of them it admits; "
                "define admits(tick, tenant)"
            )

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        """Whether the organization is there and may have this done. Asked once for each in a batch, in its turn."""
        raise NotImplementedError

    def handle(self, run: RunContext, message: Message[P]) -> None:
        """Apply one message. Raise Rejected for one that can never succeed, Defer for one that must wait."""
        raise NotImplementedError

    def serve(self, run: RunContext, delivery: MessageBatch[P]) -> None:
        """Handle them one by one; override it to apply many with one write."""
        for _, messages in delivery.by_tenant():
            for message in messages:
                with delivery.handling(message):
                    self.handle(run, message)

    def work(self, run: RunContext) -> Outcome:
        log = run.log
        try:
            if self.payload is None:
                delivery = MessageBatch(self, run)
                self.serve(run, delivery)
            else:
                # Nobody's turn, until it is somebody's.
                with tenant.bounds(run.cloud).turn(None):
                    delivery = MessageBatch(self, run)
                    self.serve(run, delivery)
        finally:
            run.log = log
        return Done(delivery.end())

    @classmethod
    def grants(cls) -> tuple[Grant, ...]:
        if cls.payload is None or cls.queue is None:
            return super().grants()
        return (*super().grants(), *permissions.collect(cls.queue, encrypted=cls.payload.wire.encrypted))
