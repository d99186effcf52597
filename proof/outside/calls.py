"""Requests and mails as calls of the process, for faults."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from botocore.exceptions import ClientError, ConnectionClosedError
from urllib3.exceptions import NewConnectionError, ProtocolError

from shared.http.transport import CallLimits, RawResponse, Transport
from shared.mail.message import DeliveryUnknown
from shared.mail.smtp import Smtp

if TYPE_CHECKING:
    from proof.world.world import World

LOOPBACK = "127.0.0.1"


@contextmanager
def through_processes(world: World, web: str) -> Iterator[None]:
    """Route requests and mails of jobs through their process.

    web: address of the server that stands for all hosts but those on loopback.
    """
    exchange, data = Transport.exchange, Smtp._data
    plain = Transport()

    def exchanged(
        self: Transport,
        method: str,
        url: SplitResult,
        headers: Mapping[str, str],
        body: str | bytes | None,
        limits: CallLimits,
    ) -> RawResponse:
        near = url.hostname == LOOPBACK
        reached = url if near else urlsplit(f"http://{web}/{url.netloc}{url.path}?{url.query}")
        transport = self if near else plain
        result: RawResponse = process_call(
            world,
            f"{method} {url.path}",
            lambda: exchange(transport, method, reached, headers, body, limits),
            NewConnectionError(None, "refused"),  # type: ignore[arg-type]
            ProtocolError("Connection aborted.", ConnectionResetError()),
        )
        return result

    def transmitted(self: Smtp, body: bytes) -> str:
        unanswered = DeliveryUnknown("the relay did not answer after the message")
        closed = smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
        result: str = process_call(world, "mail", lambda: data(self, body), closed, unanswered)
        return result

    Transport.exchange, Smtp._data = exchanged, transmitted  # type: ignore[method-assign]
    try:
        yield
    finally:
        Transport.exchange, Smtp._data = exchange, data  # type: ignore[method-assign]
        plain.close()


def process_call(world: World, name: str, perform: Callable[[], Any], unsent: Exception, unanswered: Exception) -> Any:
    """Make a call of the running process.

    A fault raises the protocol's own errors in place of AWS's.
    """
    performed = False

    def observed() -> Any:
        nonlocal performed
        performed = True
        return perform()

    try:
        return world.processes[-1].call(f"outside:{name}", observed, attempts=1)
    except (ConnectionClosedError, ClientError):
        raise (unanswered if performed else unsent) from None
