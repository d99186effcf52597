"""Overrides of a job by the environment: schedule, retries and retention, and their limits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from shared.archetypes.consumer import Consumer, Message
from shared.aws.cloud import Cloud
from shared.job import manifest, registry, retention, retry, retry_policies
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Outcome
from shared.job.overrides import configured, settings_of
from shared.job.retention import RESERVE
from shared.job.schedule import CatchUp, cron, every, hourly
from shared.job.setting import SettingError
from shared.messages.payload import Payload
from shared.messages.tenant import Tenant
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.run import run
from tests.conftest import NOON, Lines, waiting

JOBS = registry.jobs({})


class Sweep(Job):
    """Sweep what is due."""

    name = "sweep"
    schedule = (hourly(minute=7), cron("0 6 * * 1", "Europe/Berlin"))
    retry = retry_policies.EMAIL
    catch_up = CatchUp.ONCE
    silent_after = 7200
    idempotency = natural("a swept row is not found again")

    def work(self, run: RunContext) -> Outcome:
        raise RuntimeError("no broom")


class Order(Payload):
    dish: str


class Mailbox(Consumer[Any]):
    """Take letters."""

    name = "mailbox"
    queue = "letters"
    idempotency = natural("letters are only looked at")

    def handle(self, run: RunContext, message: Message[Any]) -> None:
        return None


class Orders(Consumer[Order]):
    """Take orders."""

    name = "orders"
    queue = "orders"
    idempotency = natural("orders are only looked at")

    def admits(self, run: RunContext, tenant: Tenant) -> bool:
        return True

    def handle(self, run: RunContext, message: Message[Order]) -> None:
        return None


def test_an_environment_that_says_nothing_leaves_the_class_alone() -> None:
    assert configured(Sweep, {"PATH": "/bin", "OTHER_SCHEDULE": "off"}) is Sweep


def test_what_is_said_holds_and_all_else_stays_as_declared() -> None:
    said = {"SWEEP_SCHEDULE": "*/5 * * * *", "SWEEP_RETRY": "fixed 9s, 3 attempts", "SWEEP_RETENTION": "critical"}
    job = configured(Sweep, said)
    assert (job.schedules(), job.retry, job.retention) == (
        (every(minutes=5),),
        retry.fixed(delay=9, retries=2),
        "critical",
    )
    assert (job.name, job.key, job.group, job.env, job.purpose()) == (
        "sweep",
        "sweep",
        "job",
        "SWEEP",
        Sweep.purpose(),
    )
    assert (job.catches_up(), job.silent_after) == (CatchUp.ONCE, 7200)
    assert (job.declared, job.grants()) == (Sweep, Sweep.grants())
    assert issubclass(job, Sweep)


def test_the_defaults_of_settings_are_what_is_declared_wherever_they_are_asked() -> None:
    job = configured(Sweep, {"SWEEP_SCHEDULE": "off", "SWEEP_RETRY": "none", "SWEEP_RETENTION": "high-volume"})
    for each in (Sweep, job):
        defaults = {setting.name: setting.default for setting in settings_of(each).values()}
        assert defaults == {
            "SWEEP_SCHEDULE": "7 * * * *; 0 6 * * 1 Europe/Berlin",
            "SWEEP_RETRY": "exponential 5s, 3 attempts",
            "SWEEP_RETENTION": "standard",
        }


def test_a_job_that_is_switched_off_misses_nothing_and_may_be_silent() -> None:
    job = configured(Sweep, {"SWEEP_SCHEDULE": "off"})
    assert (job.schedules(), job.catches_up(), job.silent_after) == ((), CatchUp.NONE, None)
    assert manifest.of([job()])["sweep"]["schedules"] == []


def test_a_consumer_is_fired_by_its_queue_and_has_its_retention_alone() -> None:
    assert [setting.name for setting in settings_of(Mailbox).values()] == ["MAILBOX_RETENTION"]
    assert configured(Mailbox, {"MAILBOX_SCHEDULE": "* * * * *", "MAILBOX_RETRY": "none"}) is Mailbox
    kept = configured(Mailbox, {"MAILBOX_RETENTION": "completed 2h 5, failed 3h 6"}).retention
    assert str(retention.read(kept)) == "completed 2h 5, failed 3h 6"


def test_messages_of_a_payload_are_tried_again_as_the_environment_says() -> None:
    assert [setting.name for setting in settings_of(Orders).values()] == ["ORDERS_RETRY", "ORDERS_RETENTION"]
    assert configured(Orders, {"ORDERS_RETRY": "linear 2s, 3 attempts"}).retry.delays == (2, 4)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"SWEEP_SCHEDULE": "rate(5 minutes)"}, ["SWEEP_SCHEDULE='rate(5 minutes)'", "write five cron fields"]),
        ({"SWEEP_RETRY": "often"}, ["SWEEP_RETRY='often'", "use 'exponential 2s, 4 attempts'"]),
        ({"SWEEP_RETENTION": "long"}, ["SWEEP_RETENTION='long'", "use high-volume"]),
        (
            {"SWEEP_SCHEDULE": "@daily", "SWEEP_RETRY": "fixed 1s, 8 attempts"},
            ["SWEEP_RETRY='fixed 1s, 8 attempts'", "carries at most 7"],
        ),
        ({"SWEEP_RETRY": "explicit 901s"}, ["SWEEP_RETRY='explicit 901s'", "longer than the 900 s"]),
    ],
)
def test_what_cannot_be_is_refused_with_variable_value_and_what_would_do(
    said: Mapping[str, str], words: list[str]
) -> None:
    with pytest.raises(SettingError) as error:
        configured(Sweep, said)
    assert [word for word in words if word not in str(error.value)] == []


@pytest.mark.parametrize("name", JOBS)
def test_every_job_says_its_schedule_retries_and_retention_as_settings_and_reads_them_back(name: str) -> None:
    declared = type(JOBS[name])
    settings = settings_of(declared)
    assert set(settings.values()) <= set(declared.all_settings())
    assert all(name.startswith(f"{declared.env}_") for name in (setting.name for setting in settings.values()))
    job = configured(declared, {setting.name: setting.default for setting in settings.values()})
    assert (job.retry, job.schedules(), job.retention) == (declared.retry, declared.schedules(), declared.retention)
    assert manifest.of([job()]) == manifest.of([declared()])


@pytest.mark.parametrize("name", [name for name, job in JOBS.items() if not job.queue])
def test_every_ticked_job_can_be_fired_at_other_times_and_switched_off(name: str) -> None:
    env = JOBS[name].env
    moved = registry.jobs({f"{env}_SCHEDULE": "11 * * * *", f"{env}_RETRY": "linear 3s, 3 attempts"})[name]
    entry = manifest.of([moved])[name]
    assert (entry["schedules"], entry["kind"], entry["delays"]) == (["11 * * * *"], "linear", [3, 6])
    assert registry.jobs({f"{env}_SCHEDULE": "off"})[name].schedules() == ()


def test_a_run_is_retried_and_kept_as_the_environment_says(cloud: Cloud, log: Lines) -> None:
    job = configured(Sweep, {"SWEEP_RETRY": "fixed 100s, 2 attempts", "SWEEP_RETENTION": "critical"})()
    assert run(job, Firing("sweep", NOON), cloud, log).outcome == "failed"
    assert [body["firing"]["attempt"] for body in waiting(cloud)] == [2]
    assert 100 <= log.said("retry_scheduled")[0]["delay"] <= 110
    assert run(job, Firing("sweep", NOON, attempt=2), cloud, log).outcome == "failed"
    assert waiting(cloud) == [], "two attempts are all"
    rows = cloud.dynamodb.scan(TableName=cloud.names.table("state"))["Items"]
    expires = {int(row["expires"]["N"]) for row in rows if row["pk"]["S"].startswith("runs#")}
    assert all(0 <= at - (NOON + timedelta(days=30) + RESERVE).timestamp() <= 2 for at in expires)
