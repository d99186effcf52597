"""If enabled, unverified destinations are deleted after 30 days, with notice to their owner."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from functions.accounts.unverified_destination_expiry import UnverifiedDestinationExpiry
from shared import clock as clocks
from shared.aws.cloud import Cloud
from shared.product.records.accounts import Alias, Destination
from shared.tables import DESTINATIONS
from tests.conftest import NOON, VirtualClock
from tests.support.purging import SECOND, Killed, deliver, go, notifications, put, there

JOB = UnverifiedDestinationExpiry()
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _wanted(cloud: Cloud) -> None:
    cloud.environment = {"UNVERIFIED_DESTINATION_EXPIRY_ENABLE": "true"}


def destination(id_: str, age: timedelta, **rest: Any) -> Destination:
    return Destination(user="u1", id=id_, address="anna@example.com", created_at=NOON - age, **rest)


def test_it_is_off_until_it_is_wanted(cloud: Cloud) -> None:
    cloud.environment = {}
    put(cloud, destination("d", 90 * DAY))
    assert go(JOB, cloud).outcome == "disabled"


def test_the_owner_is_told_at_23_days_and_it_goes_a_week_later(cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, destination("d", 23 * DAY), destination("young", 23 * DAY - SECOND))
    put(cloud, destination("verified", 90 * DAY, verified_at=NOON - 80 * DAY))
    assert go(JOB, cloud, NOON).counts == {"purged": 0, "warned": 1}
    assert go(JOB, cloud, NOON).outcome == "deduplicated"
    deliver(cloud)
    [notice] = notifications(cloud)
    assert (notice.template, notice.about) == ("destination_removed_soon", "destinations/d")
    assert notice.data == {"address": "anna@example.com", "added_on": "2026-02-07"}
    clock.move(days=7, seconds=-1)
    assert go(JOB, cloud).counts == {"purged": 0, "warned": 1}
    clock.move(seconds=1)
    assert go(JOB, cloud).counts == {"purged": 1}
    assert there(cloud, DESTINATIONS) == ["verified", "young"]


def test_a_destination_added_again_under_its_id_is_warned_of_again(cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, destination("d", 23 * DAY))
    go(JOB, cloud)
    deliver(cloud)
    # Removed by its owner, and added again ten days later.
    clock.move(days=10)
    put(cloud, destination("d", timedelta(0)).model_copy(update={"created_at": clock.now()}))
    clock.move(days=23)
    assert go(JOB, cloud).counts == {"purged": 0, "warned": 1}
    assert [notice.data["added_on"] for notice in sorted(notifications(cloud), key=lambda each: each.created_at)] == [
        "2026-02-07",
        "2026-03-12",
    ]
    deliver(cloud)
    clock.move(days=7, seconds=-1)
    assert go(JOB, cloud).counts["purged"] == 0
    clock.move(seconds=1)
    assert go(JOB, cloud).counts["purged"] == 1


def test_one_that_is_verified_after_the_notice_stays(cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, destination("d", 40 * DAY))
    go(JOB, cloud)
    deliver(cloud)
    clock.move(days=7)
    put(cloud, destination("d", 40 * DAY, verified_at=clock.now()))
    assert go(JOB, cloud).counts == {"purged": 0}


def test_one_that_an_alias_forwards_to_stays_and_its_owner_is_not_told(cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, destination("d", 40 * DAY), Alias(user="u1", id="a@b.c", destination="d", created_at=NOON))
    assert go(JOB, cloud).counts == {"purged": 0, "spared": 1}
    assert notifications(cloud) == []


def test_a_crash_in_the_middle_is_made_good(cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(**_: Any) -> Any:
        raise Killed

    put(cloud, destination("d", 40 * DAY))
    go(JOB, cloud)
    deliver(cloud)
    clock.move(days=7)
    with monkeypatch.context() as patched:
        patched.setattr(cloud.bulk, "delete_item", die)
        with pytest.raises(Killed):
            go(JOB, cloud)
    clock.move(days=1)
    assert go(JOB, cloud).counts == {"purged": 1}
    assert [clocks.iso(notice.created_at) for notice in notifications(cloud)] == [clocks.iso(NOON)]
