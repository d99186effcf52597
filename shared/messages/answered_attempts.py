"""Recognise failed attempts that were answered before.

A message whose attempt fails is answered with two calls: a copy (or a dead letter) is sent, then the original is
acknowledged. An interruption between them delivers the original again, and a lost reply of the send leaves two copies.
Each would begin a second chain of retries. So the answer is recorded before it is sent, under the first message's id
and the attempt:

    recorded  ->  the copy or dead letter is sent  ->  marked as sent  ->  the original is acknowledged

An attempt that is delivered again is not handled again: its recorded answer is sent where that may not have happened.
The record is bookkeeping. Where it cannot be written or read, the message is handled as if there were none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from shared import clock, redaction
from shared.dead_letters.subject import Subject
from shared.messages import resend
from shared.run import send
from shared.store import keys, table
from shared.store.keys import RowKey
from shared.store.table import ConditionFailed
from shared.tables import STATE, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.message import Message
    from shared.observability.log import Log

# No queue keeps a message for longer.
RETENTION = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a failed attempt, as recorded."""

    #: The error of the attempt.
    error: str
    #: Timestamp of the answer. A dead letter that is sent twice is one dead letter by it.
    at: str
    #: Seconds after which the next attempt is due; None for a dead letter.
    delay: int | None = None
    #: Reason of the dead letter.
    reason: str = ""
    #: Whether the copy or dead letter was sent for certain.
    sent: bool = False
    #: Whose work the dead letter is. Recorded: a redelivery would make another dead letter of it.
    subject: Subject = field(default_factory=Subject)


class AnsweredAttempts:
    """The answers of one consumer."""

    def __init__(self, cloud: Cloud, job: str, log: Log) -> None:
        self.cloud = cloud
        self.job = job
        self.log = log

    def find(self, message: Message) -> Answer | None:
        """Return the recorded answer to this attempt, if any.

        Costs no call for a message that is delivered for the first time.
        """
        if _is_first_delivery(message):
            return None
        try:
            row = table.get(self.cloud, STATE, self._key(message))
        except Exception as error:  # noqa: BLE001 - bookkeeping never fails a message
            self._report(message, error)
            return None
        return _from_row(row) if row else None

    def answer(self, message: Message, answer: Answer) -> None:
        """Answer a failed attempt, or complete its earlier answer."""
        self.send(message, self.record(message, answer))

    def send(self, message: Message, answer: Answer) -> None:
        """Send the copy or dead letter, unless it was sent."""
        if answer.sent:
            return
        if answer.delay is None:
            send.send_dead_letter_for_event(
                self.cloud,
                self.job,
                answer.reason,
                answer.error,
                message.text,
                message.letter,
                answer.at,
                answer.subject,
            )
        else:
            resend.retry(self.cloud, message, answer.error, answer.delay)
        self.mark_sent(message)

    def record(self, message: Message, answer: Answer) -> Answer:
        """Record the answer before it is sent.

        Returns the one that counts: an earlier one stays.
        """
        expires = int((self.cloud.clock.now() + RETENTION).timestamp())
        error = redaction.excerpt(answer.error, redaction.LONG)
        row: dict[str, Any] = {"at": answer.at, "error": error, "reason": answer.reason, TTL: expires}
        if answer.delay is not None:
            row["delay"] = answer.delay
        if answer.subject:
            row["subject"] = dict(answer.subject)
        row |= self._key(message).attributes
        try:
            if _is_first_delivery(message):
                # Nothing precedes it. Of two deliveries at once the copies meet at the next attempt.
                table.put(self.cloud, STATE, row)
            else:
                table.put_if(self.cloud, STATE, row, "attribute_not_exists(pk)")
        except ConditionFailed as earlier:
            # An earlier delivery's, or this very one after a lost reply: the same answer.
            return _from_row(earlier.item)
        except Exception as error:  # noqa: BLE001 - bookkeeping never fails a message
            self._report(message, error)
        return answer

    def mark_sent(self, message: Message) -> None:
        """Record that the copy or dead letter was sent."""
        try:
            condition = "attribute_exists(pk)"
            table.update_if(self.cloud, STATE, self._key(message), "SET sent = :yes", {":yes": True}, condition)
        except Exception as error:  # noqa: BLE001 - bookkeeping never fails a message
            self._report(message, error)

    def _key(self, message: Message) -> RowKey:
        # With the content: any sender can set attributes, and must not answer for another message.
        digest = hashlib.sha256(message.text.encode("utf-8", "replace")).hexdigest()[:16]
        return keys.answered_attempt(self.job, message.origin, message.attempt, digest)

    def _report(self, message: Message, error: Exception) -> None:
        self.log.error(
            f"{self.job}_answer_not_recorded", messageId=message.id, error=f"{type(error).__name__}: {error}"
        )


def _is_first_delivery(message: Message) -> bool:
    return message.receives <= 1 and not message.is_copy


def answer_now(
    cloud: Cloud, error: str, delay: int | None = None, reason: str = "", subject: Subject | None = None
) -> Answer:
    """Return a new answer.

    The next attempt in `delay` seconds, or a dead letter for `reason`.
    """
    return Answer(error, clock.iso(cloud.clock.now()), delay, reason, subject=subject or Subject())


def _from_row(row: dict[str, Any]) -> Answer:
    delay = row.get("delay")
    return Answer(
        row.get("error", ""),
        row["at"],
        None if delay is None else int(delay),
        row.get("reason", ""),
        "sent" in row,
        cast(Subject, row.get("subject", {})),
    )
