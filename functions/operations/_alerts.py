"""Alerts on their way: every channel gets each once; what one did not take is owed to it, and the others never wait.

`owed#job-monitoring` / `<alert's id>` has the alert and the channels that have not got it yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from functions.operations._alert_channels import Channel, Topic, chosen
from shared import clock, redaction
from shared.aws import attributes
from shared.aws.names import OWED, STATE
from shared.job.effect import InFlight, UncertainOutcome
from shared.observability.alerts import OTHERS, Alert, enqueue_for
from shared.run.context import RunContext
from shared.store.fencing import Fenced

# So long a channel is tried again, at every run.
TRIED = timedelta(days=3)
# Seconds left at which no further message is begun: the longest that one may take.
RESERVE = 20


class Alerts:
    """One run's. failed: the channels that did not take a message, and why; they are left alone until the next run."""

    def __init__(self, run: RunContext) -> None:
        self.tick = run
        self.table = run.cloud.names.table(STATE)
        self.channels = chosen(run)
        self.failed: dict[str, str] = {}

    def tell(self, alert: Alert) -> None:
        """Tell it to every channel that has not got it; what is left over is written down as owed."""
        left = [channel.name for channel in self.channels if not self._told(channel, alert)]
        if left:
            enqueue_for(self.tick.cloud, alert, left, clock.iso(self.tick.cloud.clock.now()))

    def pay(self) -> None:
        """Tell what earlier runs could not, the oldest first."""
        for item in self._owed():
            alert = Alert(**item["alert"])
            channels = [channel for channel in self.channels if _meant(channel, item["channels"])]
            left = [channel.name for channel in channels if not self._told(channel, alert)]
            if left and clock.parse(item["since"]) + TRIED < self.tick.cloud.clock.now():
                self.tick.log.error("alert_given_up", alert=alert.id, channels=left, owed=item["since"])
                left = []
            if not left:
                self.tick.cloud.dynamodb.delete_item(TableName=self.table, Key=self._key(alert))
            elif left != item["channels"]:
                enqueue_for(self.tick.cloud, alert, left, item["since"])

    def close(self) -> None:
        for channel in self.channels:
            channel.close()

    @property
    def note(self) -> str:
        return "; ".join(f"{name} takes no alerts: {why}" for name, why in self.failed.items())

    def _told(self, channel: Channel, alert: Alert) -> bool:
        if channel.name in self.failed or self.tick.remaining() < RESERVE:
            return False
        try:
            self.tick.effect(f"{alert.id}#{channel.name}", lambda key: channel.tell(alert, key))
        except Fenced:
            raise
        except (InFlight, UncertainOutcome):
            # It concerns this alert, and not what else is to be told there.
            return False
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one channel, the others are not
            why = redaction.excerpt(f"{type(error).__name__}: {error}", redaction.SHORT)
            self.failed[channel.name] = why
            self.tick.log.error("alert_not_told", alert=alert.id, channel=channel.name, error=why)
            return False
        return True

    def _owed(self) -> Iterator[dict[str, Any]]:
        pages = self.tick.cloud.dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=attributes.row({":pk": OWED}),
            ConsistentRead=True,
        )
        found = [attributes.plain(item) for page in pages for item in page["Items"]]
        yield from sorted(found, key=lambda item: str(item["since"]))

    def _key(self, alert: Alert) -> dict[str, Any]:
        return attributes.row({"pk": OWED, "sk": alert.id})


def _meant(channel: Channel, named: Sequence[str]) -> bool:
    return channel.name in named or (OTHERS in named and channel.name != Topic.name)
