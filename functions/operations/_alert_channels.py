"""Channels by which alerts reach operators.

Settings choose among the SNS topic, e-mail and a webhook.
"""

from __future__ import annotations

import hashlib
import json
from typing import Protocol

from shared.aws import secrets
from shared.aws.cloud import not_performed
from shared.http import sites
from shared.job import NotPerformed, RunContext, SettingError, permissions, settings
from shared.mail import message, sending
from shared.mail.route import LOOPBACK
from shared.observability import alerts
from shared.observability.alerts import Alert
from shared.text.mail_address import InvalidAddress, parse_address

SECRET = "alert-webhook"
# Begins the name of each address's channel; alone, it stands for all of them in rows of earlier versions.
EMAIL = "email"
TOPIC = settings.flag("ALERT_SNS", True, "Whether alerts go to the topic `alerts`")
ADDRESSES = settings.names("ALERT_EMAILS", "", "Addresses that get alerts by e-mail, by MAIL_RELAY from MAIL_FROM")
URL = settings.url(
    "ALERT_WEBHOOK_URL", f"Where alerts are posted, signed with the secret {SECRET} by Standard Webhooks", external=True
)
# Settings and grants of a job that sends alerts.
SETTINGS = (TOPIC, ADDRESSES, URL, *sending.SETTINGS)
GRANTS = (*permissions.alerting(), permissions.read_secret(SECRET), *sending.GRANTS)
READ_TIMEOUT = 10


class Channel(Protocol):
    """A way to send alerts to operators."""

    @property
    def name(self) -> str:
        """Part of the key of each effect: it must never change."""

    @property
    def label(self) -> str:
        """Name for people, in notes and logs."""

    def send(self, alert: Alert, key: str) -> None:
        """Send an alert. Raises NotPerformed if it was certainly not sent.

        After other errors it may have been sent.
        """

    def close(self) -> None: ...


def configured(run: RunContext) -> list[Channel]:
    channels: list[Channel] = []
    if run.setting(TOPIC.name):
        channels.append(Topic(run))
    channels += emails(run)
    # Read by the channel: an invalid URL fails it alone.
    if run.cloud.environment.get(URL.name, "").strip():
        channels.append(WebhookChannel(run))
    return channels


class Topic:
    """The SNS topic `alerts`."""

    name = label = "sns"

    def __init__(self, run: RunContext) -> None:
        self.cloud = run.cloud

    def send(self, alert: Alert, key: str) -> None:
        try:
            alerts.publish(self.cloud, alert)
        except Exception as error:
            if not_performed(error):
                raise NotPerformed(f"SNS: {error}") from error
            raise

    def close(self) -> None:
        """Do nothing: SNS has no connection to close."""


class AlertRelay:
    """The relay that all addresses of a run share."""

    def __init__(self, run: RunContext) -> None:
        self.run = run
        self._relay: message.Relay | None = None
        self._refused: message.MailRefused | None = None

    def send(self, mail: message.Mail, key: str) -> None:
        if self._refused:
            # The relay refuses or is away: the other addresses need not wait for it too.
            raise self._refused
        try:
            self._relay = self._relay or sending.relay(self.run)
            self._relay.send(mail, key)
        except SettingError as error:
            raise NotPerformed(str(error)) from error
        except message.MailRefused as refused:
            self._refused = refused if refused.affects_all else None
            raise

    def close(self) -> None:
        if self._relay:
            self._relay.close()
            self._relay = None


class Email:
    """E-mail to one address, as an effect of its own.

    A refused address delays no other.
    """

    def __init__(self, run: RunContext, address: str, label: str, relay: AlertRelay) -> None:
        self.run = run
        self.address = address
        self.label = label
        self.relay = relay
        # Effects are listed for operators: their keys contain no address.
        self.name = f"{EMAIL}-{hashlib.sha256(address.encode()).hexdigest()[:12]}"

    def send(self, alert: Alert, key: str) -> None:
        cloud = self.run.cloud
        subject = f"[nightshift {cloud.names.stage}] {alert.subject}"
        self.relay.send(message.Mail((self.address,), subject, alert.text(cloud)), key)

    def close(self) -> None:
        self.relay.close()


def emails(run: RunContext) -> list[Email]:
    """A channel for each address of the setting."""
    addresses = list(dict.fromkeys(map(_canonical, run.setting(ADDRESSES.name))))
    relay = AlertRelay(run)
    labels = [
        EMAIL if len(addresses) == 1 else f"{EMAIL} {at} of {len(addresses)}" for at in range(1, len(addresses) + 1)
    ]
    return [Email(run, address, label, relay) for address, label in zip(addresses, labels, strict=True)]


def _canonical(address: str) -> str:
    try:
        return str(parse_address(address))
    except InvalidAddress:
        # Refused when it is sent to, so that the other addresses still get the alert.
        return address


class WebhookChannel:
    """A signed HTTP POST to the URL of a setting."""

    name = label = "webhook"

    def __init__(self, run: RunContext) -> None:
        self.run = run

    def send(self, alert: Alert, key: str) -> None:
        # Imported lazily: most deployments have no webhook.
        from shared.http import webhook
        from shared.http.client import HttpClient

        url = self.run.setting(URL.name)
        kind = alert.kind.lower().replace("_", ".", 1)
        body = {"type": kind, "timestamp": alert.at, "data": alert.message(self.run.cloud)}
        try:
            host = sites.host_of(url)
            if not url.startswith("https://") and host.partition(":")[0] not in LOOPBACK:
                raise ValueError("begins with http://, and alerts must not be sent unencrypted; use https://")
            signing_keys = secrets.read(self.run.cloud, SECRET).split()
            http = HttpClient(self.run.cloud, [host], rate=1, read=READ_TIMEOUT, remaining=self.run.remaining)
            webhook.sign(signing_keys, key, self.run.at, "")
        except (ValueError, secrets.NoSecret) as error:
            raise NotPerformed(f"{URL.name}: {error}") from error
        try:
            webhook.post(http, url, signing_keys, key, json.dumps(body))
        finally:
            http.close()

    def close(self) -> None:
        """Do nothing: each alert has its own connection."""
