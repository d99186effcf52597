"""Expired aliases are deactivated, with one audit entry each."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest

from functions.accounts.alias_expiration import AliasExpiration
from shared.aws.cloud import Cloud
from shared.product.records.accounts import Alias
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.receiver import Death, Mortal, Receiver
from tests.support.sweeping import all_of, go, item, put

SECOND = timedelta(seconds=1)


def alias(name: str = "a", expires: timedelta | None = -SECOND) -> Alias:
    at = None if expires is None else NOON + expires
    return Alias(user="u", id=f"{name}@in.example", destination="d", created_at=NOON - timedelta(days=9), expires_at=at)


@pytest.mark.parametrize(("expires", "active"), [(-1, False), (0, True), (1, True)])
def test_it_goes_once_its_instant_has_passed(
    expires: int, active: bool, cloud: Cloud, clock: VirtualClock, log: Lines
) -> None:
    put(cloud, alias(expires=expires * SECOND))
    # The tick's time counts, even if the run begins late.
    clock.move(seconds=30)
    go(AliasExpiration(), cloud, log)
    assert item(cloud, alias())["active"] is active


def test_its_entry_is_written_with_it_and_once(cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    put(cloud, alias("a"), alias("b"), alias("forever", None))
    clock.move(seconds=5)
    assert go(AliasExpiration(), cloud, log).counts == {"settled": 2}
    clock.move(days=1)
    assert go(AliasExpiration(), cloud, log).counts == {"due": 0}
    entries = all_of(cloud, "audit")
    assert sorted(each["subject"] for each in entries) == ["a@in.example", "b@in.example"]
    assert {(each["action"], each["actor"]) for each in entries} == {("alias.deactivated", "alias-expiration")}
    assert {each["at"] for each in entries} == {"2026-03-02T11:59:59.000Z"}
    gone = item(cloud, alias("a"))
    assert gone["deactivated_at"] == "2026-03-02T12:00:05.000Z"
    assert "due" not in gone
    assert log.said("alias-expiration_complete")[0]["result"] == {"settled": 2}


def test_an_alias_that_is_given_new_life_meanwhile_is_left_alone(
    cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cloud, alias())
    job = AliasExpiration()
    attempt = job.attempt

    def prolonged(trial: object) -> object:
        put(cloud, alias(expires=timedelta(days=30)))
        return attempt(trial)  # type: ignore[arg-type]

    monkeypatch.setattr(job, "attempt", prolonged)
    assert go(job, cloud, log).counts == {"moved": 1}
    assert item(cloud, alias())["active"]
    assert all_of(cloud, "audit") == []


def test_a_crash_after_any_write_leaves_each_alias_with_one_entry(
    cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each case has rows of its own, an hour later."""
    # The run waits no longer than this for a thread that has crashed.
    monkeypatch.setattr(AliasExpiration, "patience", 0.3)
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    mortal, time = Mortal(cloud, Receiver(), reads=False), cloud.clock
    assert isinstance(time, VirtualClock)
    last, died = 0, True
    while died:
        last += 1
        mortal.until(0)
        put(cloud, alias(f"a{last}"), alias(f"b{last}"))
        mortal.until(last)
        with suppress(Death):
            go(AliasExpiration(), cloud, log)
        died = mortal.dead
        mortal.until(0)
        time.move(minutes=30)
        go(AliasExpiration(), cloud, log)
        time.move(minutes=30)
        assert [item(cloud, alias(f"{name}{last}"))["active"] for name in "ab"] == [False, False], last
    assert last > 4
    subjects = [each["subject"].partition("@")[0] for each in all_of(cloud, "audit")]
    assert sorted(subjects) == sorted(f"{name}{number}" for number in range(1, last + 1) for name in "ab")


def test_an_alias_of_a_user_that_is_gone_goes_like_any_other(cloud: Cloud, log: Lines) -> None:
    put(cloud, alias("good"))
    put(cloud, alias("bad"), created_at="2027-01-01T00:00:00.000Z")
    assert go(AliasExpiration(), cloud, log).counts == {"settled": 1, "faulty": 1}
    assert item(cloud, alias("bad"))["fault"].startswith("created_at: lies in the future")
