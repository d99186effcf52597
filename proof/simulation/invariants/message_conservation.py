"""Invariant: a message is waiting, handled, or a dead letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proof.simulation.invariants.invariant import Invariant, LogLine
from shared.tables import STATE, TRAIL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proof.simulation.traffic import SentMessage


class MessageConservation(Invariant):
    """No message is lost, and a handled one has its result."""

    name = "messages"

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        #: Ids of messages that were handled; copies have ids of their own.
        self.handled: set[str] = set()
        #: Id of the first message of each copy.
        self._origins: dict[str, str] = {}

    def logged(self, line: LogLine) -> None:
        _, message, fields = line
        if message.endswith("_message_complete"):
            self.handled.add(str(fields.get("messageId")))

    def final(self) -> None:
        waiting = "\n".join(self._bodies())
        dead = "\n".join(self._dead_letters())
        trail = {row["id"]["S"] for row in self.world.dynamodb.shared_rows(TRAIL.name) if "id" in row}
        for sent in self.observed.traffic.sent:
            if sent.mark in waiting or sent.mark in dead:
                continue
            if not self._has_result(sent, trail):
                self.violated(f"the message {sent.id} of {sent.job} ({sent.mark}) is nowhere, and has no result")

    def _has_result(self, sent: SentMessage, trail: set[str]) -> bool:
        match sent.job:
            case "audit":
                return sent.mark in trail
            case "usage":
                return self._has_row("meters", f"batch#{sent.mark}")
            case "welcome-email":
                return any(each.to == sent.address for each in self.observed.received())
        return self._has_effect(sent.mark)

    def _has_row(self, table: str, part: str) -> bool:
        return any(part in row["pk"]["S"] for row in self.world.dynamodb.shared_rows(table))

    def _has_effect(self, mark: str) -> bool:
        rows = self.world.dynamodb.shared_rows(STATE.name)
        return any(mark in row["sk"]["S"] and row["pk"]["S"].startswith("effect#") and "done" in row for row in rows)

    def _bodies(self) -> Iterator[str]:
        for queue in self.world.sqs.queues.values():
            yield from (message.body for message in queue.messages.values())

    def _dead_letters(self) -> Iterator[str]:
        for row in self.world.dynamodb.shared_rows(STATE.name):
            if row["pk"]["S"].startswith(("dead#", "uncertain#")):
                yield str(row)
        for key, stored in self.world.s3.objects.items():
            if "dead" in key:
                yield stored.body.decode("latin-1")
