"""Each threshold is notified once per cycle; sliding ones only while usage is ahead of time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.mail.usage_threshold_check import UsageThresholdCheck, crossed
from shared.aws.cloud import Cloud
from shared.product.records.accounts import User
from shared.product.records.mail import Cycle
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from shared.tables import AUDIT, CYCLES, NOTIFICATIONS
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.receiver import Death, Mortal, Receiver
from tests.support.stored_rows import one, put, there

Go = Callable[..., RunReport]
# A cycle of 100 days, so that a day is one percent.
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def go(cloud: Cloud, clock: VirtualClock, log: Lines) -> Go:
    put(cloud, ada())

    def go() -> RunReport:
        clock.move(minutes=1)
        return run(UsageThresholdCheck(), Firing("usage-threshold-check", clock.now()), cloud, log)

    return go


def ada(**rest: Any) -> User:
    return User(user="ada", email="ada@example.com", created_at=BEGAN, **rest)


def cycle(percent: float, moved: datetime = NOON, **rest: Any) -> Cycle:
    ends = BEGAN + timedelta(days=100)
    used = round(percent * 10)
    named = {"user": "ada", "id": "2026-01-01", "starts_at": BEGAN, "ends_at": ends, "quota": 1000, **rest}
    return Cycle(bytes_used=used, moved_at=moved, **named)


def told(cloud: Cloud) -> list[int]:
    """Thresholds that were sent by e-mail."""
    return sorted(row["data"]["percent"] for row in there(cloud, NOTIFICATIONS) if row["state"] == "queued")


def shown(cloud: Cloud) -> list[int]:
    return sorted(row["data"]["percent"] for row in there(cloud, NOTIFICATIONS) if row["state"] == "shown")


def events(cloud: Cloud) -> list[int]:
    return sorted(row["data"]["percent"] for row in there(cloud, AUDIT))


@pytest.mark.parametrize(
    ("percent", "day", "fires"),
    [
        (59.9, 0, []),
        (60, 0, [60]),
        (79.9, 0, [60, 70]),
        (100, 0, [60, 70, 80, 100]),
        (65, 59, [60]),
        (65, 60, []),
        (75, 60, [70]),
        (99.9, 80, []),
        (100, 99, [100]),
        (180, 101, [100]),
    ],
)
def test_a_threshold_is_told_of_while_less_of_the_cycle_has_passed(percent: float, day: int, fires: list[int]) -> None:
    assert crossed(cycle(percent, BEGAN + timedelta(days=day)), sliding=True) == fires


@pytest.mark.parametrize(("shift", "fires"), [(-SECOND, [60]), (timedelta(0), []), (SECOND, [])])
def test_the_instant_at_which_as_much_time_as_quota_has_gone_is_too_late(shift: timedelta, fires: list[int]) -> None:
    at = BEGAN + timedelta(days=60) + shift
    assert crossed(cycle(60, at), sliding=True) == fires
    assert crossed(cycle(60, at), sliding=False) == [60]


def test_each_threshold_is_an_event_once_in_a_cycle(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, cycle(71, datetime(2026, 1, 20, tzinfo=UTC)))
    go()
    assert (events(cloud), told(cloud), shown(cloud)) == ([60, 70], [70], [60])
    row = one(cloud, CYCLES, "ada", "2026-01-01")
    assert row["crossed"] == [60, 70]
    assert not {"due", "due_at", "moved_at"} & set(row)
    assert go().counts == {"due": 0}
    # Usage grows: a threshold that was reported is not reported again.
    put(cloud, Cycle.from_row({**row, "bytes_used": 1001, "moved_at": "2026-02-20T00:00:00.000Z"}))
    go()
    assert (events(cloud), told(cloud), shown(cloud)) == ([60, 70, 80, 100], [70, 100], [60, 80])
    assert one(cloud, CYCLES, "ada", "2026-01-01")["crossed"] == [60, 70, 80, 100]


def test_a_cycle_written_anew_without_its_crossings_repeats_no_event(go: Go, cloud: Cloud) -> None:
    put(cloud, cycle(85, datetime(2026, 1, 20, tzinfo=UTC)))
    go()
    assert (events(cloud), told(cloud), shown(cloud)) == ([60, 70, 80], [80], [60, 70])
    # Written by an importer: without `crossed`, and with another time of the last change.
    put(cloud, cycle(85, datetime(2026, 1, 21, tzinfo=UTC)))
    go()
    assert (events(cloud), told(cloud), shown(cloud)) == ([60, 70, 80], [80], [60, 70])
    assert one(cloud, CYCLES, "ada", "2026-01-01")["crossed"] == [60, 70, 80]
    put(cloud, cycle(100, datetime(2026, 1, 22, tzinfo=UTC)))
    go()
    assert events(cloud) == [60, 70, 80, 100]


def test_another_cycle_begins_anew(go: Go, cloud: Cloud) -> None:
    later = datetime(2026, 2, 1, tzinfo=UTC)
    put(cloud, cycle(100), cycle(100, id="2026-02-01", starts_at=later, ends_at=later + timedelta(days=100)))
    go()
    assert events(cloud) == [60, 70, 70, 80, 80, 100, 100]
    assert told(cloud) == [100, 100]


def test_plain_mode_tells_of_all(go: Go, cloud: Cloud) -> None:
    cloud.environment = {"USAGE_THRESHOLD_CHECK_MODE": "plain"}
    put(cloud, cycle(100, BEGAN + timedelta(days=60)))
    go()
    assert events(cloud) == [60, 70, 80, 100]


def test_who_wants_no_mail_is_shown_all_and_sent_none(go: Go, cloud: Cloud) -> None:
    put(cloud, ada(usage_mail=False), cycle(100))
    go()
    assert (events(cloud), told(cloud), shown(cloud)) == ([70, 80, 100], [], [70, 80, 100])
    # The row is not sent, and expires like any notification.
    rows = there(cloud, NOTIFICATIONS)
    assert {tuple(name in row for name in ("due", "next_attempt_at", "aged")) for row in rows} == {(False, False, True)}


@pytest.mark.parametrize("gone", [True, False])
def test_nobody_is_told_of_an_account_that_is_gone(go: Go, cloud: Cloud, gone: bool) -> None:
    if gone:
        cloud.dynamodb.delete_item(TableName=cloud.names.table("users"), Key={"pk": {"S": "ada"}, "sk": {"S": "-"}})
    else:
        put(cloud, ada(deleted_at=NOON))
    put(cloud, cycle(100))
    go()
    assert (events(cloud), there(cloud, NOTIFICATIONS)) == ([], [])
    assert go().counts == {"due": 0}


def test_a_crash_after_any_call_tells_nobody_twice_and_of_everything(
    cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The run waits no longer than this for a thread that has crashed.
    monkeypatch.setattr(UsageThresholdCheck, "patience", 0.3)
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    mortal, time = Mortal(cloud, Receiver()), cloud.clock
    assert isinstance(time, VirtualClock)
    last, died = 0, True
    while died:
        last, died = last + 1, False
        user = f"user-{last}"
        mortal.until(0)
        put(cloud, User(user=user, email="a@b.example", created_at=BEGAN), cycle(100, user=user))
        mortal.until(last)
        with suppress(Death):
            run(UsageThresholdCheck(), Firing("usage-threshold-check", time.now()), cloud, log)
        died = mortal.dead
        mortal.until(0)
        time.move(minutes=30)
        run(UsageThresholdCheck(), Firing("usage-threshold-check", time.now()), cloud, log)
        time.move(minutes=1)
        found = {row["data"]["percent"]: row["state"] for row in there(cloud, NOTIFICATIONS, user)}
        assert found == {70: "shown", 80: "shown", 100: "queued"}, last
        assert sorted(row["data"]["percent"] for row in there(cloud, AUDIT, user)) == [70, 80, 100], last
    assert last > 8
