"""External service without idempotency, which counts requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from shared.aws.cloud import Cloud


class Receiver:
    """Counts requests by token in `did`. after: called after each, before the response."""

    def __init__(self) -> None:
        self.did: Counter[str] = Counter()
        self.after: Callable[[], None] = lambda: None

    def do(self, token: str) -> Any:
        self.did[token] += 1
        self.after()
        return {"id": f"done-{token}"}


READS = ("Get", "BatchGet", "Query", "List", "Head")


class Death(BaseException):
    """The process was killed."""


class Mortal:
    """Crash the process after the n-th call to AWS or the receiver.

    reads: whether calls that only read are counted; a crash after one equals a crash after the last write before it.
    """

    def __init__(self, cloud: Cloud, receiver: Receiver, *, reads: bool = True) -> None:
        self.made = 0
        self.reads = reads
        self.last = 0
        for client in (cloud.dynamodb, cloud.bulk, cloud.s3, cloud.sqs, cloud.sns):
            client.meta.events.register("before-call", self._begin)
            client.meta.events.register("after-call", self._end)
        receiver.after = self._end

    def until(self, last: int) -> None:
        """Start a process that is killed after `last` calls; 0 for never."""
        self.made, self.last = 0, last

    @property
    def dead(self) -> bool:
        return 0 < self.last <= self.made

    def _begin(self, **_: Any) -> None:
        # Code that catches the exception must not make further calls.
        if self.dead:
            raise Death

    def _end(self, model: Any = None, **_: Any) -> None:
        self.made += self.reads or model is None or not model.name.startswith(READS)
        if self.dead:
            raise Death
