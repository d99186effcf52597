"""Sample accounts: the same for the same number, complete, and due; the law of sample data runs the jobs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from functions.accounts import _sample_accounts
from functions.accounts.seed import seed
from shared.aws.cloud import Cloud
from tests.conftest import NOON, VirtualClock
from tests.support.mail_account import files
from tests.support.sweeping import all_of


def named(seed: int, number: int, now: datetime = NOON) -> list[tuple[str, str, str]]:
    rows = _sample_accounts.rows(seed, number, now)
    by_time = ("audit", "notifications")
    return [(row.table, row.fields["user"], row.fields["id"]) for row in rows if row.table not in by_time]


def test_the_same_number_makes_the_same_accounts_on_another_day_too_and_another_one_others() -> None:
    assert named(1, 7) == named(1, 7, NOON + timedelta(days=40))
    assert not {*named(1, 7)} & {*named(2, 7), *named(1, 8)}


def test_a_second_time_changes_nothing_and_more_users_come_on_top(cloud: Cloud, clock: VirtualClock) -> None:
    assert seed(cloud, 2)["users"] == 4
    before = all_of(cloud, "destinations")
    clock.move(minutes=5)
    again = seed(cloud, 2)
    # The audit trail is named by time.
    assert {table for table, count in again.items() if count} <= {"audit", "notifications"}
    assert all_of(cloud, "destinations") == before
    assert seed(cloud, 3)["users"] == 2


def test_what_a_row_names_lies_in_the_bucket(cloud: Cloud) -> None:
    seed(cloud, 2)
    rows: list[dict[str, Any]] = [row for table in ("exports", "quarantine") for row in all_of(cloud, table)]
    assert sorted(filter(None, (row.get("archive") or row.get("raw") for row in rows))) == files(cloud)


def test_one_of_two_users_is_leaving(cloud: Cloud) -> None:
    seed(cloud, 1)
    assert [row["pk"] for row in all_of(cloud, "deletions")] == ["a1-0000000-leaving"]
    assert all("leaving" not in row["pk"] for row in all_of(cloud, "domains"))
