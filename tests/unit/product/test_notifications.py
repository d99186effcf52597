"""A notification is created once, however often it is requested."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.product import notifications
from shared.product.records.outgoing import Notification
from shared.store import put_if_absent
from tests.conftest import VirtualClock

GONE = ("u-1", "hold-expiry-h-7", "hold_purged_tomorrow", "postmaster", {"count": 3}, "holds/h-7")


def notify(cloud: Cloud, *fields: Any) -> bool:
    return put_if_absent.put_if_absent(cloud, notifications.notification(cloud, *fields))


def stored(cloud: Cloud) -> list[Notification]:
    items = cloud.dynamodb.scan(TableName=cloud.names.table("notifications"))["Items"]
    return [Notification.from_row(attributes.plain(item)) for item in items]


def test_a_notification_that_is_requested_twice_is_created_once(cloud: Cloud, clock: VirtualClock) -> None:
    assert notify(cloud, *GONE)
    clock.move(minutes=1)
    assert not notify(cloud, *GONE)
    [one] = stored(cloud)
    assert (one.user, one.template, one.data, one.attempts) == ("u-1", "hold_purged_tomorrow", {"count": 3}, 0)
    assert one.waiting() == one.created_at


def test_the_same_id_notifies_each_of_two_users(cloud: Cloud) -> None:
    assert notify(cloud, *GONE)
    assert notify(cloud, "u-2", *GONE[1:])
    assert len(stored(cloud)) == 2


def test_an_invalid_notification_is_refused_before_it_is_written(cloud: Cloud) -> None:
    with pytest.raises(ValidationError):
        notify(cloud, "u-1", "a key with spaces", *GONE[2:])
