"""Delivery to a target, with its retry policy and its dead-letter queue.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from local.clock import TickerClock

LOG = logging.getLogger(__name__)
# AWS's defaults: a day, and the attempts that its backoff makes in a day.
RETRIES = 185
AGE_SECONDS = 86_400
MAX_BACKOFF_SECONDS = 60.0
# Errors that no retry can change: to the dead-letter queue at once.
FINAL = {
    "AccessDeniedException": "NO_PERMISSIONS",
    "ResourceNotFoundException": "NO_RESOURCE",
    "AWS.SimpleQueueService.NonExistentQueue": "NO_RESOURCE",
    "QueueDoesNotExist": "NO_RESOURCE",
    "NotFound": "NO_RESOURCE",
    "NotFoundException": "NO_RESOURCE",
    "InvalidRequestContentException": "INVALID_JSON",
    "ValidationException": "INVALID_PARAMETER",
    "InvalidParameterValueException": "INVALID_PARAMETER",
}
THROTTLED = {"TooManyRequestsException": "THROTTLING", "ThrottlingException": "THROTTLING"}


class UnknownTarget(ValueError):
    """The ticker cannot deliver to the target.

    Raised when its rule is read.
    """


@dataclass(frozen=True, slots=True)
class Target:
    """A target of PutTargets or CreateSchedule.

    payload: makes the text to deliver from the attempt's number. about: attributes of a dead letter.
    """

    arn: str
    payload: Callable[[int], str]
    about: dict[str, str] = field(default_factory=dict)
    retry_policy: dict[str, int] = field(default_factory=dict)
    dead_letters: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        if self.service not in ("lambda", "sqs", "sns"):
            raise UnknownTarget(f"{self.arn}: the local cloud delivers to functions, queues and topics only")

    @property
    def service(self) -> str:
        return self.arn.split(":")[2]

    def deliver(self, clients: Callable[[str], Any], clock: TickerClock) -> bool:
        """Deliver, with retries; whether the target accepted it."""
        from botocore.exceptions import BotoCoreError, ClientError

        expires = clock.now() + timedelta(seconds=self.retry_policy.get("MaximumEventAgeInSeconds", AGE_SECONDS))
        retries = self.retry_policy.get("MaximumRetryAttempts", RETRIES)
        attempt = 0
        while True:
            attempt += 1
            try:
                self._send(clients, self.payload(attempt))
                return True
            except ClientError as error:
                problem = error.response.get("Error", {}).get("Code", "")
                code, message = FINAL.get(problem) or THROTTLED.get(problem, "ERROR_FROM_TARGET"), str(error)
                final = problem in FINAL
            except BotoCoreError as error:
                code, message, final = "CONNECTION_FAILURE", str(error), False
            next_try = clock.now() + timedelta(seconds=min(2.0 ** (attempt - 1), MAX_BACKOFF_SECONDS))
            condition = None
            if not final and attempt > retries:
                condition = "MaximumRetryAttempts"
            elif not final and next_try > expires:
                condition = "MaximumEventAgeInSeconds"
            if final or condition:
                break
            clock.wait_until(next_try, threading.Event())
        failure = {"ERROR_CODE": code, "ERROR_MESSAGE": message, "RETRY_ATTEMPTS": str(attempt - 1)}
        self._dead_letter(
            clients, attempt, self.about | failure | ({"EXHAUSTED_RETRY_CONDITION": condition} if condition else {})
        )
        return False

    def _send(self, clients: Callable[[str], Any], payload: str) -> None:
        if self.service == "lambda":
            clients("lambda").invoke(FunctionName=self.arn, InvocationType="Event", Payload=payload)
        elif self.service == "sqs":
            group = {"MessageGroupId": self.group} if self.group else {}
            clients("sqs").send_message(QueueUrl=queue_url(self.arn), MessageBody=payload, **group)
        else:
            clients("sns").publish(TopicArn=self.arn, Message=payload)

    def _dead_letter(self, clients: Callable[[str], Any], attempt: int, attributes: dict[str, str]) -> None:
        LOG.error("delivery to %s failed: %s", self.arn, attributes["ERROR_MESSAGE"])
        if self.dead_letters:
            clients("sqs").send_message(
                QueueUrl=queue_url(self.dead_letters),
                MessageBody=self.payload(attempt),
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in ({"TARGET_ARN": self.arn} | attributes).items()
                },
            )


def queue_url(arn: str) -> str:
    _, _, _, region, account, name = arn.split(":")
    return f"https://sqs.{region}.amazonaws.com/{account}/{name}"
