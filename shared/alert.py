"""Telling operators: one topic, filtered like every sink, always with the commands to act."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared import redact

if TYPE_CHECKING:
    from shared.cloud import Cloud

TOPIC = "alerts"
# SNS takes 100 characters of subject.
SUBJECT = 100


def send(cloud: Cloud, kind: str, about: str, fields: Mapping[str, Any], commands: Sequence[str]) -> None:
    """kind: `JOB_PERMANENTLY_FAILED`, `JOB_FAILING`, `JOB_RECOVERED` ... about: the job, or the job and its target."""
    message = redact.data({"alert": kind, "stage": cloud.names.stage, **fields, "commands": list(commands)})
    cloud.sns.publish(
        TopicArn=cloud.names.topic_arn(TOPIC),
        # One line: SNS takes no other.
        Subject=" ".join(redact.text(f"{kind} {about}").split())[:SUBJECT],
        Message=json.dumps(message, indent=1),
    )
