"""An account goes as a whole: access first, whatever dies in between, and nothing of anybody else's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from functions.accounts import account_deletion
from functions.accounts.account_deletion import GRACE, AccountDeletion
from shared import rows
from shared.cloud import Cloud
from shared.event import Firing
from shared.run import Report, run
from shared.tables import AUDIT, DELETIONS, EXPORTS, FAILED_EMAILS, HOLDS, MAIL, SESSIONS, USERS, Table
from tests.account import everything, files, leaving
from tests.conftest import Lines, VirtualClock
from tests.receiver import Death, Mortal, Receiver
from tests.stored import one, put, there

Go = Callable[[], Report]
TREATED = (SESSIONS, FAILED_EMAILS, HOLDS, EXPORTS, AUDIT, USERS)


@pytest.fixture
def go(cloud: Cloud, clock: VirtualClock, log: Lines) -> Go:
    def go() -> Report:
        return run(AccountDeletion(), Firing("account-deletion", clock.now()), cloud, log)

    return go


def left(cloud: Cloud, user: str, tables: Sequence[Table] = MAIL) -> list[str]:
    """Whatever there is of a user but the mark and the trail of the deletion."""
    found = [
        f"{table.name} {row['sk']}"
        for table in tables
        for row in there(cloud, table, user)
        if table is not DELETIONS and not str(row.get("action", "")).startswith("account.deletion_")
    ]
    return [*found, *files(cloud, f"mail/{user}/"), *files(cloud, f"exports/{user}/")]


def finished(go: Go, clock: VirtualClock) -> None:
    """Until it is over: the run at once, and the one that looks again."""
    for span in (timedelta(0), GRACE, timedelta(hours=3)):
        clock.move(seconds=span.total_seconds() + 60)
        go()


def test_all_of_a_user_goes_and_nothing_of_another(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    everything(cloud, "ada", clock.now())
    everything(cloud, "bob", clock.now())
    for key in ("exports/ada/x0.zip", "exports/ada/x0/users-000000.jsonl"):
        cloud.s3.put_object(Bucket=cloud.names.bucket, Key=key, Body=b"")
    before = left(cloud, "bob")
    put(cloud, leaving("ada", clock.now()))
    finished(go, clock)
    assert left(cloud, "ada") == []
    assert left(cloud, "bob") == before


def test_access_is_gone_with_the_first_run_whatever_follows(
    go: Go, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything(cloud, "ada", clock.now())
    put(cloud, leaving("ada", clock.now()))
    monkeypatch.setattr(AccountDeletion, "counting", lambda *_: 1 / 0)
    assert go().counts == {"put_off": 1}
    assert "deleted_at" in one(cloud, USERS, "ada")
    assert there(cloud, SESSIONS) == []
    assert "ZeroDivisionError" in one(cloud, DELETIONS, "ada")["error"]


def test_what_stays_is_that_it_was_done_and_no_personal_data(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    everything(cloud, "u1", clock.now())
    put(cloud, leaving("u1", clock.now()))
    finished(go, clock)
    mark = one(cloud, DELETIONS, "u1")
    assert (mark["state"], mark["progress"], mark["reason"]) == ("completed", 100, "")
    assert mark["deleted"] == {table.name: 1 for table in MAIL if table is not DELETIONS}
    assert "due" not in mark
    assert [(row["action"], row["critical"], row["data"]) for row in there(cloud, AUDIT)] == [
        ("account.deletion_begun", True, {}),
        ("account.deletion_completed", True, {"rows": 19}),
    ]


def test_what_is_written_meanwhile_goes_when_it_looks_again(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    everything(cloud, "ada", clock.now())
    put(cloud, leaving("ada", clock.now()))
    go()
    assert left(cloud, "ada") == []
    everything(cloud, "ada", clock.now())
    clock.move(seconds=GRACE.total_seconds() - 1)
    assert go().counts == {"due": 0}
    clock.move(seconds=61)
    assert go().counts == {"completed": 1}
    assert left(cloud, "ada") == []


def test_it_is_done_once(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, leaving("nobody", clock.now()))
    finished(go, clock)
    mark, trail = one(cloud, DELETIONS, "nobody"), there(cloud, AUDIT)
    assert mark["state"] == "completed"
    finished(go, clock)
    assert (one(cloud, DELETIONS, "nobody"), there(cloud, AUDIT)) == (mark, trail)


def test_one_that_cannot_be_read_is_set_aside_and_the_others_go_on(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    everything(cloud, "ada", clock.now())
    put(cloud, leaving("ada", clock.now()))
    bad: Any = {**leaving("bad", clock.now()).item(), "v": 9}
    cloud.dynamodb.put_item(TableName=cloud.names.table("deletions"), Item=rows.row(bad))
    report = go()
    assert (report.ok, report.counts) == (False, {"faulty": 1, "put_by": 1})
    assert "version 9" in one(cloud, DELETIONS, "bad")["fault"]
    assert left(cloud, "ada") == []


def test_a_crash_after_every_single_call_ends_in_the_same_state(
    cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each user's deletion dies after one write more than the last one's did, then is taken up again."""
    # One table of each kind: with files and without, what opens an account, what is kept in part, what goes last.
    monkeypatch.setattr(account_deletion, "ACCESS", (SESSIONS,))
    monkeypatch.setattr(account_deletion, "ORDER", TREATED)
    mortal, time, ends = Mortal(cloud, Receiver(), reads=False), cloud.clock, set[str]()
    assert isinstance(time, VirtualClock)
    # Through both of its runs: the second one begins where the first has waited for an hour.
    for begun in (0, 1):
        last, died = 0, True
        while died:
            last, user = last + 1, f"user-{begun}-{last}"
            mortal.until(0)
            everything(cloud, user, time.now(), TREATED)
            put(cloud, leaving(user, time.now()))
            for turn in range(4):
                mortal.until(last if turn == begun else 0)
                with suppress(Death):
                    run(AccountDeletion(), Firing("account-deletion", time.now()), cloud, log)
                died = mortal.dead if turn == begun else died
                mortal.until(0)
                time.move(hours=1.2)
            assert left(cloud, user, TREATED) == [], last
            mark = one(cloud, DELETIONS, user)
            assert mark["state"] == "completed", (last, mark)
            ends.add(repr((mark["deleted"], mark["progress"], mark["reason"])))
            ends.add(repr([(row["action"], row["data"]) for row in there(cloud, AUDIT, user)]))
            _forget(cloud, user)
        assert last > (20 if begun == 0 else 4)
    assert len(ends) == 2


def _forget(cloud: Cloud, user: str) -> None:
    # So that the next case reads through fewer rows.
    for table in (AUDIT, DELETIONS):
        for row in there(cloud, table, user):
            key = {"pk": {"S": row["pk"]}, "sk": {"S": row["sk"]}}
            cloud.dynamodb.delete_item(TableName=cloud.names.table(table.name), Key=key)
