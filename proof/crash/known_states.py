"""Known states: plans that reach one end with the same verdict.

A plan whose world comes to rest in a state from which another one was played goes on in the same way: nothing runs, and
the code reads nothing but this state. As a model checker does, the prover takes the verdict of the first plan. Two
states are the same where they differ in fractions of a second and in durations alone.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proof.crash.verdict import Verdict
    from proof.outside.received import ReceivedEffects
    from proof.world.memory_s3 import StoredObject
    from proof.world.memory_sqs import QueuedMessage
    from proof.world.world import Snapshot, World

# Fractions of a second: of ISO times, run ids, epoch milliseconds, lags of messages; durations; digests of answered
# attempts, in which the milliseconds of a message are.
FRACTIONS = re.compile(
    r"(?<=[0-9]{2}:[0-9]{2}:[0-9]{2})\.[0-9]+"
    r"|(?<=[0-9]{8}T[0-9]{6})\.[0-9]{3}(?=Z)"
    r"|(?<=\b1[6-9][0-9]{8})[0-9]{3}\b"
    r"|\\?\"(?:ms|seconds)\\?\": ?(?:\{\"N\": \"[0-9]+\"\}|[0-9]+),?\s*"
    r"|\\?\"lag\\?\": ?(?:\{\"N\": \"[0-9]{1,3}\"\}|[0-9]{1,3}\b),?\s*"
    r"|\"batch[0-9]+\": \{\"S\": \"[0-9a-f]+\"\},? ?"
)


class StateKnown(Exception):
    """The world is in a state from which the verdict is known."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__("the state is known")
        self.verdict = verdict


class KnownStates:
    """Verdicts by state. For plans of one scenario alone.

    since: the state in which each plan begins.
    """

    def __init__(self, world: World, received: ReceivedEffects, since: Snapshot) -> None:
        self.world = world
        self.received = received
        self.since = since
        self._verdicts: dict[bytes, Verdict] = {}
        self._path: list[bytes] = []
        self._looked: tuple[int, int] = (0, 0)
        #: Texts of rows by identity, with the row, so that its identity is not given to another.
        self._texts: dict[int, tuple[Any, str]] = {}

    def begin(self) -> None:
        """Begin a plan."""
        self._path, self._looked, self._texts = [], (0, 0), {}

    def look(self) -> None:
        """Note the present state. Raises StateKnown."""
        if self.world.faults or self.world.processes:
            # The fault is still to come, or a frozen process has a state that cannot be read.
            return
        looked = self.world.invocations, self.world.planned
        if looked == self._looked:
            return
        self._looked = looked
        key = self._key()
        verdict = self._verdicts.get(key)
        if verdict is not None:
            raise StateKnown(verdict)
        self._path.append(key)

    def end(self, verdict: Verdict) -> None:
        """Note the verdict of the plan for all its states."""
        self._verdicts |= dict.fromkeys(self._path, verdict)

    def _key(self) -> bytes:
        digest = hashlib.blake2b(digest_size=16)
        for text in self._parts():
            digest.update(text.encode())
            digest.update(b"\n")
        return digest.digest()

    def _parts(self) -> Iterator[str]:
        """Texts of everything on which the verdict depends."""
        world = self.world
        yield FRACTIONS.sub("", f"{world.planned} {world.clock.now()}")
        yield from sorted(f"{due.at} {due.name}" for due in world.agenda)
        for table, key, item in world.dynamodb.changes(self.since.rows):
            yield f"{table} {FRACTIONS.sub('', str(key))} {self._text(item)}"
        for name, stored in sorted(world.s3.objects.items()):
            if stored is not self.since.objects.get(name):
                yield f"{name} {_body(stored)}"
        yield f"{sorted(self.since.objects.keys() - world.s3.objects.keys())} {world.s3.uploads}"
        for name, queue in world.sqs.queues.items():
            yield from (f"{name} {_message(message)}" for message in queue.messages.values())
        seen = world.topic.published, world.claims.violations, sorted(self.received.counts().items())
        yield FRACTIONS.sub("", str(seen))
        for process in world.faulted:
            yield f"{process.raised} {any(call.startswith('outside:') for call in process.faulted_calls())}"

    def _text(self, item: Any) -> str:
        known = self._texts.get(id(item))
        if known is None:
            known = item, FRACTIONS.sub("", json.dumps(item, sort_keys=True, default=repr))
            self._texts[id(item)] = known
        return known[1]


def _body(stored: StoredObject) -> str:
    body = stored.body
    with suppress(OSError):
        body = gzip.decompress(body)
    return FRACTIONS.sub("", body.decode("latin-1"))


def _message(message: QueuedMessage) -> str:
    times = f"{message.sent} {message.visible} {message.first_received}"
    rest = message.id, message.body, message.attributes, message.group, message.receives, message.redriven_from
    return FRACTIONS.sub("", f"{times} {rest}")
