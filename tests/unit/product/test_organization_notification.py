"""A notification accepts any object as its data, and shows what it knows of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messages.payload import InvalidPayload
from shared.product.organization_notification import MAX_EXTRA, NotificationSubject, OrganizationNotification

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["feature", "period", "percent", "used", "limit", "reason", "message"]) | st.text(max_size=9)


def read(data: Any) -> OrganizationNotification:
    return OrganizationNotification.from_wire({"orgId": "org_1", "type": "limit_exceeded", "data": data})


@given(st.dictionaries(NAMES, JSON, max_size=6))
def test_any_object_is_accepted_and_survives_the_wire(data: dict[str, Any]) -> None:
    notification = read(data)
    assert OrganizationNotification.from_wire(notification.to_wire()).data == notification.data
    assert notification.data.extra == {
        name: data[name] for name in data if name not in NotificationSubject.model_fields
    }


def test_known_fields_are_read_in_each_spelling() -> None:
    data = read({"feature": "org:rb@c", "percent": "80", "used": 800.0, "limit": 1000, "period": "2026-03"}).data
    assert (data.feature, data.percent, data.used, data.limit, data.period) == ("org:rb@c", 80, 800, 1000, "2026-03")


def test_a_known_field_of_another_form_is_left_out() -> None:
    data = read({"feature": {"key": "x"}, "percent": -1, "used": "many", "limit": None, "period": 3, "reason": []}).data
    assert data == NotificationSubject()


@pytest.mark.parametrize("data", [None, "text", 7, [1], {"x": "y" * MAX_EXTRA}])
def test_what_is_no_object_or_too_large_is_refused(data: Any) -> None:
    with pytest.raises(InvalidPayload, match="data"):
        read(data)


def test_the_key_depends_on_unknown_fields_and_not_on_the_usage() -> None:
    base = read({"feature": "a", "used": 1, "message": "x"})
    assert read({"feature": "a", "used": 2, "message": "x"}).key == base.key
    assert read({"feature": "a", "used": 1, "message": "y"}).key != base.key
    assert json.loads(json.dumps(base.to_wire()))["data"]["message"] == "x"
