"""After the clock of a local cloud stops for three hours, every tick of every schedule is accounted for.

Real: the engine's tables, queues and rules, the ticker that reads them, events as they are delivered, the whole run of
each job, the reconciler, dispatch. Simulated: Lambda, which calls the jobs in this process: all share one clock.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import pytest

from functions.operations import reconciler
from functions.operations.dispatch import Dispatch
from functions.operations.reconciler import Reconciler
from local import clock as local_clock
from local.engine.embedded import embedded
from local.scheduler.ticker import Ticker
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.names import FIRINGS, Names
from shared.clock import Clock, minute
from shared.job import manifest
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome
from shared.job.schedule import CatchUp, cron
from shared.ledger import daily, expected_since, ledger
from shared.ledger.ledger import TickOutcome
from shared.messages.run_batch import run_batch
from shared.observability.log import Log
from shared.run import firing
from shared.run.context import RunContext
from shared.run.firing import Batch, Firing
from shared.run.run import run
from shared.tables import STATE
from tests.conftest import create

START = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
STOPS, RESUMES, ENDS = (START.replace(minute=30), START.replace(hour=15, minute=29), START.replace(hour=16, minute=39))
SCHEDULES = {"minute": "* * * * *", "hour": "10 * * * *", "day": "0 14 * * *"}


class Sweep(Job, archetype=True):
    """Sweep due rows."""

    timeout = 60
    idempotency = natural("a swept row is not found again")

    def work(self, run: RunContext) -> Outcome:
        return Done()


def declared(name: str, expression: str, policy: CatchUp) -> Job:
    body = {"__doc__": "Sweep.", "__module__": __name__, "name": name, "schedule": cron(expression), "catch_up": policy}
    made: Job = type(name, (Sweep,), body)()
    return made


class OneClock(Clock):
    """The ticker's clock, for the jobs."""

    def __init__(self, virtual: local_clock.VirtualClock) -> None:
        self.virtual = virtual

    def now(self) -> datetime:
        return self.virtual.now()

    def sleep(self, seconds: float) -> None:
        self.virtual.advance(timedelta(seconds=seconds))


class World:
    def __init__(self, jobs: dict[str, Job], account: str) -> None:
        engine = embedded()
        self.jobs, self.account = jobs, account
        self.virtual = local_clock.VirtualClock(START)
        self.cloud = Cloud(Names("test", account, "us-east-1"), OneClock(self.virtual), {})
        self.cloud.__dict__["functions"] = self
        self.log, self.lock = Log(lambda _: None, self.cloud.clock), threading.Lock()
        self.events = engine.client("events", account)
        self.ticker = Ticker(
            lambda service: self if service == "lambda" else engine.client(service, account), self.virtual
        )
        create(self.cloud, STATE)
        self.cloud.sqs.create_queue(QueueName=self.cloud.names.queue(FIRINGS))
        for job in jobs.values():
            for number, expression in enumerate(form for each in job.schedules() for form in each.eventbridge()):
                self.rule(f"{self.cloud.names.of(job.name)}-{number}", job.name, expression)

    def rule(self, name: str, job: str, expression: str) -> None:
        arn = self.cloud.names.arn("lambda", f"function:{self.cloud.names.function(job)}")
        self.events.put_rule(Name=name, ScheduleExpression=expression, State="ENABLED")
        self.events.put_targets(Rule=name, Targets=[{"Id": "function", "Arn": arn}])

    def invoke(self, FunctionName: str, InvocationType: str, Payload: str) -> None:  # noqa: N803 - boto's names
        """Invoke the job with the event, as Lambda does."""
        assert InvocationType == "Event"
        name = FunctionName.rpartition(":")[2].removeprefix(self.cloud.names.function(""))
        fired = firing.parse(name, json.loads(Payload), self.cloud.clock.now())
        assert isinstance(fired, Firing)
        report = run(self.jobs[name], fired, self.cloud, self.log)
        assert report.outcome == "done", report.note

    def dispatch(self) -> int:
        """Deliver messages of `firings` to dispatch, as a mapping does; their number."""
        url = self.cloud.names.queue_url(FIRINGS)
        got = self.cloud.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2, MessageSystemAttributeNames=["All"]
        ).get("Messages", [])
        records = tuple(
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "eventSourceARN": self.cloud.names.arn("sqs", self.cloud.names.queue(FIRINGS)),
            }
            for message in got
        )
        assert run_batch(Dispatch(), Batch("dispatch", records), self.cloud, self.log, 60) == []
        for message in got:
            self.cloud.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(got)

    def ledger(self, job: str) -> dict[datetime, TickOutcome]:
        found = daily.read(self.cloud, job, manifest.load()[job], START, ENDS - ledger.SETTLING_TIME)
        return {tick: account.outcome for tick, account in found.items()}

    def items(self, pk: str) -> list[dict[str, Any]]:
        answer = self.cloud.dynamodb.query(
            TableName=self.cloud.names.table("state"),
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=attributes.row({":pk": pk}),
        )
        return [attributes.plain(item) for item in answer["Items"]]

    def forget(self) -> None:
        """Expire the rows of all runs."""
        for job in self.jobs:
            for row in self.items(f"runs#{job}#{START:%Y-%m-%d}"):
                key = attributes.row({"pk": row["pk"], "sk": row["sk"]})
                self.cloud.dynamodb.delete_item(TableName=self.cloud.names.table("state"), Key=key)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    jobs: dict[str, Job] = {"reconciler": Reconciler()}
    for policy in CatchUp:
        jobs |= {f"{name}-{policy}": declared(f"{name}-{policy}", text, policy) for name, text in SCHEDULES.items()}
    entries = manifest.of([*jobs.values(), Dispatch()])
    monkeypatch.setattr(manifest, "load", lambda: entries)
    # The engine's queue delays by the real clock.
    monkeypatch.setattr(reconciler, "SPACING", 1)
    engine = embedded()
    account = engine.account()
    for name, value in {
        "AWS_ENDPOINT_URL": engine.endpoint,
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_SESSION_TOKEN": engine.token,
        "AWS_CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    made = World(jobs, account)
    # As in the first pass after a deployment: ticks count from the first one after START.
    made.virtual.advance(timedelta(seconds=30) - expected_since.ROLLOUT)
    expected_since.refresh(made.cloud, {name: entry for name, entry in entries.items() if entry["queue"] is None})
    made.virtual.advance(expected_since.ROLLOUT - timedelta(seconds=30))
    yield made
    made.ticker.stop()


def test_after_three_hours_without_a_clock_every_tick_is_accounted_for(world: World) -> None:
    world.ticker.advance(STOPS)
    world.virtual.advance(RESUMES - STOPS)
    world.ticker.advance(RESUMES + timedelta(minutes=5))
    # The hourly and the daily job are run for the newest tick that they missed; the others' next tick has come.
    assert world.dispatch() + world.dispatch() == 2
    world.ticker.advance(ENDS)
    assert world.dispatch() == 0

    told = {job: world.ledger(job) for job in world.jobs}
    for job, verdicts in told.items():
        assert list(verdicts) == ledger.expected_ticks(manifest.load()[job], START, ENDS - ledger.SETTLING_TIME)

    def counted(job: str) -> dict[str, int]:
        return dict(Counter(map(str, told[job].values())))

    for policy in CatchUp:
        # 12:01 to 12:30 ran, 12:31 to 15:29 were missed, 15:30 to 16:34 ran.
        assert counted(f"minute-{policy}") == {"ran": 30 + 65, "missed": 179}
    assert counted("hour-none") == {"ran": 2, "missed": 3}
    assert counted("hour-once") == {"ran": 2, "missed": 2, "late": 1}
    assert counted("day-none") == {"missed": 1}
    assert counted("day-once") == {"late": 1}
    assert set(told["reconciler"].values()) == {TickOutcome.RAN, TickOutcome.MISSED}

    # Each gap has one row.
    for job in world.jobs:
        [gap] = [row for row in world.items(f"runs#{job}#2026-03-02") if row["outcome"] == "missed"]
        ran = {tick for tick, verdict in told[job].items() if verdict is TickOutcome.RAN}
        [ticks] = [[*gone] for came, gone in groupby(told[job], ran.__contains__) if not came]
        assert (gap["from"], gap["to"], gap["count"]) == (minute(ticks[0]), minute(ticks[-1]), len(ticks))

    # The ledger is complete after the rows have expired.
    world.forget()
    until = ENDS.replace(minute=0, second=0)
    for job, verdicts in told.items():
        known = daily.DailyLedger(world.cloud, job).read(START, ENDS)
        assert {tick: known[tick].outcome for tick in verdicts if tick < until} == {
            tick: verdict for tick, verdict in verdicts.items() if tick < until
        }
