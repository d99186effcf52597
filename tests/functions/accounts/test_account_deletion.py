"""An account is deleted as a whole: access first, after any interruption, and no other account's rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from functions.accounts import _archive, account_export
from functions.accounts.account_deletion import ACCESS, GRACE, AccountDeletion
from functions.accounts.account_export import AccountExport
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.product.records.accounts import AuditEntry, Export, User
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from shared.tables import (
    AUDIT,
    DELETIONS,
    EXPORTS,
    MAGIC_LINKS,
    MAIL,
    NOTIFICATIONS,
    SESSIONS,
    USERS,
    VERIFICATIONS,
    Table,
)
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.mail_account import DAY, everything, files, leaving
from tests.support.receiver import Death, Mortal, Receiver
from tests.support.stored_rows import one, put, there

Go = Callable[[], RunReport]


@pytest.fixture
def go(cloud: Cloud, clock: VirtualClock, log: Lines) -> Go:
    def go() -> RunReport:
        return run(AccountDeletion(), Firing("account-deletion", clock.now()), cloud, log)

    return go


def left(cloud: Cloud, user: str, tables: Sequence[Table] = MAIL) -> list[str]:
    """All rows of a user, without the mark and the audit entries of the deletion."""
    found = [
        f"{table.name} {row['sk']}"
        for table in tables
        for row in there(cloud, table, user)
        if table is not DELETIONS and row.get("actor") != "account-deletion"
    ]
    return [*found, *files(cloud, f"mail/{user}/"), *files(cloud, f"exports/{user}/")]


def finished(go: Go, clock: VirtualClock) -> None:
    """Run the job until the deletion is completed: once now, and after each wait."""
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
    cloud.s3.put_object(Bucket=cloud.names.bucket, Key="exports/ada/x0.zip", Body=b"")
    monkeypatch.setattr(AccountDeletion, "counting", lambda *_: 1 / 0)
    assert go().counts == {"put_off": 1}
    assert "deleted_at" in one(cloud, USERS, "ada")
    for table in (SESSIONS, MAGIC_LINKS, VERIFICATIONS, EXPORTS):
        assert there(cloud, table) == [], table.name
    assert files(cloud, "exports/") == [], "a link that was given out leads nowhere"
    assert "ZeroDivisionError" in one(cloud, DELETIONS, "ada")["error"]


def test_an_account_that_whoever_asks_has_closed_himself_was_closed_then(
    go: Go, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything(cloud, "ada", clock.now())
    put(cloud, User(user="ada", email="ada@example.com", created_at=NOON - DAY, deleted_at=NOON))
    put(cloud, leaving("ada", clock.now()))
    monkeypatch.setattr(AccountDeletion, "counting", lambda *_: 1 / 0)
    clock.move(seconds=59)
    go()
    assert one(cloud, USERS, "ada")["deleted_at"] == "2026-03-02T12:00:00.000Z"


def test_what_stays_is_that_it_was_done_and_no_personal_data(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    everything(cloud, "u1", clock.now())
    asked = {"action": "account.deletion_requested", "actor": "u1", "subject": "shop@in.example"}
    put(
        cloud,
        leaving("u1", clock.now()),
        AuditEntry.model_validate({"user": "u1", "id": "2026-a2", "at": NOON, **asked}),
    )
    finished(go, clock)
    mark = one(cloud, DELETIONS, "u1")
    assert (mark["state"], mark["progress"], mark["reason"]) == ("completed", 100, "")
    assert mark["deleted"] == {table.name: 1 + (table is AUDIT) for table in MAIL if table is not DELETIONS}
    assert "due" not in mark
    assert [(row["action"], row["critical"], row["data"]) for row in there(cloud, AUDIT)] == [
        ("account.deletion_begun", True, {}),
        ("account.deletion_completed", True, {"rows": 20}),
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


# An overtaken export deletes the page that it wrote; its archive is left to the deletion's second run.
@pytest.mark.parametrize(("owner", "moment", "written"), [(account_export, "_put", 0), (_archive.Upload, "finish", 1)])
def test_nothing_is_left_of_an_export_that_is_being_made_meanwhile(
    owner: Any,
    moment: str,
    written: int,
    go: Go,
    cloud: Cloud,
    clock: VirtualClock,
    log: Lines,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The export has read its row when the deletion deletes row and objects, and then writes one more object."""
    everything(cloud, "ada", clock.now())
    put(cloud, Export(user="ada", id="x1", requested_at=clock.now(), due_on=clock.now()))
    real = getattr(owner, moment)

    def late(*given: Any) -> Any:
        put(cloud, leaving("ada", clock.now()))
        go()
        return real(*given)

    monkeypatch.setattr(owner, moment, late)
    assert run(AccountExport(), Firing("account-export", clock.now()), cloud, log).counts == {"moved": 1}
    assert len(files(cloud, "exports/ada/")) == written
    assert there(cloud, NOTIFICATIONS) == []
    finished(go, clock)
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
    cloud.dynamodb.put_item(TableName=cloud.names.table("deletions"), Item=attributes.row(bad))
    report = go()
    assert (report.ok, report.counts) == (False, {"faulty": 1, "put_by": 1})
    assert "version 9" in one(cloud, DELETIONS, "bad")["fault"]
    assert left(cloud, "ada") == []


class Doomed(Mortal):
    """Crash once after each write of these kinds to the product's tables and files."""

    # Values that differ between runs: timestamps, counts, transaction tokens.
    VARYING = re.compile(r'"[0-9]{4}-[0-9-]+T[0-9:.]+Z|"N": ?"[0-9]+"|[0-9a-f]{8}-[0-9a-f-]{27}')

    def __init__(self, cloud: Cloud, kinds: tuple[str, ...]) -> None:
        super().__init__(cloud, Receiver(), reads=False)
        self.state = cloud.names.table("state")
        self.kinds = kinds
        self.seen: set[str] = set()
        self.asked = ""

    def _begin(self, **said: Any) -> None:
        super()._begin()
        self.asked = f"{said['model'].name} {said['params']['url_path']} {said['params']['body']!r}"

    def _end(self, model: Any = None, **_: Any) -> None:
        written = self.VARYING.sub("", self.asked)
        if not written.startswith(self.kinds) or self.state in written or written in self.seen:
            return
        self.seen.add(written)
        self.made = self.last = 1
        raise Death


# Two kinds of writes, each with its own crashes: after a crash in a deletion the next run finds the rows deleted and
# records only the following ones.
@pytest.mark.parametrize(
    "kinds", [("BatchWriteItem", "DeleteObjects"), ("UpdateItem", "PutItem", "TransactWriteItems")]
)
def test_a_crash_after_every_write_ends_in_the_same_state(
    kinds: tuple[str, ...], cloud: Cloud, clock: VirtualClock, log: Lines
) -> None:
    """Each run crashes at the first write at which no run has crashed before."""
    for user in ("calm", "ada"):
        everything(cloud, user, clock.now())
        cloud.s3.put_object(Bucket=cloud.names.bucket, Key=f"exports/{user}/x0.zip", Body=b"")
    put(cloud, leaving("calm", clock.now()))
    finished(lambda: run(AccountDeletion(), Firing("account-deletion", clock.now()), cloud, log), clock)
    put(cloud, leaving("ada", clock.now()))
    doomed, died = Doomed(cloud, kinds), 0
    while one(cloud, DELETIONS, "ada")["state"] != "completed":
        clock.move(hours=1.2)
        with suppress(Death):
            run(AccountDeletion(), Firing("account-deletion", clock.now()), cloud, log)
        died += doomed.dead
        doomed.until(0)
        assert died < 200
    assert left(cloud, "ada") == []
    calm, ada = (one(cloud, DELETIONS, user) for user in ("calm", "ada"))
    for name in ("deleted", "progress", "reason"):
        assert ada[name] == calm[name], name
    trails = [[(row["action"], row["data"]) for row in there(cloud, AUDIT, user)] for user in ("calm", "ada")]
    assert trails[0] == trails[1]
    assert died == len(doomed.seen) > len(MAIL)
    # Rows that give access to an account are deleted in one piece.
    for table in {*MAIL} - {DELETIONS, *(ACCESS if "UpdateItem" in kinds else ())}:
        words = (f'"{cloud.names.table(table.name)}":[', f'"{table.name}#')
        assert any(word in written for written in doomed.seen for word in words), table.name
