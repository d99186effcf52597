"""AWS calls that fail while the process lives on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ConnectionClosedError

from shared.aws.cloud import Cloud

# Whether the call of this number and name fails; numbers count from 1.
Fails = Callable[[int, str], bool]


class CallFault:
    """Lets chosen AWS calls fail, before they are made or by a lost reply.

    The SDK's own retries are over by then: the caller sees each failure.
    """

    def __init__(self, fails: Fails, *, reply_lost: bool = False) -> None:
        self.fails = fails
        self.reply_lost = reply_lost
        #: Names of all calls, such as `dynamodb:PutItem`, and of those that failed.
        self.made: list[str] = []
        self.failed: list[str] = []
        self._failing = False

    def before(self, model: Any, **_: Any) -> None:
        name = f"{model.service_model.service_name}:{model.name}"
        self.made.append(name)
        self._failing = self.fails(len(self.made), name)
        if self._failing:
            self.failed.append(name)
            if not self.reply_lost:
                raise ConnectionClosedError(endpoint_url="https://aws.test")

    def after(self, **_: Any) -> None:
        if self._failing:
            raise ConnectionClosedError(endpoint_url="https://aws.test")


def nth(number: int) -> Fails:
    """Fail the call of that number."""
    return lambda made, _: made == number


def named(*names: str) -> Fails:
    """Fail every call of these names."""
    return lambda _, name: name in names


@contextmanager
def failing(cloud: Cloud, fails: Fails, *, reply_lost: bool = False) -> Iterator[CallFault]:
    """Let calls of the cloud's clients fail inside the block."""
    fault = CallFault(fails, reply_lost=reply_lost)
    clients = (cloud.dynamodb, cloud.bulk, cloud.s3, cloud.sqs, cloud.sqs_new_trace)
    emitters = [client.meta.events for client in clients]
    for events in emitters:
        events.register_first("before-call", fault.before, unique_id="fault-before")
        events.register_last("after-call", fault.after, unique_id="fault-after")
    try:
        yield fault
    finally:
        for events in emitters:
            events.unregister("before-call", unique_id="fault-before")
            events.unregister("after-call", unique_id="fault-after")
