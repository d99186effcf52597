"""Shapes of `queues`, `send`, `mail` and `logs`."""

from __future__ import annotations

from typing_extensions import TypedDict


class MeasuredQueue(TypedDict):
    """A consumer's queue."""

    #: Logical name of the queue.
    queue: str
    #: Name of its consumer.
    job: str
    #: Messages that can be received.
    waiting: int
    #: Messages in flight.
    working: int
    #: Messages that are delayed.
    delayed: int
    #: Messages in its dead-letter queue.
    dead: int
    #: Milliseconds that the oldest of the last messages had waited.
    lag: int
    #: Messages handled so far.
    done: int
    #: Messages failed so far.
    failed: int
    #: Percentage of failures since the last measurement.
    errors: float
    #: Milliseconds that the oldest message has waited at least.
    age: int


class SentMessage(TypedDict):
    """A message that was sent."""

    #: Name of the consumer.
    job: str
    #: Logical name of its queue.
    queue: str
    #: Id of the message in SQS.
    messageId: str


_MailSender = TypedDict(
    "_MailSender",
    {
        #: Address of the sender.
        "from": str,
    },
)


class ListedMail(_MailSender):
    """A mail that was sent locally. Not redacted."""

    #: Its id.
    id: str
    #: Timestamp.
    at: str
    #: Addresses of the recipients.
    to: list[str]
    #: Subject; empty for none.
    subject: str


class ShownMail(ListedMail):
    """A mail with its texts. Not redacted."""

    #: Plain text; empty for none.
    text: str
    #: HTML; empty for none.
    html: str


class LogLine(TypedDict):
    """A line of a function's log."""

    #: Milliseconds since the epoch.
    timestamp: int
    #: The line, mostly JSON.
    message: str
