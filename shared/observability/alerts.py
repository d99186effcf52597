"""Alerts to operators: redacted, each with the commands to act on it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.aws.names import TOPIC
from shared.observability import alert_page, mutes
from shared.store import keys, table
from shared.tables import STATE
from shared.text.printable import printable

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# All channels but the topic, as the row of an alert names them.
OTHER_CHANNELS = "*"
# The topic and the others.
EVERY_CHANNEL = ("sns", OTHER_CHANNELS)
# Limit of SNS for a subject, in characters.
MAX_SUBJECT = 100


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert."""

    #: `JOB_PERMANENTLY_FAILED`, `JOB_FAILING`, `JOB_RECOVERED` ...
    kind: str
    #: The job, or the job and its target.
    about: str
    fields: Mapping[str, Any]
    #: Commands that the operator can run.
    commands: Sequence[str]
    #: Identifies the incident: the same in each alert about it.
    id: str = ""
    #: Timestamp of the incident's detection.
    at: str = ""

    @property
    def subject(self) -> str:
        """A single line, which SNS requires."""
        return printable(" ".join(redaction.text(f"{self.kind} {self.about}").split()))[:MAX_SUBJECT]

    def message(self, cloud: Cloud) -> dict[str, Any]:
        """The alert as JSON data, redacted."""
        page = alert_page.link(cloud.environment, self.kind, self.fields)
        shown = {**self.fields, **({"page": page} if page else {}), "commands": list(self.commands)}
        message: dict[str, Any] = redaction.data({"alert": self.kind, "stage": cloud.names.stage, **shown})
        return message

    def text(self, cloud: Cloud) -> str:
        """The alert as text: a line per field, then the commands."""
        message = self.message(cloud)
        commands = message.pop("commands")
        lines = [
            f"{name}: {printable(str(value), multiline=True)}"
            for name, value in message.items()
            if value not in ("", None)
        ]
        return "\n".join([*lines, "", "What you can do:", *(f"  {command}" for command in commands), ""])


def send(
    cloud: Cloud, kind: str, about: str, fields: Mapping[str, Any], commands: Sequence[str], alert_id: str
) -> None:
    """Send an alert to the topic, and enqueue it for other channels.

    The next run of job-monitoring sends it to them. alert_id: identifies the incident. The other channels receive it
    once, however often it is sent. A muted alert is enqueued for every channel, until the mute ends.
    """
    alert = Alert(kind, about, fields, commands, alert_id, clock.iso(cloud.clock.now()))
    if mute := mutes.of_alert(mutes.read_or_none(cloud), kind, about):
        enqueue_for(cloud, alert, EVERY_CHANNEL, mute.until)
        return
    publish(cloud, alert)
    enqueue_for(cloud, alert, (OTHER_CHANNELS,), alert.at)


def enqueue_for(cloud: Cloud, alert: Alert, channels: Sequence[str], since: str) -> None:
    """Store the alert for channels that have not received it.

    since: timestamp of the first attempt, which may be the end of a mute.
    """
    fields: dict[str, Any] = redaction.data({**asdict(alert), "id": ""})
    row = {"alert": {**fields, "id": alert.id}, "channels": list(channels), "since": since}
    table.put(cloud, STATE, {**keys.owed_alert(alert.id).attributes, **row})


def publish(cloud: Cloud, alert: Alert) -> None:
    """Publish the alert to the topic."""
    cloud.sns.publish(
        TopicArn=cloud.names.topic_arn(TOPIC),
        Subject=alert.subject,
        Message=json.dumps(alert.message(cloud), indent=1),
    )
