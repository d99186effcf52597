"""Held messages are deleted after 30 days, a day or more after the warning to their owner."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.mail.overflow_hold_expiry import OverflowHoldExpiry
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.product.records.accounts import User
from shared.product.records.mail import Hold
from shared.product.records.outgoing import SendState
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.tables import HOLDS
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.purging import SECOND, Killed, deliver, go, item, notifications, objects, put, there

JOB = OverflowHoldExpiry()
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def hold(id_: str, age: timedelta) -> Hold:
    return Hold(user="u1", id=id_, alias="shop@example.com", raw=f"mail/u1/{id_}", held_at=NOON - age)


def test_the_owner_is_warned_at_29_days_and_the_message_goes_a_day_later(cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, hold("h", 29 * DAY), hold("young", 29 * DAY - SECOND))
    assert go(JOB, cloud).counts == {"purged": 0, "warned": 1}
    [warning] = notifications(cloud)
    assert (warning.user, warning.id, warning.about) == (
        "u1",
        "overflow-hold-expiry-h-2026-02-01T12:00:00.000Z",
        "holds/h",
    )
    assert (warning.template, warning.persona) == ("hold_purged_tomorrow", "postmaster")
    facts = {"sender": "unknown", "subject": "x"}
    assert warning.data == {"alias": "shop@example.com", "held_on": "2026-02-01", **facts}
    deliver(cloud)
    clock.move(days=1, seconds=-1)
    assert go(JOB, cloud).counts == {"purged": 0, "warned": 1}
    assert there(cloud, HOLDS) == ["h", "young"]
    clock.move(seconds=1)
    assert go(JOB, cloud).counts == {"purged": 1}
    assert (there(cloud, HOLDS), objects(cloud)) == (["young"], ["mail/u1/young"])


@pytest.mark.parametrize(
    ("code", "status", "sender"), [("SlowDown", 503, "a@b.example"), ("AccessDenied", 403, "unknown")]
)
def test_a_warning_waits_for_the_message_that_cannot_be_read_now(
    code: str, status: int, sender: str, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: Any) -> Any:
        about: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(about, "GetObject")

    put(cloud, hold("h", 29 * DAY))
    cloud.s3.put_object(Bucket=cloud.names.bucket, Key="mail/u1/h", Body=b"From: a@b.example\r\nSubject: x\r\n\r\n")
    with monkeypatch.context() as patched:
        patched.setattr(cloud.s3, "get_object", refused)
        go(JOB, cloud)
    clock.move(hours=1)
    go(JOB, cloud)
    [warning] = notifications(cloud)
    assert warning.data["sender"] == sender


def test_a_message_held_again_under_its_id_is_warned_of_again(cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, hold("h", 29 * DAY))
    go(JOB, cloud)
    deliver(cloud)
    clock.move(days=10)
    # Released meanwhile, and held again.
    put(cloud, hold("h", 29 * DAY - 10 * DAY))
    clock.move(days=10)
    assert go(JOB, cloud).counts == {"purged": 0, "warned": 1}
    assert len(notifications(cloud)) == 2
    clock.move(hours=23)
    assert go(JOB, cloud).counts == {"purged": 0}


def test_one_that_is_long_overdue_is_warned_of_first_all_the_same(cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, hold("h", 300 * DAY))
    assert go(JOB, cloud).counts == {"purged": 0, "warned": 1}
    deliver(cloud)
    for _ in range(23):
        clock.move(hours=1)
        assert go(JOB, cloud).counts == {"purged": 0}
    clock.move(hours=1)
    assert go(JOB, cloud).counts == {"purged": 1}


def test_jitter_does_not_cost_an_hour(cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, hold("h", 29 * DAY))
    clock.move(minutes=4)
    go(JOB, cloud, NOON)
    deliver(cloud)
    clock.move(days=1, minutes=-4)
    assert go(JOB, cloud, NOON + DAY).counts == {"purged": 1}


def test_the_same_tick_and_the_next_warn_nobody_twice(cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, hold("h", 29 * DAY))
    go(JOB, cloud, NOON)
    assert go(JOB, cloud, NOON).outcome == "deduplicated"
    clock.move(hours=1)
    assert go(JOB, cloud).counts == {"purged": 0}
    assert len(notifications(cloud)) == 1


@pytest.mark.parametrize("after", [-1, 0, 1])
def test_a_warning_that_waited_for_the_relay_counts_from_when_it_was_sent(
    after: int, cloud: Cloud, clock: VirtualClock
) -> None:
    put(cloud, hold("h", 29 * DAY))
    go(JOB, cloud)
    clock.move(days=2)
    assert go(JOB, cloud).counts == {"purged": 0, "spared": 1}
    deliver(cloud)
    # Ages count from the tick's time: five minutes do not matter.
    clock.move(days=1, minutes=-5, seconds=after)
    assert go(JOB, cloud).counts == ({"purged": 0, "spared": 1} if after < 0 else {"purged": 1})


def user(**rest: Any) -> User:
    return User.model_validate({"user": "u1", "id": "-", "email": "u1@home.example", "created_at": NOON, **rest})


def refuse(cloud: Cloud) -> None:
    """The relay refuses the address of each warning."""
    for warning in notifications(cloud):
        failed = {"state": SendState.FAILED, "failed_at": NOON, "next_attempt_at": None}
        put(cloud, warning.model_copy(update=failed))


def forget(cloud: Cloud) -> None:
    """Delete the warnings, as notification-expiry does after 90 days."""
    for warning in notifications(cloud):
        key = {"pk": {"S": "u1"}, "sk": {"S": warning.id}}
        cloud.dynamodb.delete_item(TableName=cloud.names.table("notifications"), Key=key)


def test_a_warning_that_could_not_be_sent_has_warned_nobody(cloud: Cloud, clock: VirtualClock) -> None:
    """It is sent again once its row is gone: nothing is deleted without a warning."""
    put(cloud, hold("h", 29 * DAY), user())
    go(JOB, cloud)
    for _ in range(2):
        refuse(cloud)
        clock.move(days=60)
        assert go(JOB, cloud).counts == {"purged": 0, "spared": 1}
        forget(cloud)
        clock.move(hours=1)
        assert go(JOB, cloud).counts == {"purged": 0, "spared": 1}
        assert len(notifications(cloud)) == 1
    deliver(cloud)
    clock.move(days=1)
    assert go(JOB, cloud).counts == {"purged": 1}


def test_a_dry_run_sends_no_warning_again(cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    put(cloud, hold("h", 29 * DAY), user())
    go(JOB, cloud)
    forget(cloud)
    clock.move(days=1)
    JOB.plan(RunContext(JOB, Firing(JOB.name, clock.now()), cloud, "r", clock.now(), log, dry=True))
    assert notifications(cloud) == []


def test_an_operator_decides_how_long_a_row_is_kept_whose_owner_cannot_be_warned(
    cloud: Cloud, clock: VirtualClock
) -> None:
    cloud.environment = {"OVERFLOW_HOLD_EXPIRY_UNWARNED_KEEP": "60d"}
    put(cloud, hold("h", 29 * DAY), user())
    go(JOB, cloud)
    refuse(cloud)
    clock.move(days=60, seconds=-1)
    assert go(JOB, cloud).counts == {"purged": 0, "spared": 1}
    clock.move(seconds=1)
    assert go(JOB, cloud).counts == {"purged": 1}


@pytest.mark.parametrize("closed", [-3 * DAY, HOUR], ids=["before the warning", "after it"])
def test_the_mail_of_a_closed_account_is_deleted_on_time(closed: timedelta, cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, hold("h", 29 * DAY), user())
    if closed < timedelta(0):
        put(cloud, user(deleted_at=NOON + closed))
    go(JOB, cloud)
    assert len(notifications(cloud)) == (closed > timedelta(0))
    put(cloud, user(deleted_at=NOON + closed))
    refuse(cloud)
    clock.move(days=1)
    assert go(JOB, cloud).counts == {"purged": 1}


def test_the_mail_of_a_user_who_is_gone_is_deleted_on_time(cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, hold("h", 29 * DAY))
    go(JOB, cloud)
    refuse(cloud)
    clock.move(days=1)
    assert go(JOB, cloud).counts == {"purged": 1}


@pytest.mark.parametrize("step", ["notify", "confirm", "mark"])
def test_what_breaks_off_while_warning_warns_once_and_purges_nothing_early(
    step: str, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cloud, hold("h", 29 * DAY))
    update, write = cloud.dynamodb.update_item, cloud.dynamodb.put_item

    def put_item(**asked: Any) -> Any:
        found = write(**asked)
        if (asked["TableName"][-13:], step) == ("notifications", "notify"):
            raise OSError("the reply is lost")
        if asked["Item"]["pk"]["S"].startswith("effect#") and "done" in asked["Item"] and step == "confirm":
            raise OSError("the reply is lost")
        return found

    def update_item(**asked: Any) -> Any:
        table, key = asked["TableName"], asked["Key"]["pk"]["S"]
        if (step == "confirm" and key.startswith("effect#")) or (step == "mark" and table.endswith("holds")):
            raise OSError("never sent")
        return update(**asked)

    with monkeypatch.context() as patched:
        patched.setattr(cloud.dynamodb, "put_item", put_item)
        patched.setattr(cloud.dynamodb, "update_item", update_item)
        assert go(JOB, cloud).counts == {"purged": 0, "unwarned": 1}
    clock.move(hours=1)
    assert go(JOB, cloud).counts == {"purged": 0, "warned": 1}
    assert len(notifications(cloud)) == 1
    deliver(cloud)
    clock.move(hours=23)
    assert go(JOB, cloud).counts == {"purged": 0}
    clock.move(hours=1)
    assert go(JOB, cloud).counts == {"purged": 1}


def test_a_crash_while_purging_leaves_the_row_until_its_message_is_gone(
    cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(**_: Any) -> Any:
        raise Killed

    put(cloud, hold("h", 29 * DAY))
    go(JOB, cloud)
    deliver(cloud)
    clock.move(days=1)
    with monkeypatch.context() as patched:
        patched.setattr(cloud.bulk, "delete_item", die)
        with pytest.raises(Killed):
            go(JOB, cloud)
    assert (there(cloud, HOLDS), objects(cloud)) == (["h"], [])
    assert item(cloud, hold("h", 29 * DAY))["going"] is True
    clock.move(hours=1)
    assert go(JOB, cloud).counts == {"purged": 1}


def test_a_hold_that_is_released_after_the_warning_keeps_its_message(cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, hold("h", 29 * DAY))
    go(JOB, cloud)
    deliver(cloud)
    # docs/reference/records.md: a release deletes the row, unless it is being purged, and then owns the object.
    key = {"pk": {"S": "u1"}, "sk": {"S": "h"}}
    condition = "attribute_exists(pk) AND attribute_not_exists(going)"
    cloud.dynamodb.delete_item(TableName=cloud.names.table("holds"), Key=key, ConditionExpression=condition)
    clock.move(days=1)
    assert go(JOB, cloud).counts == {"purged": 0}
    assert objects(cloud) == ["mail/u1/h"]


def test_a_row_that_changes_while_its_owner_is_warned_is_not_taken_for_warned(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cloud, hold("h", 29 * DAY))
    write, young = cloud.dynamodb.put_item, hold("h", timedelta(0))

    def put_item(**asked: Any) -> Any:
        if asked["TableName"].endswith("notifications"):
            write(TableName=cloud.names.table("holds"), Item=attributes.row(young.item()))
        return write(**asked)

    monkeypatch.setattr(cloud.dynamodb, "put_item", put_item)
    assert go(JOB, cloud).counts == {"purged": 0, "moved": 1}
    assert item(cloud, young) == young.item()


def test_an_owner_who_cannot_be_warned_keeps_the_message_and_the_others_are_warned(cloud: Cloud) -> None:
    put(cloud, hold("good", 29 * DAY))
    broken = hold("bad", 40 * DAY).item()
    del broken["alias"]
    cloud.dynamodb.put_item(TableName=cloud.names.table("holds"), Item=attributes.row(broken))
    report = go(JOB, cloud)
    assert report.counts == {"purged": 0, "warned": 1, "unwarned": 1}
    assert report.note == "1 warnings failed; their rows stay until a warning is sent"


def test_a_long_id_has_its_warning_too(cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, hold("x" * 256, 29 * DAY))
    assert go(JOB, cloud).counts == {"purged": 0, "warned": 1}
    clock.move(days=1)
    assert go(JOB, cloud).counts == {"purged": 0, "spared": 1}


def test_it_runs_every_hour_and_warns_a_day_before() -> None:
    assert (str(JOB.schedules()[0]), JOB.warn, JOB.keep) == ("20 * * * *", DAY, 30 * DAY)


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_ticks_are_missed_and_calls_fail_nothing_goes_without_a_warning_of_a_day(
    seed: int, cloud: Cloud, clock: VirtualClock
) -> None:
    random = Random(seed)
    holds = {f"h{number}": hold(f"h{number}", random.uniform(27, 32) * DAY) for number in range(12)}
    put(cloud, *holds.values())
    fails = [0.0]

    def flaky(**_: Any) -> None:
        if random.random() < fails[0]:
            raise OSError("the connection is gone")

    for client in (cloud.dynamodb, cloud.bulk, cloud.s3):
        client.meta.events.register("before-call", flaky)
    gone: dict[str, datetime] = {}
    start = clock.now()
    for hour in range(0, 24 * 6, 3):
        if random.random() < 0.2:
            continue
        at = start + timedelta(hours=hour)
        clock.instant = max(clock.now(), at + timedelta(minutes=random.uniform(0, 9)))
        # Calls fail until the last days; then the remaining rows are deleted.
        fails[0] = random.choice((0, 0, 0.1, 0.4)) if hour < 24 * 4 else 0
        # The run's own calls fail too: then it is interrupted.
        with suppress(OSError):
            go(JOB, cloud, at)
        fails[0] = 0
        if random.random() < 0.6:
            deliver(cloud)
        left = set(there(cloud, HOLDS))
        gone |= {id_: at for id_ in holds if id_ not in left and id_ not in gone}
    sent = {notice.about.removeprefix("holds/"): notice.sent_at for notice in notifications(cloud)}
    old = {id_ for id_, each in holds.items() if each.held_at <= start - 30 * DAY}
    assert old <= gone.keys()
    for id_, at in gone.items():
        assert at >= holds[id_].held_at + 30 * DAY
        # In tick time: a run that begins within minutes of its tick counts as begun at it.
        warned = sent[id_]
        assert warned
        assert at - warned >= DAY - timedelta(minutes=5)
    assert len(notifications(cloud)) == len(sent)
    assert [key.removeprefix("mail/u1/") for key in objects(cloud)] == there(cloud, HOLDS)
