"""Somebody outside, who does what he is asked as often as he is asked, and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from shared.aws.cloud import Cloud


class Receiver:
    """`did[token]` is how often that was done. after: called once something was done, before the answer goes out."""

    def __init__(self) -> None:
        self.did: Counter[str] = Counter()
        self.after: Callable[[], None] = lambda: None

    def do(self, token: str) -> Any:
        self.did[token] += 1
        self.after()
        return {"id": f"done-{token}"}


READS = ("Get", "BatchGet", "Query", "List", "Head")


class Death(BaseException):
    """The process is gone: nothing of it goes on."""


class Mortal:
    """Ends the process right after the call of that number, AWS's and the receiver's counted together.

    reads: whether calls that only read are counted; to die after one is to die after the last write before it.
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
        """Begin a life that ends after so many calls; 0 is for ever."""
        self.made, self.last = 0, last

    @property
    def dead(self) -> bool:
        return 0 < self.last <= self.made

    def _begin(self, **_: Any) -> None:
        # Whoever catches a death must not do anything after it either.
        if self.dead:
            raise Death

    def _end(self, model: Any = None, **_: Any) -> None:
        self.made += self.reads or model is None or not model.name.startswith(READS)
        if self.dead:
            raise Death
