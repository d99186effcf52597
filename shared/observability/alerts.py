"""Telling operators: filtered like every sink, always with the commands to act."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.aws import attributes
from shared.aws.names import OWED, STATE, TOPIC

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

OTHERS = "*"
# SNS takes 100 characters of subject.
SUBJECT = 100


@dataclass(frozen=True, slots=True)
class Alert:
    """kind: `JOB_PERMANENTLY_FAILED`, `JOB_FAILING`, `JOB_RECOVERED` ... about: the job, or the job and its target.

    id: what it is told about, the same whenever it is told. at: the instant that it was first found.
    """

    kind: str
    about: str
    fields: Mapping[str, Any]
    commands: Sequence[str]
    id: str = ""
    at: str = ""

    @property
    def subject(self) -> str:
        # One line: SNS takes no other.
        return " ".join(redaction.text(f"{self.kind} {self.about}").split())[:SUBJECT]

    def message(self, stage: str) -> dict[str, Any]:
        found: dict[str, Any] = redaction.data(
            {"alert": self.kind, "stage": stage, **self.fields, "commands": list(self.commands)}
        )
        return found

    def text(self, stage: str) -> str:
        """For people: a line each, then what they can do."""
        told = self.message(stage)
        commands = told.pop("commands")
        lines = [f"{name}: {value}" for name, value in told.items() if value not in ("", None)]
        return "\n".join([*lines, "", "What you can do:", *(f"  {command}" for command in commands), ""])


def send(cloud: Cloud, kind: str, about: str, fields: Mapping[str, Any], commands: Sequence[str], known: str) -> None:
    """To the topic now, and to the other channels by the next run of job-monitoring.

    known: what it is told about. Those channels get it once, however often it is sent.
    """
    alert = Alert(kind, about, fields, commands, known, clock.iso(cloud.clock.now()))
    publish(cloud, alert)
    enqueue_for(cloud, alert, (OTHERS,), alert.at)


def enqueue_for(cloud: Cloud, alert: Alert, channels: Sequence[str], since: str) -> None:
    """Write down that these channels have not got it yet, since then."""
    told: dict[str, Any] = redaction.data({**asdict(alert), "id": ""})
    row = {"pk": OWED, "sk": alert.id, "alert": {**told, "id": alert.id}, "channels": list(channels), "since": since}
    cloud.dynamodb.put_item(TableName=cloud.names.table(STATE), Item=attributes.row(row))


def publish(cloud: Cloud, alert: Alert) -> None:
    cloud.sns.publish(
        TopicArn=cloud.names.topic_arn(TOPIC),
        Subject=alert.subject,
        Message=json.dumps(alert.message(cloud.names.stage), indent=1),
    )
