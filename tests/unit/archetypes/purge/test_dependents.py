"""Dependents are deleted before their row, and never those of a row that another job has changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from shared import clock as clocks
from shared.archetypes.purge import Purge
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job.duration import days
from shared.job.idempotency import natural
from shared.plans import draft, plan
from shared.run.apply_plan import firing_for
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from shared.store import watermark
from shared.tables import RAW, Index, Table
from tests.conftest import NOON, Calls, Lines, create

DUE = NOON - timedelta(days=30)
AGED = Index("aged", "aged", "since", ("raw",), shards=2)
MAILS = Table("mails", "mails", indexes=(AGED,))
NOTES = Table("notes", "rows with the keys of mails")
Go = Callable[..., RunReport]


class Mails(Purge):
    """Purge mails with their dependents."""

    name = "mails"
    table = MAILS
    keep = days(30)
    objects: ClassVar = {"raw": RAW}
    along = (NOTES,)
    idempotency = natural("a row once deleted is not found again")


class Held(Mails):
    """Purge mails that are unchanged since they were read."""

    name = "held-mails"
    holds = ("since",)


@pytest.fixture
def go(cloud: Cloud, log: Lines) -> Go:
    create(cloud, MAILS)
    create(cloud, NOTES)
    return lambda job: run(job, Firing(job.name, cloud.clock.now(), correlation_id="c"), cloud, log)


def mail(cloud: Cloud, key: str, **rest: Any) -> None:
    row = {"pk": key, "sk": "-", "aged": AGED.partition(key), "since": clocks.iso(DUE), "raw": f"{RAW}{key}", **rest}
    cloud.dynamodb.put_item(TableName=cloud.names.table("mails"), Item=attributes.row(row))
    cloud.dynamodb.put_item(TableName=cloud.names.table("notes"), Item=attributes.row({"pk": key, "sk": "-"}))
    cloud.s3.put_object(Bucket=cloud.names.bucket, Key=f"{RAW}{key}", Body=b"Subject: x")


def there(cloud: Cloud) -> tuple[list[str], list[str], list[str]]:
    """Rows, notes, objects."""
    found = [cloud.dynamodb.scan(TableName=cloud.names.table(table))["Items"] for table in ("mails", "notes")]
    objects = cloud.s3.list_objects_v2(Bucket=cloud.names.bucket, Prefix=RAW).get("Contents", [])
    keys = [sorted(item["pk"]["S"] for item in items) for items in found]
    return keys[0], keys[1], sorted(each["Key"].removeprefix(RAW) for each in objects)


@pytest.mark.parametrize("job", [Mails(), Held()], ids=["free", "held"])
def test_what_hangs_on_a_row_goes_with_it_and_nothing_else_does(job: Purge, go: Go, cloud: Cloud) -> None:
    for number in range(60):
        mail(cloud, f"m{number}")
    mail(cloud, "young", since=clocks.iso(NOON))
    assert go(job).counts == {"purged": 60}
    assert there(cloud) == (["young"], ["young"], ["young"])


def test_up_to_1000_objects_cost_one_call_and_25_rows_one_elsewhere(go: Go, cloud: Cloud) -> None:
    for number in range(60):
        mail(cloud, f"m{number}")
    calls = Calls(cloud)
    go(Mails())
    assert calls.made.count("s3:DeleteObjects") == 1
    assert calls.made.count("dynamodb:BatchWriteItem") == 6


@pytest.mark.parametrize("job", [Mails(), Held()], ids=["free", "held"])
@pytest.mark.parametrize("last", ["delete_objects", "batch_write_item", "delete_item"])
def test_a_crash_at_any_step_leaves_the_row_by_which_the_rest_is_found(
    job: Purge, last: str, go: Go, cloud: Cloud, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(**_: Any) -> Any:
        raise Killed

    mail(cloud, "a")
    with monkeypatch.context() as patched:
        patched.setattr(cloud.s3 if last == "delete_objects" else cloud.bulk, last, die)
        if job.holds or last != "delete_item":
            with pytest.raises(Killed):
                go(job)
            assert there(cloud)[0] == ["a"]
    clock.move(minutes=20)
    assert go(job).outcome == "done"
    assert there(cloud) == ([], [], [])


def test_a_row_that_was_taken_since_it_was_read_keeps_what_hangs_on_it(
    go: Go, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Raced(Held):
        """Purge while another job takes the rows."""

        name = "held-mails"

        def archive(self, tick: Any, rows: Any) -> None:
            mail(tick.cloud, "used", since=clocks.iso(NOON))
            tick.cloud.dynamodb.delete_item(
                TableName=tick.cloud.names.table("mails"), Key={"pk": {"S": "taken"}, "sk": {"S": "-"}}
            )

    for key in ("idle", "used", "taken"):
        mail(cloud, key)
    assert go(Raced()).counts == {"purged": 1, "moved": 2}
    assert there(cloud) == (["used"], ["taken", "used"], ["taken", "used"])


def test_a_held_row_is_marked_before_it_loses_anything(go: Go, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    mail(cloud, "a")
    monkeypatch.setattr(cloud.s3, "delete_objects", lambda **_: {"Errors": [{"Key": "mail/a", "Message": "no"}]})
    assert go(Held()).note == "OSError: 1 objects were not deleted, mail/a: no"
    [item] = cloud.dynamodb.scan(TableName=cloud.names.table("mails"))["Items"]
    assert item["going"] == {"BOOL": True}


def test_a_row_that_names_an_object_of_somebody_else_stays(go: Go, cloud: Cloud, log: Lines) -> None:
    mail(cloud, "good")
    mail(cloud, "bad", raw="audit-log-cleanup/archive/2025.jsonl.gz")
    assert go(Mails()).counts == {"purged": 1, "spared": 1}
    assert there(cloud)[0] == ["bad"]
    [line] = log.said("mails_spared")
    assert line["note"] == "its raw is 'audit-log-cleanup/archive/2025.jsonl.gz', and must be in mail/"


def test_a_row_without_an_object_goes_as_well(go: Go, cloud: Cloud) -> None:
    mail(cloud, "a", raw=None)
    assert go(Mails()).counts == {"purged": 1}


def test_it_may_delete_what_hangs_on_its_rows_and_no_more() -> None:
    grants = {(grant.resource, grant.actions) for grant in Mails.grants()}
    assert ("bucket/mail/*", ("s3:DeleteObject",)) in grants
    assert ("table/notes", ("dynamodb:DeleteItem", "dynamodb:BatchWriteItem")) in grants
    writes = {grant.resource for grant in Mails.grants() if "dynamodb:UpdateItem" in grant.actions}
    assert "table/mails" not in writes
    assert "table/mails" in {grant.resource for grant in Held.grants() if "dynamodb:UpdateItem" in grant.actions}


def test_a_purge_may_keep_rows_for_as_long_as_another_does(go: Go, cloud: Cloud) -> None:
    class Others(Mails):
        """Purge as mails are."""

        name = "others"
        keeps_with = Mails

    mail(cloud, "a", since=clocks.iso(NOON - days(7)))
    cloud.environment = {"OTHERS_KEEP": "1d"}
    assert go(Others()).counts == {"purged": 0}
    cloud.environment = {"MAILS_KEEP": "7d"}
    cloud.clock.sleep(60)
    assert go(Others()).counts == {"purged": 1}
    assert [setting for setting in Others.all_settings() if setting.name.endswith("_KEEP")] == [
        setting for setting in Mails.all_settings() if setting.name.endswith("_KEEP")
    ]


def test_what_another_job_has_not_dealt_with_stays_however_old(go: Go, cloud: Cloud) -> None:
    class Behind(Mails):
        """Purge rows that were added up."""

        name = "behind"
        behind = "adder"

    mail(cloud, "added")
    mail(cloud, "later", since=clocks.iso(DUE - timedelta(days=1) + timedelta(milliseconds=1)))
    mail(cloud, "old", since=clocks.iso(DUE - timedelta(days=1)))
    assert go(Behind()).counts == {"purged": 0}
    mark = watermark.Watermark()
    watermark.close(cloud, "adder", mark, clocks.iso(DUE - timedelta(days=1)))
    cloud.clock.sleep(60)
    assert go(Behind()).counts == {"purged": 1}
    assert there(cloud)[0] == ["added", "later"]
    watermark.close(cloud, "adder", watermark.read(cloud, "adder"), clocks.iso(NOON))
    cloud.clock.sleep(60)
    assert go(Behind()).counts == {"purged": 2}


@pytest.mark.parametrize("job", [Mails(), Held()], ids=["free", "held"])
def test_a_plan_takes_along_what_hung_on_its_rows(job: Purge, go: Go, cloud: Cloud, log: Lines) -> None:
    for key in ("a", "b"):
        mail(cloud, key)
    firing = Firing(job.name, cloud.clock.now(), manual=True)
    with draft.from_actions(
        job.actions(RunContext(job, firing, cloud, "dry", cloud.clock.now(), log, dry=True))
    ) as drafted:
        made = plan.create(
            cloud, job, RunContext(job, firing, cloud, "dry", cloud.clock.now(), log, dry=True), drafted, "ada"
        )
    assert made.counts == {"delete": 2}
    assert len(there(cloud)[2]) == 2
    assert run(job, firing_for(made), cloud, log).counts == {"purged": 2}
    assert there(cloud) == ([], [], [])
