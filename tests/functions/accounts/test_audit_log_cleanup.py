"""Audit entries are deleted after a year, critical ones after seven, and only after their archive is verified."""

from __future__ import annotations

import gzip
import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.accounts.audit_log_cleanup import AuditLogCleanup
from shared import clock as clocks
from shared.archetypes.purge import runner
from shared.aws.cloud import Cloud
from shared.product.records.accounts import AuditEntry
from shared.store import s3_archive
from tests.conftest import NOON, VirtualClock
from tests.support.purging import SECOND, Facts, Killed, go, objects, put, there

YEAR = timedelta(days=365)


def read(cloud: Cloud, key: str) -> bytes:
    return cloud.s3.get_object(Bucket=cloud.names.bucket, Key=key)["Body"].read()


def archived(cloud: Cloud) -> list[AuditEntry]:
    """Entries of all archives, each archive checked against its manifest."""
    found = []
    for key in objects(cloud, "archive/audit/"):
        if key.endswith(".manifest.json"):
            manifest = json.loads(read(cloud, key))
            packed = read(cloud, manifest["object"])
            text = gzip.decompress(packed)
            assert hashlib.sha256(packed).hexdigest() == manifest["sha256"]
            assert hashlib.sha256(text).hexdigest() == manifest["content_sha256"]
            lines = [json.loads(line) for line in text.decode().splitlines()]
            assert len(lines) == manifest["rows"]
            found += [AuditEntry.read(line) for line in lines]
    return found


class TestAuditLogCleanup(Facts):
    job = AuditLogCleanup()
    keeps = YEAR

    def made(self, id_: str, age: timedelta, now: datetime = NOON, critical: bool = False) -> AuditEntry:
        data: dict[str, str | int | bool] = {"from": "active", "count": 3, "ok": True}
        at = now - age
        return AuditEntry(
            user="u1", id=id_, at=at, action="alias.deactivated", actor="ünï", critical=critical, data=data
        )

    def test_what_goes_is_in_the_archive_as_it_was(self, cloud: Cloud) -> None:
        entries = [self.made(f"e{number:02}", YEAR + number * SECOND) for number in range(30)]
        put(cloud, *entries, self.made("young", YEAR - SECOND))
        assert go(self.job, cloud).counts == {"purged": 30}
        assert sorted(archived(cloud), key=lambda entry: entry.id) == entries

    def test_an_archive_says_what_it_holds(self, cloud: Cloud, clock: VirtualClock) -> None:
        put(cloud, self.made("a", YEAR), self.made("b", YEAR + SECOND))
        clock.move(seconds=42)
        go(self.job, cloud, NOON)
        packed, told = objects(cloud, "archive/")
        manifest = json.loads(read(cloud, told))
        assert packed == manifest["object"]
        assert packed.startswith("archive/audit/2025/03/20250302T115959.000Z-")
        assert (manifest["form"], manifest["table"], manifest["rows"]) == (1, "audit", 2)
        assert (manifest["first"], manifest["last"]) == ("2025-03-02T11:59:59.000Z", "2025-03-02T12:00:00.000Z")
        assert (manifest["bytes"], manifest["archived_at"]) == (len(read(cloud, packed)), clocks.iso(clock.now()))

    def test_critical_ones_are_kept_for_seven_years(self, cloud: Cloud) -> None:
        for id_, age in {"after": 7 * YEAR + SECOND, "at": 7 * YEAR, "before": 7 * YEAR - SECOND}.items():
            put(cloud, self.made(id_, age, critical=True))
        assert go(self.job, cloud).counts == {"purged": 2}
        assert there(cloud, self.job.table) == ["before"]
        assert {entry.id for entry in archived(cloud)} == {"after", "at"}

    @pytest.mark.parametrize(
        "body", [b"", b"not gzip", gzip.compress(b'{"user":"u1","id":"other"}\n')], ids=["empty", "broken", "other"]
    )
    def test_an_archive_that_does_not_read_back_keeps_its_rows(
        self, body: bytes, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(cloud, self.made("a", YEAR))
        write = cloud.s3.put_object

        def damaged(**asked: Any) -> Any:
            return write(**{**asked, "Body": body} if asked["Key"].endswith(".gz") else asked)

        with monkeypatch.context() as patched:
            patched.setattr(cloud.s3, "put_object", damaged)
            report = go(self.job, cloud)
        assert (report.outcome, there(cloud, self.job.table)) == ("failed", ["a"])
        assert "ArchiveMismatch: archive/audit/2025/03/" in report.note
        # It is not overwritten either: an operator must check it.
        clock.move(minutes=1)
        assert go(self.job, cloud).outcome == "failed"

    @pytest.mark.parametrize("told", [b"", b"[]", b'{"rows": 1}'])
    def test_an_archive_whose_manifest_says_otherwise_keeps_its_rows(
        self, told: bytes, cloud: Cloud, clock: VirtualClock
    ) -> None:
        put(cloud, self.made("a", YEAR))
        go(self.job, cloud)
        [manifest] = [key for key in objects(cloud, "archive/") if key.endswith(".json")]
        cloud.s3.put_object(Bucket=cloud.names.bucket, Key=manifest, Body=told)
        put(cloud, self.made("a", YEAR))
        clock.move(minutes=1)
        report = go(self.job, cloud)
        assert (report.outcome, there(cloud, self.job.table)) == ("failed", ["a"])
        assert "does not describe its archive; the rows stay. Move it away" in report.note

    @pytest.mark.parametrize("step", ["object", "manifest", "read"])
    def test_a_crash_while_archiving_leaves_all_rows_and_one_archive(
        self, step: str, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(cloud, self.made("a", YEAR), self.made("b", YEAR))
        write, dying = cloud.s3.put_object, {"object": ".gz", "manifest": ".json", "read": ""}[step]

        def put_object(**asked: Any) -> Any:
            answer = write(**asked)
            if dying and asked["Key"].endswith(dying) and asked["Key"].startswith("archive/"):
                raise Killed
            return answer

        def get_object(**_: Any) -> Any:
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(cloud.s3, "put_object", put_object)
            patched.setattr(cloud.s3, "get_object", get_object)
            with pytest.raises(Killed):
                go(self.job, cloud)
        assert there(cloud, self.job.table) == ["a", "b"]
        clock.move(minutes=30)
        assert go(self.job, cloud).counts == {"purged": 2}
        assert len(objects(cloud, "archive/")) == 2
        assert len(archived(cloud)) == 2

    def test_the_same_entries_make_the_same_archive_in_whatever_order_they_are_found(self, cloud: Cloud) -> None:
        found = [self.made(f"e{number}", YEAR).item() for number in range(3)]
        made = {s3_archive.archive(cloud, self.job.table, rows, NOON) for rows in (found, found[::-1])}
        assert len(made) == 1
        assert objects(cloud, "archive/") == [*made, *(key.replace("jsonl.gz", "manifest.json") for key in made)]

    def test_a_run_archives_some_hundred_at_a_time(self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runner, "CHUNK", 10)
        put(cloud, *(self.made(f"e{number:02}", YEAR) for number in range(25)))
        assert go(self.job, cloud).counts == {"purged": 25}
        assert len(archived(cloud)) == 25
        assert len(objects(cloud, "archive/")) == 6

    def test_a_row_of_no_form_is_archived_as_it_stands(self, cloud: Cloud) -> None:
        row = {"pk": {"S": "u1"}, "sk": {"S": "odd"}, "aged": {"S": "00"}, "since": {"S": clocks.iso(NOON - YEAR)}}
        odd: Any = {
            "what": {"S": "ever"},
            "raw": {"B": b"\xff\x00"},
            "set": {"SS": ["a"]},
            "many": {"L": [{"NULL": True}]},
        }
        cloud.dynamodb.put_item(TableName=cloud.names.table("audit"), Item={**row, **odd})
        put(cloud, self.made("good", YEAR))
        assert go(self.job, cloud).counts == {"purged": 2}
        [key] = [key for key in objects(cloud, "archive/") if key.endswith(".gz")]
        line = b'{"user":"u1","id":"odd","many":[null],"raw":"/wA=","set":["a"],"what":"ever"}'
        assert line in gzip.decompress(read(cloud, key)).splitlines()
