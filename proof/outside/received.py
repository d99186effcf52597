"""Effects that the servers received, with their idempotency keys."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class ReceivedEffect:
    """A mail, a webhook, or a paid answer of a model."""

    #: mail, request or model.
    kind: str
    #: Recipient, URL or model.
    to: str
    #: Message-ID or idempotency key: repetitions share it.
    key: str


@dataclass(slots=True)
class ReceivedEffects:
    """All effects that the servers have accepted. Safe to share between threads."""

    effects: list[ReceivedEffect] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, to: str, key: str) -> None:
        with self._lock:
            self.effects.append(ReceivedEffect(kind, to, key))

    def clear(self) -> None:
        with self._lock:
            self.effects.clear()

    def counts(self) -> Counter[ReceivedEffect]:
        """How often each effect arrived."""
        with self._lock:
            return Counter(self.effects)
