"""MessageHandler and Defer: the interface of consumers to batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from shared.job.effect import InFlight, UncertainOutcome
from shared.job.setting import SettingError
from shared.messages.message import Message, P

if TYPE_CHECKING:
    from shared.job.retry import RetryPolicy
    from shared.messages.tenant import Tenant
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

    def check_settings(self, environment: Mapping[str, str], /) -> None: ...

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


# Exceptions by which a message is processed later without an attempt.
Postponed = Defer | InFlight | UncertainOutcome | SettingError
