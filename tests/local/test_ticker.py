"""Deliveries of EventBridge and EventBridge Scheduler."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.clock import RealClock, VirtualClock
from local.scheduler.delivery import UnknownTarget
from local.scheduler.ticker import Ticker
from tests.local.conftest import Account, eventually

NOON = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
POLICY = {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600}


@pytest.fixture
def ticker(account: Account) -> Ticker:
    return Ticker(account.client, VirtualClock(NOON))


def rule(account: Account, expression: str, target: str, name: str = "rule", **settings: Any) -> None:
    account.client("events").put_rule(Name=name, ScheduleExpression=expression)
    account.client("events").put_targets(Rule=name, Targets=[{"Id": "one", "Arn": target, **settings}])


def schedule(account: Account, expression: str, target: str, name: str = "daily", **settings: Any) -> None:
    details: dict[str, Any] = {
        key: settings.pop(key) for key in ("Input", "RetryPolicy", "DeadLetterConfig") if key in settings
    }
    account.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression=expression,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": target, "RoleArn": f"arn:aws:iam::{account.id}:role/fires", **details},
        **settings,
    )


def drained(account: Account, queue: str) -> list[Any]:
    return [json.loads(account.receive(queue)["Body"]) for _ in range(account.waiting(queue))]


def test_a_rule_delivers_eventbridges_event(account: Account, ticker: Ticker) -> None:
    queue = account.queue("ticks")
    rule(account, "cron(1 12 * * ? *)", queue)
    ticker.advance(NOON + timedelta(minutes=5))
    (event,) = drained(account, queue)
    assert uuid.UUID(event.pop("id")).version == 4
    assert event == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": account.id,
        "time": "2026-03-02T12:01:00Z",
        "region": "us-east-1",
        "resources": [account.arn("events", "rule/rule")],
        "detail": {},
    }


def test_what_is_due_fires_in_order(account: Account, ticker: Ticker) -> None:
    queue = account.queue("ticks")
    rule(account, "rate(20 minutes)", queue, "often")
    rule(account, "cron(30 12,13 * * ? *)", queue, "twice")
    ticker.advance(datetime(2026, 3, 2, 13, 30, tzinfo=UTC))
    times = sorted(event["time"][11:16] for event in drained(account, queue))
    assert times == ["12:20", "12:30", "12:40", "13:00", "13:20", "13:30"]


def test_a_failing_function_goes_through_its_destination(account: Account, ticker: Ticker) -> None:
    failures = account.queue("failures")
    account.function("def handle(event, context): raise ValueError(event['time'])")
    account.client("lambda").put_function_event_invoke_config(
        FunctionName="job", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": failures}}
    )
    rule(account, "rate(1 minute)", account.arn("lambda", "function:job"))
    ticker.advance(NOON + timedelta(minutes=1))
    record = json.loads(account.receive(failures)["Body"])
    assert record["requestPayload"]["time"] == record["responsePayload"]["errorMessage"] == "2026-03-02T12:01:00Z"


def test_a_disabled_rule_does_not_fire(account: Account, ticker: Ticker) -> None:
    queue = account.queue("ticks")
    rule(account, "rate(1 minute)", queue)
    account.client("events").disable_rule(Name="rule")
    ticker.advance(NOON + timedelta(minutes=3))
    assert account.waiting(queue) == 0
    with pytest.raises(ValueError, match="disabled"):
        ticker.fire("rule")


def test_a_constant_input_is_delivered_instead(account: Account, ticker: Ticker) -> None:
    queue = account.queue("ticks")
    rule(account, "rate(1 minute)", queue, Input='{"why": "constant"}')
    ticker.advance(NOON + timedelta(minutes=1))
    assert drained(account, queue) == [{"why": "constant"}]


def test_an_input_transformer_is_refused_when_read(account: Account, ticker: Ticker) -> None:
    rule(account, "rate(1 minute)", account.queue("ticks"), InputPath="$.time")
    with pytest.raises(UnknownTarget):
        ticker.sources()


def test_a_rule_can_be_fired_at_once(account: Account, ticker: Ticker) -> None:
    queue = account.queue("ticks")
    rule(account, "cron(0 0 1 1 ? *)", queue)
    assert ticker.fire("rule", NOON)
    assert drained(account, queue)[0]["time"] == "2026-03-02T12:00:00Z"
    with pytest.raises(KeyError, match="no rule or schedule 'other' is deployed; deployed are: rule"):
        ticker.fire("other")


def test_a_missing_target_is_dead_lettered_at_once(account: Account, ticker: Ticker) -> None:
    dead = account.queue("dead")
    gone = account.arn("lambda", "function:gone")
    rule(account, "rate(1 minute)", gone, RetryPolicy=POLICY, DeadLetterConfig={"Arn": dead})
    assert not ticker.fire("rule", NOON)
    message = account.receive(dead)
    said = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert said.pop("ERROR_MESSAGE").startswith("An error occurred (ResourceNotFoundException)")
    assert said == {
        "RULE_ARN": account.arn("events", "rule/rule"),
        "TARGET_ARN": gone,
        "ERROR_CODE": "NO_RESOURCE",
        "RETRY_ATTEMPTS": "0",
    }
    assert json.loads(message["Body"])["source"] == "aws.events"


def test_a_throttling_target_is_retried_by_its_policy(account: Account) -> None:
    dead = account.queue("dead")
    account.function("def handle(event, context): pass")
    rule(
        account,
        "rate(1 minute)",
        account.arn("lambda", "function:job"),
        RetryPolicy=POLICY,
        DeadLetterConfig={"Arn": dead},
    )
    tries: list[str] = []
    clock = VirtualClock(NOON)
    assert not Ticker(refusing(account, tries), clock).fire("rule", NOON)
    assert tries == ["invoke"] * 3
    assert (clock.now() - NOON).total_seconds() == 1 + 2
    said = account.receive(dead)["MessageAttributes"]
    assert said["EXHAUSTED_RETRY_CONDITION"]["StringValue"] == "MaximumRetryAttempts"
    assert said["RETRY_ATTEMPTS"]["StringValue"] == "2"
    assert said["ERROR_CODE"]["StringValue"] == "THROTTLING"


def refusing(account: Account, tries: list[str]) -> Callable[[str], Any]:
    """Clients whose `invoke` throttles."""
    from botocore.exceptions import ClientError

    class Throttling:
        def invoke(self, **_: Any) -> None:
            tries.append("invoke")
            raise ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke")

    return lambda service: Throttling() if service == "lambda" else account.client(service)


def test_a_schedule_fires_in_its_time_zone(account: Account, ticker: Ticker) -> None:
    queue = account.queue("ticks")
    schedule(account, "cron(0 9 * * ? *)", queue, ScheduleExpressionTimezone="Asia/Tokyo")
    ticker.advance(NOON + timedelta(days=1))
    assert [event["time"] for event in drained(account, queue)] == ["2026-03-03T00:00:00Z"]


def test_placeholders_of_a_schedules_input_are_replaced(account: Account, ticker: Ticker) -> None:
    queue = account.queue("ticks")
    names = ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")
    asked = json.dumps({name: f"<aws.scheduler.{name}>" for name in names})
    schedule(account, "cron(1 12 * * ? *)", queue, Input=asked)
    ticker.advance(NOON + timedelta(minutes=2))
    (event,) = drained(account, queue)
    assert uuid.UUID(event.pop("execution-id")).version == 4
    assert event == {
        "schedule-arn": account.arn("scheduler", "schedule/default/daily"),
        "scheduled-time": "2026-03-02T12:01:00Z",
        "attempt-number": "1",
    }


def test_a_schedule_without_input_delivers_schedulers_event(account: Account, ticker: Ticker) -> None:
    queue = account.queue("ticks")
    schedule(account, "rate(1 minute)", queue)
    ticker.advance(NOON + timedelta(minutes=1))
    (event,) = drained(account, queue)
    assert (event["source"], event["detail"]) == ("aws.scheduler", "{}")


def test_a_schedule_fires_between_its_dates_only(account: Account, ticker: Ticker) -> None:
    queue = account.queue("ticks")
    start, end = datetime(2026, 3, 2, 12, 2, tzinfo=UTC), datetime(2026, 3, 2, 12, 4, tzinfo=UTC)
    schedule(account, "rate(1 minute)", queue, StartDate=start, EndDate=end)
    ticker.advance(NOON + timedelta(minutes=9))
    assert sorted(event["time"][14:16] for event in drained(account, queue)) == ["02", "03", "04"]


class Shifted(RealClock):
    """The machine's clock, shifted so that a minute begins in `seconds`."""

    def __init__(self, seconds: float) -> None:
        now = datetime.now(UTC)
        begins = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        self.shift = begins - timedelta(seconds=seconds) - now

    def now(self) -> datetime:
        return super().now() + self.shift


def test_a_rule_fires_on_the_minute(account: Account) -> None:
    queue = account.queue("ticks")
    rule(account, "rate(1 minute)", queue)
    clock = Shifted(1.5)
    ticker = Ticker(account.client, clock)
    thread = threading.Thread(target=ticker.run)
    thread.start()
    arrived = eventually(lambda: clock.now() if account.waiting(queue) else None)
    ticker.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert arrived
    assert arrived.isoformat()[:16] == drained(account, queue)[0]["time"][:16]
    # Includes the delivery and the polling of this test.
    assert arrived.second + arrived.microsecond / 1e6 < 0.3


def test_the_engines_own_tickers_are_off(engine: Any) -> None:
    names = {thread.name for thread in threading.enumerate()}
    assert engine.endpoint
    assert not {"eb-scheduler", "evb-scheduler-ticker"} & names
