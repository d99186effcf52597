"""A job that declares the settings of e-mail sends through the relay that they name."""

from __future__ import annotations

import pytest

from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome
from shared.job.setting import SettingError
from shared.mail import sending
from shared.mail.route import Route
from shared.mail.ses import Ses
from shared.mail.smtp import Smtp
from shared.run.begin import begin
from shared.run.context import RunContext
from shared.run.firing import Firing
from tests.conftest import NOON, Lines


class Mailing(Job):
    """Send e-mail."""

    name = "mailing"
    idempotency = natural("nothing is sent")
    settings = sending.SETTINGS

    def work(self, run: RunContext) -> Outcome:
        return Done()


def opened(cloud: Cloud, log: Lines, **environment: str) -> object:
    cloud.environment = environment
    return sending.relay(begin(Mailing(), Firing("mailing", NOON), cloud, log))


def test_ses_is_the_default_relay(cloud: Cloud, log: Lines) -> None:
    assert isinstance(opened(cloud, log), Ses)


def test_the_setting_names_an_smtp_server_and_the_sender(cloud: Cloud, log: Lines) -> None:
    smtp = opened(cloud, log, MAIL_RELAY="smtps://relay.example", MAIL_FROM="porter@example.org")
    assert isinstance(smtp, Smtp)
    assert (smtp.route, smtp.sender) == (Route("smtps", "relay.example", 465), "porter@example.org")


def test_a_relay_with_credentials_in_its_url_is_refused(cloud: Cloud, log: Lines) -> None:
    with pytest.raises(SettingError, match="contains credentials"):
        opened(cloud, log, MAIL_RELAY="smtps://ada:secret@relay.example")
