"""Deliver each alert once to each channel.

A channel that fails does not delay the others.

`owed#job-monitoring` / `<alert id>` has an alert and the channels that have not taken it yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

from functions.operations._alert_channels import EMAIL, Channel, Email, Topic, configured
from shared import clock, redaction
from shared.job import InFlight, RunContext, UncertainOutcome
from shared.observability import mutes
from shared.observability.alerts import OTHER_CHANNELS, Alert, enqueue_for
from shared.store import keys, table
from shared.store.fencing import Fenced
from shared.tables import STATE

# How long every run tries to deliver an alert to a channel.
RETRIED = timedelta(days=3)
# Remaining seconds below which no further alert is sent: the longest that one may take.
RESERVE = 20


class Alerts:
    """The alerts of one run."""

    def __init__(self, run: RunContext) -> None:
        self.run = run
        self.channels = configured(run)
        #: Channels that failed, each with a note; this run does not try them again.
        self.failed: dict[str, str] = {}

    @cached_property
    def muted(self) -> list[mutes.Mute]:
        """The mutes in force. Not read by a run without alerts."""
        return mutes.read_or_none(self.run.cloud)

    def send(self, alert: Alert) -> None:
        """Send to every channel that has not got the alert.

        It is stored for the channels that did not take it; for all of them while it is muted.
        """
        if mute := mutes.of_alert(self.muted, alert.kind, alert.about):
            enqueue_for(self.run.cloud, alert, [channel.name for channel in self.channels], mute.until)
            return
        left = [channel.name for channel in self.channels if not self._sent(channel, alert)]
        if left:
            enqueue_for(self.run.cloud, alert, left, clock.iso(self.run.cloud.clock.now()))

    def send_owed(self) -> None:
        """Send the alerts that earlier runs could not, the oldest first."""
        for item in self._owed():
            alert = Alert(**item["alert"])
            if mutes.of_alert(self.muted, alert.kind, alert.about):
                continue
            channels = [channel for channel in self.channels if _is_owed(channel, item["channels"])]
            left = [channel.name for channel in channels if not self._sent(channel, alert)]
            if left and clock.parse(item["since"]) + RETRIED < self.run.cloud.clock.now():
                self.run.log.error("alert_given_up", alert=alert.id, channels=left, owed=item["since"])
                left = []
            if left != item["channels"]:
                self._record(item, left)

    def _record(self, item: dict[str, Any], left: list[str]) -> None:
        """Record the channels that are left.

        Nothing is written if the alert was enqueued again since the read.
        """
        key, names = keys.owed_alert(item["alert"]["id"]), {"#channels": "channels", "#since": "since"}
        unchanged, read = (
            "#channels = :channels AND #since = :since",
            {":channels": item["channels"], ":since": item["since"]},
        )
        if left:
            values = {**read, ":left": left}
            table.update_if(self.run.cloud, STATE, key, "SET #channels = :left", values, unchanged, names=names)
        else:
            table.delete(self.run.cloud, STATE, key, condition=unchanged, values=read, names=names)

    def close(self) -> None:
        for channel in self.channels:
            channel.close()

    @property
    def note(self) -> str:
        return "; ".join(self.failed.values())

    def _sent(self, channel: Channel, alert: Alert) -> bool:
        if channel.name in self.failed or self.run.remaining() < RESERVE:
            return False
        try:
            self.run.effect(f"{alert.id}#{channel.name}", lambda key: channel.send(alert, key))
        except Fenced:
            raise
        except (InFlight, UncertainOutcome):
            # Concerns this alert only: the channel may take others.
            return False
        except Exception as error:  # noqa: BLE001 - an error of one channel must not keep the others from sending
            text = redaction.excerpt(f"{type(error).__name__}: {error}", redaction.SHORT)
            self.failed[channel.name] = f"{channel.label} takes no alerts: {text}"
            self.run.log.error("alert_not_told", alert=alert.id, channel=channel.label, error=text)
            return False
        return True

    def _owed(self) -> Iterator[dict[str, Any]]:
        values = {":pk": keys.owed_alerts()}
        rows = table.query(self.run.cloud, STATE, "pk = :pk", values, ConsistentRead=True)
        yield from sorted(rows, key=lambda item: str(item["since"]))


def _is_owed(channel: Channel, names: Sequence[str]) -> bool:
    if isinstance(channel, Email) and EMAIL in names:
        return True
    return channel.name in names or (OTHER_CHANNELS in names and channel.name != Topic.name)
