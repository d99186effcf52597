"""The ways by which operators are told, as settings choose them: the topic, e-mail, a webhook."""

from __future__ import annotations

import json
from typing import Protocol

from shared.aws import cloud, permissions
from shared.aws import secrets as secret
from shared.aws.permissions import read_secret
from shared.http import sites
from shared.job import settings
from shared.job.effect import NotPerformed
from shared.job.settings import SettingError
from shared.mail import message, sending
from shared.observability import alerts
from shared.observability.alerts import Alert
from shared.run.context import RunContext

SECRET = "alert-webhook"
TOPIC = settings.flag("ALERT_SNS", True, "Whether alerts go to the topic `alerts`")
ADDRESSES = settings.names("ALERT_EMAILS", "", "Addresses that get alerts by e-mail, by MAIL_RELAY from MAIL_FROM")
URL = settings.text(
    "ALERT_WEBHOOK_URL", "", f"Where alerts are posted, signed with the secret {SECRET} by Standard Webhooks"
)
# What a job that tells operators declares.
SETTINGS = (TOPIC, ADDRESSES, URL, *sending.SETTINGS)
GRANTS = (*permissions.alerting(), read_secret(SECRET), *sending.GRANTS)
PATIENCE = 10


class Channel(Protocol):
    """name: in the key of each effect, so it must never change."""

    @property
    def name(self) -> str: ...

    def tell(self, told: Alert, key: str) -> None:
        """Raises NotPerformed where nothing was told for certain; any other error leaves that open."""

    def close(self) -> None: ...


def chosen(run: RunContext) -> list[Channel]:
    channels: list[Channel] = []
    if run.setting(TOPIC.name):
        channels.append(Topic(run))
    if run.setting(ADDRESSES.name):
        channels.append(Email(run))
    if run.setting(URL.name):
        channels.append(Webhook(run))
    return channels


class Topic:
    name = "sns"

    def __init__(self, run: RunContext) -> None:
        self.cloud = run.cloud

    def tell(self, told: Alert, key: str) -> None:
        try:
            alerts.publish(self.cloud, told)
        except Exception as error:
            if cloud.undone(error):
                raise NotPerformed(f"SNS: {error}") from error
            raise

    def close(self) -> None:
        """There is nothing to close."""


class Email:
    name = "email"

    def __init__(self, run: RunContext) -> None:
        self.tick = run
        self._relay: message.Relay | None = None

    def tell(self, told: Alert, key: str) -> None:
        stage = self.tick.cloud.names.stage
        to = tuple(self.tick.setting(ADDRESSES.name))
        self._connect().send(message.Mail(to, f"[nightshift {stage}] {told.subject}", told.text(stage)), key)

    def close(self) -> None:
        if self._relay:
            self._relay.close()

    def _connect(self) -> message.Relay:
        try:
            self._relay = self._relay or sending.relay(self.tick)
        except SettingError as error:
            raise NotPerformed(str(error)) from error
        return self._relay


class Webhook:
    name = "webhook"

    def __init__(self, run: RunContext) -> None:
        self.tick = run

    def tell(self, told: Alert, key: str) -> None:
        from shared.http import webhook
        from shared.http.client import HttpClient

        url = self.tick.setting(URL.name)
        kind = told.kind.lower().replace("_", ".", 1)
        body = {"type": kind, "timestamp": told.at, "data": told.message(self.tick.cloud.names.stage)}
        try:
            host = sites.host_of(url)
            if not url.startswith("https://") and host.partition(":")[0] not in sending.LOOPBACK:
                raise ValueError("begins with http://, and alerts do not go in the clear")
            secrets = secret.read(self.tick.cloud, SECRET).split()
            http = HttpClient(self.tick.cloud, [host], rate=1, read=PATIENCE, remaining=self.tick.remaining)
            webhook.sign(secrets, key, self.tick.at, "")
        except (ValueError, secret.NoSecret) as error:
            raise NotPerformed(f"{URL.name}: {error}") from error
        try:
            webhook.post(http, url, secrets, key, json.dumps(body))
        finally:
            http.close()

    def close(self) -> None:
        """Each message has its own connection."""
