"""Operators get each alert once on every configured channel, also if another channel fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from functions.operations._alert_channels import SECRET
from functions.operations.job_monitoring import JobMonitoring
from shared import clock as clocks
from shared.admin import effects, mute
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.http import webhook
from shared.job import manifest
from shared.job.duration import days
from shared.job.effect import Confirmed, NotDone, UncertainOutcome
from shared.job.outcome import Done, Outcome
from shared.observability import alerts as alert
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import NOON, Lines, VirtualClock
from tests.functions.operations.conftest import ENTRIES
from tests.functions.operations.test_job_monitoring import Failing, monitor, ticks
from tests.support.certificate import Certificate
from tests.support.mailbox import Box, Post
from tests.support.moto_backends import alerts
from tests.support.receiver import Death, Mortal, Receiver
from tests.support.sweep_job import Sweep
from tests.support.web_server import Handler, Reply, Request, Web, reset

KEY = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Telling:
    """All channels, with what they received."""

    def __init__(self, cloud: Cloud, web: Web, box: Box) -> None:
        self.cloud = cloud
        self.web = web
        self.box = box

    @property
    def counts(self) -> tuple[int, int, int]:
        """Count messages of the topic, mails, and webhooks by id."""
        ids = {request.headers["webhook-id"] for request in self.web.asked}
        return len(alerts(self.cloud)), len(self.box.mails), len(ids)


@pytest.fixture
def telling(cloud: Cloud, certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Iterator[Telling]:
    monkeypatch.setattr(manifest, "load", lambda: ENTRIES)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    cloud.secrets.create_secret(Name=cloud.names.secret(SECRET), SecretString=KEY)
    box = Box()
    post = Post(box, certificate)
    way = post.serve()
    with Web() as web:
        web.answers["/alerts"] = Reply(204)
        cloud.environment = {
            "ALERT_EMAILS": "ada@example.com",
            "ALERT_WEBHOOK_URL": f"{web.url}/alerts",
            "MAIL_RELAY": f"smtp://127.0.0.1:{way.port}",
            "MAIL_FROM": "post@nightshift.example",
        }
        yield Telling(cloud, web, box)
    post.stop()


Monitor = Callable[[], RunReport]


@pytest.fixture
def go(cloud: Cloud, log: Lines, clock: VirtualClock) -> Monitor:
    return lambda: monitor(cloud, log, clock)


@pytest.fixture
def failing(cloud: Cloud, log: Lines, clock: VirtualClock, telling: Telling) -> Failing:
    job = Failing()
    ticks(cloud, log, clock, job, 3)
    return job


def well(cloud: Cloud, log: Lines, clock: VirtualClock, job: Failing) -> None:
    job.broken = False
    ticks(cloud, log, clock, job, 1)


def test_every_channel_gets_the_same_alert_once(telling: Telling, failing: Failing, go: Monitor, cloud: Cloud) -> None:
    assert go().ok
    go()
    assert telling.counts == (1, 1, 1)
    [mail] = telling.box.mails
    assert mail["Subject"] == "[nightshift test] JOB_FAILING sweep"
    assert telling.box.envelopes[0].rcpt_tos == ["ada@example.com"]
    text = mail.get_content().replace("\r\n", "\n")
    assert "firstError: ValueError: at 12:01" in text
    assert "lastGood: never" in text
    assert "What you can do:\n  python jobs.py why sweep --aws --stage test" in text
    [posted] = telling.web.asked
    assert webhook.verify([KEY], posted.headers, posted.body, cloud.clock.now()) == posted.headers["idempotency-key"]
    told = json.loads(posted.body)
    assert (told["type"], told["data"]["job"], told["data"]["streak"]) == ("job.failing", "sweep", 3)


def test_only_the_topic_gets_alerts_by_default(telling: Telling, failing: Failing, go: Monitor, cloud: Cloud) -> None:
    cloud.environment = {}
    go()
    assert telling.counts == (1, 0, 0)
    assert [row for row in state(cloud) if row.startswith("owed#")] == []


def test_the_topic_can_be_disabled(telling: Telling, failing: Failing, go: Monitor, cloud: Cloud) -> None:
    cloud.environment = {**cloud.environment, "ALERT_SNS": "false"}
    go()
    assert telling.counts == (0, 1, 1)


def rows(cloud: Cloud) -> list[Any]:
    return [*cloud.dynamodb.scan(TableName=cloud.names.table("state"))["Items"]]


def state(cloud: Cloud) -> list[str]:
    return [item["pk"]["S"] for item in rows(cloud)]


def test_a_failing_channel_delays_no_other_and_gets_the_alert_after_recovery(
    telling: Telling, failing: Failing, go: Monitor, log: Lines
) -> None:
    telling.web.answers["/alerts"] = Reply(500)
    report = go()
    assert (report.outcome, report.ok) == ("done", False)
    assert report.note.startswith("webhook takes no alerts: WebhookRefused: http://127.0.0.1")
    assert [line["channel"] for line in log.said("alert_not_told")] == ["webhook"]
    assert telling.counts == (1, 1, 1)
    telling.web.answers["/alerts"] = Reply(204)
    assert go().ok
    assert go().ok
    assert telling.counts == (1, 1, 1)
    assert len(telling.web.asked) == 2


def test_owed_alerts_are_sent_before_new_ones(
    telling: Telling, failing: Failing, go: Monitor, cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    telling.box.says["DATA"] = "451 come back later"
    go()
    well(cloud, log, clock, failing)
    go()
    assert telling.counts == (2, 2, 2)
    telling.box.says.clear()
    telling.box.mails.clear()
    go()
    assert [mail["Subject"].split()[2] for mail in telling.box.mails] == ["JOB_FAILING", "JOB_RECOVERED"]
    go()
    assert len(telling.box.mails) == 2


def test_muted_alerts_are_sent_to_every_channel_when_the_mute_ends(
    telling: Telling, failing: Failing, go: Monitor, cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    until = clock.now() + timedelta(hours=1)
    mute.mute(cloud, failing, "sweep", "JOB_FAILING", "ada", "known", until)
    assert go().counts["failing"] == 1
    assert go().ok
    assert telling.counts == (0, 0, 0)
    well(cloud, log, clock, failing)
    go()
    # Another kind is not muted.
    assert [told["alert"] for told in alerts(cloud)] == ["JOB_RECOVERED"]
    clock.move(hours=1)
    go()
    assert telling.counts == (2, 2, 2)
    assert [told["alert"] for told in alerts(cloud)] == ["JOB_RECOVERED", "JOB_FAILING"]
    go()
    assert telling.counts == (2, 2, 2)


def test_a_mute_that_an_operator_ends_sends_its_alerts_at_once(
    telling: Telling, failing: Failing, go: Monitor, cloud: Cloud, clock: VirtualClock
) -> None:
    mute.mute(cloud, failing, "sweep", "*", "ada", "known", clock.now() + timedelta(days=7))
    go()
    mute.unmute(cloud, "sweep", "*", "ada", "over")
    go()
    assert telling.counts == (1, 1, 1)


def test_a_failing_channel_is_tried_once_per_run(
    telling: Telling, go: Monitor, cloud: Cloud, log: Lines, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"sweep-{number}" for number in range(5)]
    monkeypatch.setattr(manifest, "load", lambda: {name: {**ENTRIES["sweep"], "key": name} for name in names})
    for name in names:
        for minute in range(3):
            job = Failing()
            job.name = job.key = name  # type: ignore[misc]
            run(job, replace(Firing(name, clock.now().replace(minute=minute)), retried=False), cloud, log)
    telling.web.answers["/alerts"] = Reply(503)
    go()
    assert telling.counts == (5, 5, 1)
    telling.web.answers["/alerts"] = Reply(204)
    go()
    assert telling.counts == (5, 5, 5)


def test_an_alert_owed_for_three_days_is_dropped_and_logged(
    telling: Telling, failing: Failing, go: Monitor, clock: VirtualClock, log: Lines, cloud: Cloud
) -> None:
    telling.web.answers["/alerts"] = Reply(410)
    go()
    clock.move(days=2, hours=23)
    go()
    assert log.said("alert_given_up") == []
    clock.move(hours=1)
    go()
    assert [line["channels"] for line in log.said("alert_given_up")] == [["webhook"]]
    assert [row for row in state(cloud) if row.startswith("owed#")] == []


def test_a_removed_channel_is_owed_nothing(telling: Telling, failing: Failing, go: Monitor, cloud: Cloud) -> None:
    telling.web.answers["/alerts"] = Reply(500)
    go()
    cloud.environment = {name: text for name, text in cloud.environment.items() if name != "ALERT_WEBHOOK_URL"}
    assert go().ok
    assert [row for row in state(cloud) if row.startswith("owed#")] == []


def test_an_added_channel_gets_no_alerts_owed_to_another(
    telling: Telling, failing: Failing, go: Monitor, cloud: Cloud
) -> None:
    every = cloud.environment
    cloud.environment = {name: text for name, text in every.items() if name != "ALERT_EMAILS"}
    telling.web.answers["/alerts"] = Reply(500)
    go()
    cloud.environment = every
    telling.web.answers["/alerts"] = Reply(204)
    assert go().ok
    assert telling.counts == (1, 0, 1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ALERT_WEBHOOK_URL": "ftp://example.com"}, "must be a URL"),
        ({"ALERT_WEBHOOK_URL": "http://hooks.example.com/alerts"}, "must not be sent unencrypted"),
        ({"MAIL_RELAY": "carrier pigeon"}, "MAIL_RELAY='carrier pigeon'"),
        ({"MAIL_FROM": ""}, "set MAIL_FROM"),
    ],
)
def test_an_invalid_setting_makes_the_channel_fail(
    telling: Telling, failing: Failing, go: Monitor, cloud: Cloud, settings: dict[str, str], said: str
) -> None:
    right = cloud.environment
    cloud.environment = {**right, **settings}
    report = go()
    assert not report.ok
    assert said in report.note
    assert sum(telling.counts) == 2
    cloud.environment = right
    go()
    assert telling.counts == (1, 1, 1)


def test_the_error_of_a_webhook_without_a_secret_names_the_secret(
    telling: Telling, failing: Failing, go: Monitor, cloud: Cloud
) -> None:
    cloud.secrets.delete_secret(SecretId=cloud.names.secret(SECRET), ForceDeleteWithoutRecovery=True)
    assert "nightshift/test/alert-webhook" in go().note


def test_a_webhook_whose_response_was_lost_is_posted_again_with_the_same_id(
    telling: Telling, failing: Failing, go: Monitor
) -> None:
    telling.web.answers["/alerts"] = reset
    go()
    telling.web.answers["/alerts"] = Reply(204)
    assert go().ok
    assert telling.counts == (1, 1, 1)
    assert len(telling.web.asked) == 2


def test_a_mail_that_may_have_been_accepted_is_not_sent_again_and_delays_no_other(
    telling: Telling, failing: Failing, go: Monitor, cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    cloud.environment = {**cloud.environment, "MAIL_UNANSWERED": "hold"}
    telling.box.drops = True
    assert not go().ok
    telling.box.drops = False
    well(cloud, log, clock, failing)
    report = go()
    assert report.note == "1 effects are uncertain: python jobs.py effects job-monitoring --aws --stage test"
    assert [mail["Subject"].split()[2] for mail in telling.box.mails] == ["JOB_FAILING", "JOB_RECOVERED"]
    [waiting] = effects.uncertain_effects(cloud, "job-monitoring")
    effects.resolve_manually(cloud, JobMonitoring(), waiting["key"], NotDone(), "ada", "nobody has it")
    assert go().note == ""
    assert len(telling.box.mails) == 3


def test_a_topic_that_refuses_gets_the_alert_later(
    telling: Telling, failing: Failing, go: Monitor, cloud: Cloud
) -> None:
    topic = cloud.names.topic_arn("alerts")
    cloud.sns.delete_topic(TopicArn=topic)
    report = go()
    assert report.note.startswith("sns takes no alerts: NotPerformed: SNS: An error occurred (NotFound)")
    cloud.sns.create_topic(Name=cloud.names.topic("alerts"))
    assert go().ok
    assert telling.counts == (1, 1, 1)


def test_an_alert_is_not_sent_again_after_a_timeout_of_the_topic(
    telling: Telling, failing: Failing, go: Monitor, cloud: Cloud
) -> None:
    def silent(**_: Any) -> None:
        raise ReadTimeoutError(endpoint_url="https://sns")

    cloud.sns.meta.events.register("after-call.sns.Publish", silent, unique_id="silent")
    assert "ReadTimeoutError" in go().note
    cloud.sns.meta.events.unregister("after-call.sns.Publish", silent, unique_id="silent")
    assert "are uncertain" in go().note
    assert telling.counts == (1, 1, 1)


def test_an_uncertain_alert_causes_no_further_alerts(
    telling: Telling, failing: Failing, go: Monitor, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {**ENTRIES["sweep"], "key": "job-monitoring", "schedules": ["4-59/5 * * * *"]}
    monkeypatch.setattr(manifest, "load", lambda: {**ENTRIES, "job-monitoring": own})
    cloud.environment = {**cloud.environment, "MAIL_UNANSWERED": "hold"}
    telling.box.drops = True
    go()
    telling.box.drops = False
    for _ in range(3):
        assert "are uncertain" in go().note
    assert {told["alert"] for told in alerts(cloud)} == {"JOB_FAILING"}


def test_a_crash_after_any_call_alerts_each_channel_exactly_once(
    telling: Telling, cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    receiver = Receiver()
    mortal = Mortal(cloud, receiver)
    job = Failing()
    # After each call of the cloud; each time with a new streak, which its last good run identifies.
    for last in range(1, 30):
        mortal.until(0)
        job.broken = True
        ticks(cloud, log, clock, job, 3)
        before = telling.counts
        mortal.until(last)
        with suppress(Death):
            monitor(cloud, log, clock)
        if mortal.made < last:
            break
        mortal.until(0)
        clock.move(minutes=2)
        monitor(cloud, log, clock)
        monitor(cloud, log, clock)
        unknown = {
            found["key"].rpartition("#")[2].partition("-")[0]
            for found in effects.uncertain_effects(cloud, "job-monitoring")
        }
        told = [after - ahead for after, ahead in zip(telling.counts, before, strict=True)]
        for channel, times in zip(("sns", "email", "webhook"), told, strict=True):
            assert times == 1 or (times == 0 and channel in unknown), (last, channel, times)
        for found in [*effects.uncertain_effects(cloud, "job-monitoring")]:
            effects.resolve_manually(cloud, JobMonitoring(), found["key"], Confirmed(), "ada", "looked")
        well(cloud, log, clock, job)
        monitor(cloud, log, clock)
    else:
        pytest.fail("it never lived to its end")


def test_uncertain_effects_are_alerted_once_a_day(
    telling: Telling, go: Monitor, cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    class Sender(Sweep):
        """A job with effects that are never answered."""

        name = "sweep"
        effects = days(30)

        def work(self, run: RunContext) -> Outcome:
            def send(_: str) -> Any:
                raise TimeoutError

            for key in ("ada", "bob"):
                with suppress(TimeoutError, UncertainOutcome):
                    run.effect(key, send)
            return Done()

    for _ in range(2):
        clock.move(minutes=2)
        run(Sender(), Firing("sweep", clock.now(), retried=False), cloud, log)
    assert go().counts["uncertain"] == 1
    go()
    assert telling.counts == (1, 1, 1)
    [told] = alerts(cloud)
    assert (told["alert"], told["job"], told["effects"], told["keys"]) == (
        "EFFECTS_UNCERTAIN",
        "sweep",
        2,
        ["ada", "bob"],
    )
    assert told["commands"] == ["python jobs.py effects sweep --aws --stage test"]
    clock.move(days=1)
    go()
    assert telling.counts == (2, 2, 2)


def test_alerts_of_other_jobs_reach_the_topic_at_once_and_each_other_channel_once(
    telling: Telling, go: Monitor, cloud: Cloud
) -> None:
    def send() -> None:
        alert.send(cloud, "JOB_PERMANENTLY_FAILED", "sweep", {"job": "sweep"}, ["python jobs.py dead list"], "letter-1")

    send()
    assert telling.counts == (1, 0, 0)
    go()
    assert telling.counts == (1, 1, 1)
    # As after a crash between sending and recording: sent again, and owed again.
    send()
    go()
    assert telling.counts == (2, 1, 1)
    assert [row for row in state(cloud) if row.startswith("owed#")] == []


def test_an_alert_owed_to_all_channels_stays_for_the_failing_one(telling: Telling, go: Monitor, cloud: Cloud) -> None:
    alert.send(cloud, "JOB_BRAKED", "sweep", {"job": "sweep"}, [], "braked-1")
    telling.web.answers["/alerts"] = Reply(500)
    go()
    telling.web.answers["/alerts"] = Reply(204)
    go()
    assert telling.counts == (1, 1, 1)
    assert len(telling.web.asked) == 2


@pytest.mark.parametrize("status", [204, 500])
def test_an_alert_that_is_enqueued_again_while_it_is_sent_stays_owed(
    status: int, telling: Telling, go: Monitor, cloud: Cloud
) -> None:
    def again(_: Handler, __: Request) -> Reply:
        # As a muted alert is: for every channel, from the end of the mute on.
        told = alert.Alert("JOB_BRAKED", "sweep", {"job": "sweep"}, [], "braked-1", clocks.iso(NOON))
        alert.enqueue_for(cloud, told, alert.EVERY_CHANNEL, clocks.iso(NOON + timedelta(hours=1)))
        return Reply(status)

    alert.send(cloud, "JOB_BRAKED", "sweep", {"job": "sweep"}, [], "braked-1")
    telling.web.answers["/alerts"] = again
    go()
    [row] = [attributes.plain(item) for item in rows(cloud) if item["pk"]["S"].startswith("owed#")]
    assert (row["channels"], row["since"]) == ([*alert.EVERY_CHANNEL], clocks.iso(NOON + timedelta(hours=1)))


def test_a_dry_run_lists_channels_and_alerts(telling: Telling, failing: Failing, cloud: Cloud, log: Lines) -> None:
    now = cloud.clock.now()
    tick = RunContext(JobMonitoring(), Firing("job-monitoring", now), cloud, "r", now, log)
    assert JobMonitoring().plan(tick) == ["alert sns, email, webhook: JOB_FAILING sweep"]
    assert telling.counts == (0, 0, 0)


@pytest.mark.parametrize("left", ["550 5.1.1 no such user", "450 4.2.1 disabled", "421 4.3.2 closing"])
def test_an_address_that_is_refused_keeps_no_other_from_the_alert(
    left: str, telling: Telling, failing: Failing, go: Monitor, cloud: Cloud
) -> None:
    cloud.environment = {**cloud.environment, "ALERT_EMAILS": "left@example.com, ada@example.com, eve@example.com"}
    telling.box.says["left@example.com"] = left
    report = go()
    assert not report.ok
    assert report.note.startswith(f"email 1 of 3 takes no alerts: MailRefused: 127.0.0.1: {left[:3]}")
    if not left.startswith("421"):
        assert [envelope.rcpt_tos for envelope in telling.box.envelopes] == [["ada@example.com"], ["eve@example.com"]]
    telling.box.says.clear()
    assert go().ok
    reached = [address for envelope in telling.box.envelopes for address in envelope.rcpt_tos]
    assert sorted(reached) == ["ada@example.com", "eve@example.com", "left@example.com"]
    assert len({mail["Message-ID"] for mail in telling.box.mails}) == 3


@pytest.mark.parametrize("odd", ["left", "a:b@example.com", "foo(bar)@example.com", "Left <left@example.com>"])
def test_text_that_is_no_address_keeps_no_other_from_the_alert(
    odd: str, telling: Telling, failing: Failing, go: Monitor, cloud: Cloud
) -> None:
    cloud.environment = {**cloud.environment, "ALERT_EMAILS": f"{odd},ada@example.com"}
    assert go().note.startswith("email 1 of 2 takes no alerts: ")
    assert [envelope.rcpt_tos for envelope in telling.box.envelopes] == [["ada@example.com"]]


def test_an_address_that_is_listed_twice_gets_one_mail(
    telling: Telling, failing: Failing, go: Monitor, cloud: Cloud
) -> None:
    cloud.environment = {**cloud.environment, "ALERT_EMAILS": "ada@bücher.example, ada@xn--bcher-kva.EXAMPLE"}
    assert go().ok
    assert [envelope.rcpt_tos for envelope in telling.box.envelopes] == [["ada@xn--bcher-kva.example"]]


def test_an_alert_that_an_earlier_version_owes_to_e_mail_reaches_every_address(
    telling: Telling, go: Monitor, cloud: Cloud
) -> None:
    cloud.environment = {**cloud.environment, "ALERT_EMAILS": "ada@example.com,bob@example.com"}
    now = cloud.clock.now().isoformat().replace("+00:00", "Z")
    alert.enqueue_for(cloud, alert.Alert("JOB_BRAKED", "sweep", {}, [], "braked-1", now), ["email"], now)
    go()
    assert [envelope.rcpt_tos for envelope in telling.box.envelopes] == [["ada@example.com"], ["bob@example.com"]]
    assert telling.counts == (0, 2, 0)


def test_a_relay_that_refuses_the_sender_is_asked_once_a_run(
    telling: Telling, failing: Failing, go: Monitor, cloud: Cloud
) -> None:
    cloud.environment = {**cloud.environment, "ALERT_EMAILS": "ada@example.com,bob@example.com"}
    telling.box.says["MAIL"] = "550 5.7.1 no"
    assert "email 2 of 2 takes no alerts" in go().note
    del telling.box.says["MAIL"]
    go()
    assert telling.counts == (1, 2, 1)
