"""Relay of a route, and the connection pool of a run.

MailRefused means that nothing was sent; after DeliveryUnknown the message may have been sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, LifoQueue
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING

from shared.job.setting import SettingError
from shared.mail.message import MailRefused, RefusalKind, Relay
from shared.mail.route import CONNECTIONS, RELAY, RETRY, SENDER, UNANSWERED, Route
from shared.mail.ses import Ses
from shared.mail.smtp import Smtp

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.run.context import RunContext

# Seconds that a thread waits for a connection that another one uses.
WAIT_SECONDS = 10
# Refusals in a row that hold for all messages, after which the run tries no other message. One alone can be caused by
# its message, whatever it states, and must not hold up the others.
REFUSALS = 2


def open_relay(cloud: Cloud, route: Route, sender: str, repeats: bool = False) -> Relay:
    """The relay of a route; it connects at its first message.

    repeats: raise MailRefused instead of DeliveryUnknown, so that the message is sent again.
    """
    return Ses(cloud, sender, repeats) if route.scheme == "ses" else Smtp(cloud, route, sender, repeats)


def configured_relay(run: RunContext) -> Relay:
    """The relay of the run's settings."""
    repeats = run.setting(UNANSWERED.name) == RETRY
    return open_relay(run.cloud, run.setting(RELAY.name), run.setting(SENDER.name), repeats)


class RelayPool:
    """A pool of connections: at most MAIL_RELAY_CONNECTIONS, however many threads send.

    Safe to share between threads. Once the relay refuses or limits all mail, the rest of the run is deferred without
    asking it again.

    Raises SettingError where no sender is set: no message of the run could be sent.
    """

    def __init__(self, run: RunContext) -> None:
        if not run.setting(SENDER.name):
            raise SettingError(f"{SENDER.name} is empty; set the address that e-mail comes from")
        self.run = run
        self.connections: int = run.setting(CONNECTIONS.name)
        self._idle: LifoQueue[Relay] = LifoQueue()
        self._slots = BoundedSemaphore(self.connections)
        self._lock = Lock()
        self._refusals: list[MailRefused] = []

    def __enter__(self) -> RelayPool:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Empty):
            while True:
                self._idle.get_nowait().close()

    @contextmanager
    def connection(self) -> Iterator[Relay]:
        """Borrow an idle connection, or a new one.

        Raises MailRefused if the run asks the relay no more, or if no connection is free in time.
        """
        self._require_accepting()
        if not self._slots.acquire(timeout=WAIT_SECONDS):
            reason = f"all {self.connections} connections to the relay ({CONNECTIONS.name}) are in use"
            raise MailRefused(reason, RefusalKind.DEFERRED)
        try:
            # Another thread may have been refused while this one waited.
            self._require_accepting()
            relay = self._borrow()
            try:
                yield relay
            except MailRefused as refused:
                self._record(refused)
                raise
            else:
                self._record(None)
            finally:
                self._idle.put(relay)
        finally:
            self._slots.release()

    def _borrow(self) -> Relay:
        try:
            return self._idle.get_nowait()
        except Empty:
            return configured_relay(self.run)

    def _record(self, refused: MailRefused | None) -> None:
        with self._lock:
            if refused and refused.affects_all:
                self._refusals.append(refused)
            elif not refused or refused.is_attempt:
                # The relay works.
                self._refusals.clear()

    def _require_accepting(self) -> None:
        with self._lock:
            if len(self._refusals) < REFUSALS:
                return
            last = self._refusals[-1]
        raise MailRefused(f"not tried, since others were refused: {last}", last.kind, affects_all=True, wait=last.wait)
