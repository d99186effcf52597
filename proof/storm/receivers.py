"""Servers that the jobs of a storm call, each with a delay."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Self

from functions.webhooks.webhook_retry import LOOPBACK
from proof.outside.mail_server import CountingMailServer
from proof.outside.received import ReceivedEffect, ReceivedEffects
from proof.outside.web_server import CountingWebServer
from shared.mail import route

# Seconds that a receiver takes, so that a process is often killed while it waits for it.
DELAY = 0.1


class SlowEffects(ReceivedEffects):
    """Effects, each accepted some time before its sender is answered."""

    def add(self, kind: str, to: str, key: str) -> None:
        super().add(kind, to, key)
        time.sleep(DELAY)


class Receivers:
    """`with Receivers() as receivers:` runs a mail and a web server.

    They listen on free ports.
    """

    def __init__(self) -> None:
        self.received = SlowEffects()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self.mail = self._open.enter_context(CountingMailServer(self.received))
        self.web = self._open.enter_context(CountingWebServer(self.received))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def settings(self) -> dict[str, str]:
        """Environment by which functions find the servers."""
        return {
            route.RELAY.name: f"smtp+plain://127.0.0.1:{self.mail.port}",
            route.SENDER.name: "Nightshift <nightshift@in.example>",
            LOOPBACK.name: "true",
        }

    def keys(self, kind: str, to: str) -> dict[str, int]:
        """How often each idempotency key arrived at a receiver."""
        counts = self.received.counts().items()
        return {effect.key: count for effect, count in counts if _is_for(effect, kind, to)}


def _is_for(effect: ReceivedEffect, kind: str, to: str) -> bool:
    return (effect.kind, effect.to) == (kind, to)
