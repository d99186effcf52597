"""Driven by messages: each batch is one run; a bad message is dead-lettered at once and never blocks the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from shared import firings, pause, status
from shared.dead import end
from shared.dead.letter import ATTRIBUTE as LETTER
from shared.dead.letter import RECEIVES
from shared.effect import InFlight
from shared.job import Job
from shared.outcome import Done, Outcome, Rejected
from shared.tick import Tick

LONGEST_VISIBILITY = 12 * 3600


@dataclass(frozen=True, slots=True)
class Message:
    """One SQS record. receives: how often it was delivered, this time included. sent: epoch milliseconds.

    text: the body as it came. letter: the dead letter that was sent again by this message, empty for any other.
    """

    id: str
    text: str
    body: Any
    receives: int
    sent: int
    queue: str
    handle: str
    letter: str = ""

    @property
    def tenant(self) -> str:
        """The organization that it is for, where its body says one."""
        body = self.body if isinstance(self.body, Mapping) else {}
        return str(body.get("organizationId") or body.get("orgId") or "")


class PutOff(Exception):
    """Raised by `handle`: not now; the message stays in its queue and comes back in `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"put off for {seconds:.0f} s")
        self.seconds = seconds


class Consumer(Job, archetype=True):
    """Takes no lease and has no tick; idempotency sits in the write of `handle`.

    batch_size: messages a run takes, 1 to 10,000. batch_window: seconds to wait for them.
    concurrency: batches worked on at once, 2 to 1,000.
    """

    batch_size: ClassVar[int] = 10
    batch_window: ClassVar[int] = 0
    concurrency: ClassVar[int] = 10

    def handle(self, tick: Tick, message: Message) -> None:
        """Apply one message. Raise Rejected for one that can never succeed, PutOff for one that must wait."""
        raise NotImplementedError

    def work(self, tick: Tick) -> Outcome:
        handled, paused, failed = 0, 0, len(tick.failures)
        for record in tick.records:
            message = read(record)
            try:
                if told := tick.paused(tenant=message.tenant):
                    pause.wait(tick.cloud, record)
                    tick.log.info(f"{self.name}_message_paused", messageId=message.id, note=told)
                    paused += 1
                    continue
                self.handle(tick, message)
                if message.letter:
                    end.resolve(tick.cloud, self.name, message.letter, tick.run, Done.word)
                handled += 1
            except Rejected as error:
                self._reject(tick, message, error)
            except (PutOff, InFlight) as wait:
                _hold(tick, message, wait.seconds)
                tick.failures.append(message.id)
            except Exception as error:  # noqa: BLE001 - one message's failure is its own
                text = status.cut(f"{type(error).__name__}: {error}", status.LONG)
                tick.log.error(f"{self.name}_message_failed", messageId=message.id, error=text)
                if not self._given_up(tick, message, text):
                    tick.failures.append(message.id)
        counts = {"handled": handled, "failed": len(tick.failures) - failed}
        return Done(counts | {"paused": paused} if paused else counts)

    def _given_up(self, tick: Tick, message: Message, error: str) -> bool:
        """At the last receive: its queue would give it up now, and could not say why."""
        if message.receives < RECEIVES or self.dead_letter_queue:
            return False
        reason = f"all {RECEIVES} receives used up"
        firings.send_dead_event(tick.cloud, self.name, reason, error, message.text, message.letter)
        return True

    def _reject(self, tick: Tick, message: Message, error: Rejected) -> None:
        firings.send_dead_event(tick.cloud, self.name, "rejected", str(error), message.text, message.letter)
        tick.log.error(f"{self.name}_message_rejected", messageId=message.id, error=str(error))


def read(record: Mapping[str, Any]) -> Message:
    """From an SQS record as Lambda delivers it; a body that is no JSON stays text."""
    attributes = record.get("attributes", {})
    text = body = record.get("body", "")
    with suppress(TypeError, ValueError):
        body = json.loads(text)
    return Message(
        id=record["messageId"],
        text=text,
        body=body,
        receives=int(attributes.get("ApproximateReceiveCount", 1)),
        sent=int(attributes.get("SentTimestamp", 0)),
        queue=str(record.get("eventSourceARN", "")).rpartition(":")[2],
        handle=record.get("receiptHandle", ""),
        letter=record.get("messageAttributes", {}).get(LETTER, {}).get("stringValue", ""),
    )


def _hold(tick: Tick, message: Message, seconds: float) -> None:
    tick.cloud.sqs.change_message_visibility(
        QueueUrl=tick.cloud.names.queue_url(message.queue.removeprefix(tick.cloud.names.of(""))),
        ReceiptHandle=message.handle,
        VisibilityTimeout=min(max(1, round(seconds)), LONGEST_VISIBILITY),
    )
