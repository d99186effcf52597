"""Dead letters that were not resolved are deleted after 30 days, rows and payloads."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.operations.dead_letter_cleanup import DeadLetterCleanup
from shared import clock as clocks
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.job import manifest
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import NOON, Lines, VirtualClock
from tests.functions.operations.conftest import ENTRIES

DUE = NOON - timedelta(days=30)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "load", lambda: ENTRIES)


def letter(cloud: Cloud, mark: str, at: datetime, job: str = "sweep", **more: str) -> None:
    payload = f"dead/{job}/{mark}.json"
    cloud.s3.put_object(Bucket=cloud.names.bucket, Key=payload, Body=b"{}")
    row = {"pk": f"dead#{job}", "sk": f"{clocks.iso(at)}#{mark}", "id": mark, "job": job, "payload": payload, **more}
    cloud.dynamodb.put_item(TableName=cloud.names.table("state"), Item=attributes.row(row))


def left(cloud: Cloud, job: str = "sweep") -> list[str]:
    """Return the ids of the dead letters that have rows."""
    answer = cloud.dynamodb.query(
        TableName=cloud.names.table("state"),
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=attributes.row({":pk": f"dead#{job}"}),
    )
    return [attributes.plain(item)["id"] for item in answer["Items"]]


def payloads(cloud: Cloud) -> list[str]:
    listed = cloud.s3.list_objects_v2(Bucket=cloud.names.bucket).get("Contents", [])
    return [found["Key"] for found in listed]


def clean(cloud: Cloud) -> RunReport:
    return run(
        DeadLetterCleanup(),
        Firing("dead-letter-cleanup", cloud.clock.now(), correlation_id="c"),
        cloud,
        Lines(cloud.clock),
    )


def test_a_dead_letter_is_deleted_at_thirty_days_and_not_a_second_before(cloud: Cloud) -> None:
    for mark, at in {
        "before": DUE - timedelta(seconds=1),
        "at": DUE,
        "after": DUE + timedelta(seconds=1),
        "new": NOON,
    }.items():
        letter(cloud, mark, at)
    assert clean(cloud).counts == {"purged": 2}
    assert left(cloud) == ["after", "new"]
    assert payloads(cloud) == ["dead/sweep/after.json", "dead/sweep/new.json"]


def test_dead_letters_of_an_unknown_job_are_deleted(cloud: Cloud) -> None:
    letter(cloud, "stray", DUE, "unknown")
    assert clean(cloud).counts == {"purged": 1}
    assert left(cloud, "unknown") == []


def test_dead_letters_of_a_removed_job_are_deleted(cloud: Cloud) -> None:
    letter(cloud, "orphan", DUE, "gone")
    store.record_job(cloud, "gone")
    assert clean(cloud).counts == {"purged": 1}
    assert left(cloud, "gone") == []


def test_the_age_of_a_dead_letter_counts_from_its_last_failure(cloud: Cloud, clock: VirtualClock) -> None:
    letter(cloud, "again", DUE, state="dead", diedAt=clocks.iso(DUE + timedelta(days=2)))
    assert clean(cloud).counts == {"purged": 0, "spared": 1}
    assert payloads(cloud) == ["dead/sweep/again.json"]
    clock.move(days=2)
    assert clean(cloud).counts == {"purged": 1}


def test_a_dead_letter_that_is_being_redriven_stays_until_its_retry_ends(cloud: Cloud, clock: VirtualClock) -> None:
    letter(cloud, "sent", DUE, state="retrying", retryEnds=clocks.iso(NOON + timedelta(minutes=5)))
    assert clean(cloud).counts == {"purged": 0, "spared": 1}
    clock.move(minutes=6)
    assert clean(cloud).counts == {"purged": 1}


def test_a_second_run_deletes_nothing(cloud: Cloud, clock: VirtualClock) -> None:
    letter(cloud, "old", DUE)
    clean(cloud)
    clock.move(minutes=1)
    assert clean(cloud).counts == {"purged": 0}


def test_a_crash_between_payload_and_row_is_completed_by_the_next_run(
    cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(**_: Any) -> Any:
        raise Killed

    letter(cloud, "old", DUE)
    with monkeypatch.context() as patched:
        patched.setattr(cloud.bulk, "batch_write_item", die)
        with pytest.raises(Killed):
            clean(cloud)
    assert (left(cloud), payloads(cloud)) == (["old"], [])
    clock.move(minutes=10)
    assert clean(cloud).counts == {"purged": 1}
    assert left(cloud) == []


def test_a_payload_that_cannot_be_deleted_keeps_its_row(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    letter(cloud, "old", DUE)
    denied = {"Errors": [{"Key": "dead/sweep/old.json", "Code": "AccessDenied", "Message": "no"}]}
    monkeypatch.setattr(cloud.s3, "delete_objects", lambda **_: denied)
    report = clean(cloud)
    assert (report.outcome, left(cloud)) == ("failed", ["old"])
    assert "1 objects were not deleted, dead/sweep/old.json: no" in report.note


def test_a_dry_run_lists_dead_letters_by_id(cloud: Cloud, log: Lines) -> None:
    from shared.run.context import RunContext

    letter(cloud, "abcdef0123456789", DUE)
    job = DeadLetterCleanup()
    lines = job.plan(RunContext(job, Firing(job.name, NOON), cloud, "dry", NOON, log, dry=True))
    assert lines == ["delete 1", "  abcdef01 of sweep, failed at 2026-01-31T12:00:00.000Z"]
    assert left(cloud) == ["abcdef0123456789"]


def test_other_rows_of_the_table_stay() -> None:
    own = {key for grant in DeadLetterCleanup.permissions if grant.resource == "table/state" for key in grant.keys}
    assert own == {"dead", "dead#*"}
    deleted = {
        key for grant in DeadLetterCleanup.permissions if "dynamodb:DeleteItem" in grant.actions for key in grant.keys
    }
    assert deleted == {"dead#*"}
