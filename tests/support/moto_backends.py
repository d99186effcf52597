"""What moto holds of a deployment named `test`."""

from __future__ import annotations

import json
from typing import Any

from moto.backends import get_backend

from shared.aws.cloud import Cloud


def alerts(cloud: Cloud) -> list[Any]:
    """Alerts that were published, in order."""
    return [json.loads(message) for _, message in published(cloud)]


def published(cloud: Cloud) -> list[tuple[str | None, str]]:
    """Subjects and texts of what was published to the topic of alerts, in order."""
    # Its first client creates the topic.
    _ = cloud.sns
    topic = get_backend("sns")["123456789012"]["us-east-1"].topics[cloud.names.topic_arn("alerts")]
    return [(subject, message) for _, message, subject, *_ in topic.sent_notifications]


def mails(cloud: Cloud) -> Any:
    """SES: verified senders and sent mails."""
    _ = cloud.mail
    return get_backend("ses")["123456789012"]["us-east-1"]


def queue(cloud: Cloud, name: str) -> Any:
    """A queue.

    `_messages` has all of its messages: moto applies delays by the clock of the machine.
    """
    # Its first client creates the queues.
    _ = cloud.sqs
    return get_backend("sqs")["123456789012"]["us-east-1"].queues[cloud.names.queue(name)]
