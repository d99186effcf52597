"""Many wrong tokens are alerted, once an hour; a few are not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from shared.aws.cloud import Cloud
from shared.http.internal_token import HEADER, Guard
from shared.http.sign_in_failures import ALERT, MOST, SignInFailures
from shared.store import keys, table
from shared.tables import STATE
from tests.conftest import Calls, VirtualClock


def alerts(cloud: Cloud) -> list[str]:
    rows = table.query(cloud, STATE, "pk = :pk", {":pk": keys.owed_alerts()})
    return [row["alert"]["kind"] for row in rows]


def test_ten_failures_in_a_minute_are_alerted_once_an_hour(cloud: Cloud, clock: VirtualClock) -> None:
    failures, other_process = SignInFailures(cloud, "trigger"), SignInFailures(cloud, "trigger")
    for _ in range(MOST - 1):
        failures.add()
    assert alerts(cloud) == []
    for _ in range(MOST):
        failures.add()
        other_process.add()
    assert alerts(cloud) == [ALERT]
    clock.move(hours=1)
    for _ in range(MOST):
        failures.add()
    assert alerts(cloud) == [ALERT, ALERT]


def test_failures_over_a_longer_time_are_not_alerted(cloud: Cloud, clock: VirtualClock) -> None:
    failures = SignInFailures(cloud, "trigger")
    calls = Calls(cloud)
    for _ in range(5 * MOST):
        failures.add()
        clock.move(seconds=7)
    assert calls.made == []


def test_the_guard_counts_wrong_tokens_and_no_missing_ones(cloud: Cloud) -> None:
    guard = Guard(cloud, place="queues")
    for _ in range(3 * MOST):
        assert not guard.admits({})
    assert alerts(cloud) == []
    for number in range(MOST):
        assert not guard.admits({HEADER: f"guess {number}"})
    assert alerts(cloud) == [ALERT]
    assert guard.admits({HEADER: "open sesame"})


def test_a_request_is_refused_also_where_the_alert_fails(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = Guard(cloud)
    monkeypatch.setattr(guard, "failures", SimpleNamespace(add=lambda: 1 / 0))
    assert not guard.admits({HEADER: "guess"})
