"""What is written into a user's audit trail, and that it is written once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared import rows, trail
from shared.cloud import Cloud
from shared.records.accounts import AuditEntry
from shared.records.record import InvalidRecord
from tests.conftest import NOON


def trails(cloud: Cloud, user: str = "ada") -> list[AuditEntry]:
    found = cloud.dynamodb.query(
        TableName=cloud.names.table("audit"),
        KeyConditionExpression="pk = :user",
        ExpressionAttributeValues=rows.row({":user": user}),
    )
    return [AuditEntry.of(rows.plain(item)) for item in found["Items"]]


def test_an_entry_is_written_once_however_often_its_job_runs(cloud: Cloud) -> None:
    made = [trail.entry(cloud, "ada", "alias.deactivated", "alias-expiration", NOON, subject="a@b.c") for _ in "12"]
    assert made == [True, False]
    [entry] = trails(cloud)
    assert (entry.action, entry.actor, entry.subject, entry.at) == (
        *("alias.deactivated", "alias-expiration", "a@b.c"),
        NOON,
    )


def test_other_subjects_and_instants_are_entries_of_their_own_in_order(cloud: Cloud) -> None:
    later = NOON + timedelta(seconds=1)
    for at, subject in ((later, "a@b.c"), (NOON, "d@e.f"), (NOON, "a@b.c")):
        assert trail.entry(cloud, "ada", "alias.deactivated", "alias-expiration", at, subject=subject)
    assert [entry.at for entry in trails(cloud)] == [NOON, NOON, later]


def test_an_entry_that_nobody_could_read_is_refused(cloud: Cloud) -> None:
    with pytest.raises(InvalidRecord, match="action"):
        trail.entry(cloud, "ada", "", "alias-expiration", NOON)
