"""Exports: all data of a user in one archive of open formats, and a download link that expires."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from typing import Any
from zipfile import ZipFile

import pytest

from functions.accounts import _archive, account_export
from functions.accounts._link import LINK
from functions.accounts.account_export import TABLES, AccountExport
from functions.accounts.export_expiry import ExportExpiry
from functions.mail._templates import render
from shared.archetypes.pipeline import Continue
from shared.aws.cloud import Cloud
from shared.job.setting import SettingError
from shared.product.export_ticket import Ticket
from shared.product.records.accounts import Export, User
from shared.product.records.mail import Hold, MessageMetadata
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from shared.tables import EXPORTS, NOTIFICATIONS
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.mail_account import FORMULA, NAME, everything, files
from tests.support.receiver import Death, Mortal, Receiver
from tests.support.stored_rows import one, put, there

Go = Callable[[], RunReport]
DOOR = "https://mail.example/downloads/{ticket}"
KEY = "exports/ada/x1.zip"


@pytest.fixture(autouse=True)
def door(cloud: Cloud) -> None:
    cloud.environment = {"ACCOUNT_EXPORT_LINK": DOOR}


@pytest.fixture
def go(cloud: Cloud, clock: VirtualClock, log: Lines) -> Go:
    def go() -> RunReport:
        clock.move(minutes=1)
        return run(AccountExport(), Firing("account-export", clock.now()), cloud, log)

    return go


def asked(user: str = "ada", name: str = "x1") -> Export:
    return Export(user=user, id=name, requested_at=NOON, due_on=NOON)


def opened(cloud: Cloud, key: str = KEY) -> ZipFile:
    return ZipFile(io.BytesIO(cloud.s3.get_object(Bucket=cloud.names.bucket, Key=key)["Body"].read()))


def test_everything_is_there_as_json_and_as_csv_and_the_manifest_says_so(
    go: Go, cloud: Cloud, clock: VirtualClock
) -> None:
    everything(cloud, "ada", clock.now())
    everything(cloud, "bob", clock.now())
    put(cloud, asked())
    assert go().counts == {"completed": 1}
    row = one(cloud, EXPORTS, "ada", "x1")
    assert row["parts"] == {}
    archive = opened(cloud)
    assert archive.testzip() is None
    body = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=KEY)["Body"].read()
    assert (row["state"], row["progress"], row["size"], row["sha256"]) == (
        *("completed", 100, len(body)),
        sha256(body).hexdigest(),
    )
    manifest = json.loads(archive.read("manifest.json"))
    assert set(archive.namelist()) == {*manifest["files"], "manifest.json"}
    for name, said in manifest["files"].items():
        data = archive.read(name)
        assert (said["bytes"], said["sha256"]) == (len(data), sha256(data).hexdigest())
    for table in TABLES:
        found = json.loads(archive.read(f"{table.name}.json"))
        lines = list(csv.DictReader(io.StringIO(archive.read(f"{table.name}.csv").decode(), newline="")))
        assert len(found) == len(lines) == manifest["files"][f"{table.name}.csv"]["rows"] == 1, table.name
    assert archive.read("messages/ada/failed.eml").startswith(b"Subject: hi")
    assert json.loads(archive.read("users.json"))[0]["name"] == NAME
    assert "bob" not in "".join(archive.read(name).decode() for name in archive.namelist())
    assert files(cloud, "exports/") == [KEY], "what it was made of is gone"


def test_no_cell_of_a_table_is_run_by_a_spreadsheet_and_each_can_be_had_back(
    go: Go, cloud: Cloud, clock: VirtualClock
) -> None:
    everything(cloud, "ada", clock.now())
    put(cloud, asked())
    go()
    archive = opened(cloud)
    [cells] = csv.DictReader(io.StringIO(archive.read("failed-emails.csv").decode(), newline=""))
    assert cells["last_error"] == f"'{FORMULA}"
    assert json.loads(archive.read("failed-emails.json"))[0]["last_error"] == FORMULA


@pytest.mark.parametrize(
    "value",
    [
        "=1+1",
        "+1",
        "-1",
        "@x",
        "\tx",
        "\rx",
        "'x",
        "''",
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff20x",
        "x=1",
        "",
        'a"b\n,c',
    ],
)
def test_a_quote_before_what_could_be_a_formula_is_taken_away_again(value: str) -> None:
    cell = _archive.safe(value)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
    assert (cell[1:] if cell.startswith("'") else cell) == value


def test_nothing_in_it_opens_an_account(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    everything(cloud, "ada", clock.now())
    put(cloud, asked())
    go()
    archive = opened(cloud)
    text = "".join(archive.read(name).decode() for name in archive.namelist())
    for secret in ("session-1", "hash1", "hash2", "whsec_"):
        assert secret not in text


def test_the_user_is_told_once_with_a_link_that_ends(go: Go, cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    everything(cloud, "ada", clock.now())
    put(cloud, asked())
    go()
    [told] = [row for row in there(cloud, NOTIFICATIONS, "ada") if row["template"] == "export_ready"]
    row = one(cloud, EXPORTS, "ada", "x1")
    assert (told["sk"], told["data"]["link"]) == ("account-export-x1", row["link"])
    assert row["link"] == DOOR.replace("{ticket}", str(Ticket("ada", "x1", row["ticket"])))
    assert told["data"]["link"] in render("export_ready", told["data"]).text
    ends = clock.now() + timedelta(days=7)
    assert row["expires_at"] == f"{ends:%Y-%m-%dT%H:%M:%S}.000Z"
    for at, there_is in ((ends - timedelta(seconds=1), [KEY]), (ends, []), (ends + timedelta(seconds=1), [])):
        clock.instant = at
        run(ExportExpiry(), Firing("export-expiry", at), cloud, log)
        assert files(cloud, "exports/") == there_is
    assert one(cloud, EXPORTS, "ada", "x1") == {}


def test_a_link_is_to_the_function_itself_where_nothing_else_is_set(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    cloud.environment = {}
    everything(cloud, "ada", clock.now())
    put(cloud, asked())
    for _ in range(7):
        # However often: it is our own failure, and the user's request does not fail by it.
        assert go().counts == {"put_off": 1}, "the function is not there yet"
        assert "ACCOUNT_EXPORT_LINK is empty" in one(cloud, EXPORTS, "ada", "x1")["error"]
        clock.move(minutes=5)
    url = _function(cloud, cloud.names.function("downloads"))
    assert go().counts == {"completed": 1}
    row = one(cloud, EXPORTS, "ada", "x1")
    assert row["link"] == f"{url.rstrip('/')}/downloads/{Ticket('ada', 'x1', row['ticket'])}"


def _function(cloud: Cloud, name: str) -> str:
    """One with a URL; that."""
    identities: Any = cloud.roles
    role = identities.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = io.BytesIO()
    with ZipFile(code, "w") as packed:
        packed.writestr("h.py", "")
    cloud.functions.create_function(
        FunctionName=name, Code={"ZipFile": code.getvalue()}, Role=role, Handler="h.h", Runtime="python3.13"
    )
    url: str = cloud.functions.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    return url


def test_an_app_that_shows_the_way_is_told_which_export_and_not_the_secret(go: Go, cloud: Cloud) -> None:
    cloud.environment = {"ACCOUNT_EXPORT_LINK": "https://app.example/exports/{id}"}
    everything(cloud, "ada", NOON)
    put(cloud, asked(name="ä?x"))
    go()
    assert one(cloud, EXPORTS, "ada", "ä?x")["link"] == "https://app.example/exports/%C3%A4%3Fx"


@pytest.mark.parametrize("odd", ["mail.example/{ticket}", "javascript:{ticket}", "https://mail.example/downloads"])
def test_an_address_that_leads_nowhere_is_refused(odd: str) -> None:
    with pytest.raises(SettingError, match="must be a URL with"):
        LINK.read({LINK.name: odd})


def test_the_link_of_an_earlier_export_is_in_no_later_one(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    everything(cloud, "ada", clock.now())
    put(cloud, asked(name="first"))
    go()
    put(cloud, asked())
    go()
    archive, secret = opened(cloud), one(cloud, EXPORTS, "ada", "first")["ticket"]
    assert not any(secret in archive.read(name).decode() for name in archive.namelist())
    [told] = [row for row in json.loads(archive.read("notifications.json")) if row["template"] == "export_ready"]
    assert (told["data"]["link"][:7], told["data"]["expires"]) == ("sha256:", "2026-03-09 12:01 UTC")


def test_it_goes_on_where_time_ran_out_and_shows_how_far_it_is(
    go: Go, cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything(cloud, "ada", clock.now())
    put(cloud, asked(), *(_message(number) for number in range(30)))
    monkeypatch.setattr(account_export, "PAGE", 10)
    monkeypatch.setattr("shared.archetypes.pipeline.runner.PipelineRun._out_of_time", lambda _: True)
    seen = []
    for _ in range(60):
        report = go()
        row = one(cloud, EXPORTS, "ada", "x1")
        seen.append(row["progress"])
        if row["state"] == "completed":
            break
        assert report.unfinished
    assert seen == sorted(seen)
    assert (len(seen) > 20, seen[-1]) == (True, 100)
    assert log.said("account-export_in_progress")[-1]["percentage"] == 95
    assert len(json.loads(opened(cloud).read("messages.json"))) == 31


def _message(number: int, size: int = 0) -> MessageMetadata:
    return MessageMetadata(
        user="ada", id=f"n{number:06d}", received_at=NOON, recorded_at=NOON, bytes_used=1, alias="x" * size
    )


def test_a_crash_after_any_call_ends_in_the_same_archive_and_one_mail(
    cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    mortal, time, made = Mortal(cloud, Receiver(), reads=False), cloud.clock, set[str]()
    assert isinstance(time, VirtualClock)
    monkeypatch.setattr(account_export, "TABLES", TABLES[:3])
    everything(cloud, "ada", NOON)
    last, died = 0, True
    while died:
        last, name = last + 1, f"x{last}"
        mortal.until(0)
        put(cloud, asked(name=name))
        mortal.until(last)
        with suppress(Death):
            run(AccountExport(), Firing("account-export", time.now()), cloud, log)
        died = mortal.dead
        mortal.until(0)
        for _ in range(2):
            time.move(minutes=30)
            run(AccountExport(), Firing("account-export", time.now()), cloud, log)
        time.move(minutes=30)
        row = one(cloud, EXPORTS, "ada", name)
        assert row["state"] == "completed", (last, row)
        made.add(row["sha256"])
        assert files(cloud, f"exports/ada/{name}/") == []
        assert one(cloud, NOTIFICATIONS, "ada", f"account-export-{name}")["template"] == "export_ready"
    assert last > 15
    assert len(made) == 1, "the same rows make the same archive"


def test_one_that_cannot_be_made_fails_in_the_end_and_says_so(
    go: Go, cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything(cloud, "ada", clock.now())
    everything(cloud, "bob", clock.now())
    put(cloud, asked(), asked("bob"))
    real = AccountExport.packing

    def packing(job: AccountExport, tick: object, item: Export) -> object:
        return 1 / 0 if item.user == "ada" else real(job, tick, item)  # type: ignore[arg-type]

    monkeypatch.setattr(AccountExport, "packing", packing)
    assert go().counts == {"put_off": 1, "completed": 1}
    reports = []
    for _ in range(4):
        clock.move(hours=3)
        reports.append(go())
    assert (reports[-1].ok, reports[-1].counts) == (False, {"failed": 1})
    row = one(cloud, EXPORTS, "ada", "x1")
    assert (row["state"], row["error"]) == ("failed", "ZeroDivisionError: division by zero")
    assert one(cloud, NOTIFICATIONS, "ada", "account-export-x1")["template"] == "export_failed"
    clock.move(days=7)
    run(ExportExpiry(), Firing("export-expiry", clock.now()), cloud, log)
    assert one(cloud, EXPORTS, "ada", "x1") == {}, "for a week it says that it has failed"


def test_one_that_kills_its_runs_does_not_do_so_for_ever(cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    everything(cloud, "ada", clock.now())
    put(cloud, asked())

    class Deadly(AccountExport):
        """Crash in the first step."""

        name = "account-export"

        def collecting(self, *_: object) -> Continue:
            raise Death

    for _ in range(7):
        with suppress(Death):
            run(Deadly(), Firing("account-export", clock.now()), cloud, log)
        clock.move(hours=1)
    row = one(cloud, EXPORTS, "ada", "x1")
    assert (row["state"], row["error"]) == ("failed", "5 runs were interrupted at collecting")


def test_an_account_that_is_gone_or_closed_is_not_exported(go: Go, cloud: Cloud) -> None:
    closed = User(user="closed", email="c@home.example", created_at=NOON - timedelta(days=9), deleted_at=NOON)
    put(cloud, asked("ghost"), asked("closed"), closed)
    assert go().counts == {"failed": 2}
    for user in ("ghost", "closed"):
        assert one(cloud, EXPORTS, user, "x1")["error"].startswith("the account was deleted")


@pytest.mark.parametrize(("said", "days"), [("1d", 1), ("7d", 7), ("30d", 7)])
def test_it_is_kept_as_long_as_is_set_and_a_week_at_most(
    said: str, days: int, go: Go, cloud: Cloud, clock: VirtualClock
) -> None:
    cloud.environment = {**cloud.environment, "ACCOUNT_EXPORT_KEEP": said}
    put(cloud, User(user="ada", email="ada@home.example", created_at=NOON - timedelta(days=9)), asked())
    go()
    ends = clock.now() + timedelta(days=days)
    assert one(cloud, EXPORTS, "ada", "x1")["expires_at"] == f"{ends:%Y-%m-%dT%H:%M:%S}.000Z"


def test_a_message_that_is_gone_is_named_as_missing(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    everything(cloud, "ada", clock.now())
    cloud.s3.delete_object(Bucket=cloud.names.bucket, Key="mail/ada/held.eml")
    put(cloud, asked())
    go()
    assert json.loads(opened(cloud).read("manifest.json"))["missing"] == ["mail/ada/held.eml"]


def test_messages_are_asked_for_ahead_of_their_turn_and_no_more_of_them_than_are_told(
    go: Go, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything(cloud, "ada", clock.now())
    names = [f"mail/ada/m{number:02d}" for number in range(30)]
    for name in names:
        cloud.s3.put_object(Bucket=cloud.names.bucket, Key=name, Body=name.encode())
        held = Hold(user="ada", id=name[-3:], alias="a@in.example", raw=name, held_at=clock.now())
        # The same message in two rows is one.
        put(cloud, held, held.model_copy(update={"id": f"again-{name[-3:]}"}))
    put(cloud, asked())
    real, asked_for, ahead = cloud.s3.get_object, set[str](), set[int]()

    def get_object(**given: Any) -> Any:
        asked_for.add(given["Key"])
        return real(**given)

    member = _archive.Archive.member

    def packed(archive: _archive.Archive, name: str, key: str = "") -> Any:
        if name.startswith("messages/ada/m"):
            ahead.add(len(asked_for & {*names}) - int(name[-2:]))
        return member(archive, name, key)

    monkeypatch.setattr(cloud.s3, "get_object", get_object)
    monkeypatch.setattr(_archive.Archive, "member", packed)
    assert go().counts == {"completed": 1}
    archive = opened(cloud)
    told = [name for name in archive.namelist() if name.startswith("messages/ada/m")]
    assert [f"mail/{name.removeprefix('messages/')}" for name in told] == names
    assert all(archive.read(f"messages/{name.removeprefix('mail/')}") == name.encode() for name in names)
    assert 1 < max(ahead) <= account_export.AHEAD + 1


def test_memory_does_not_grow_with_what_is_packed(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """For an archive of 20 MB at most three parts of 8 MB are in memory."""
    import os

    monkeypatch.setattr(cloud.s3, "upload_part", lambda **_: {"ETag": "x"})
    monkeypatch.setattr(cloud.s3, "complete_multipart_upload", lambda **_: None)
    upload = _archive.Upload(cloud, "exports/a/b.zip")
    archive = _archive.Archive(upload, NOON)
    noise = [os.urandom(64 * 1024).hex() for _ in range(8)]
    tracemalloc.start()
    archive.array("rows", ({"id": n, "text": noise[n % 8]} for n in range(300)))
    archive.close()
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert upload.size > 15 * 1024 * 1024
    assert held < 3 * _archive.PART


def test_a_run_that_was_overtaken_deletes_the_page_that_it_wrote_last(
    go: Go, cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything(cloud, "ada", clock.now())
    put(cloud, asked())
    write = account_export._put
    others: list[RunReport] = []

    def frozen(run_of: Any, key: str, body: bytes) -> None:
        if not others:
            others.append(RunReport("", "", "", "", "", ok=True, ms=0, counts={}, note="", artifact=None))
            clock.move(hours=1)
            others[0] = run(AccountExport(), Firing("account-export", clock.now()), cloud, log)
        write(run_of, key, body)

    monkeypatch.setattr(account_export, "_put", frozen)
    go()
    assert others[0].counts == {"completed": 1}
    listed = cloud.s3.list_objects_v2(Bucket=cloud.names.bucket, Prefix="exports/").get("Contents", [])
    assert [found["Key"] for found in listed] == [KEY]
