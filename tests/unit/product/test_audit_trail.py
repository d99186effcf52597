"""Audit trail entries of users are valid, in order and written once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.product import audit_trail
from shared.product.records.accounts import AuditEntry
from shared.store import put_if_absent
from shared.store.record import InvalidRecord
from tests.conftest import NOON


def entry(cloud: Cloud, *fields: Any, **more: Any) -> bool:
    return put_if_absent.put_if_absent(cloud, audit_trail.put(*fields, **more))


def trails(cloud: Cloud, user: str = "ada") -> list[AuditEntry]:
    answer = cloud.dynamodb.query(
        TableName=cloud.names.table("audit"),
        KeyConditionExpression="pk = :user",
        ExpressionAttributeValues=attributes.row({":user": user}),
    )
    return [AuditEntry.from_row(attributes.plain(item)) for item in answer["Items"]]


def test_an_entry_is_written_once_however_often_its_job_runs(cloud: Cloud) -> None:
    made = [entry(cloud, "ada", "alias.deactivated", "alias-expiration", NOON, subject="a@b.c") for _ in "12"]
    assert made == [True, False]
    [found] = trails(cloud)
    assert (found.action, found.actor, found.subject, found.at) == (
        *("alias.deactivated", "alias-expiration", "a@b.c"),
        NOON,
    )


def test_other_subjects_and_times_are_separate_entries_in_order(cloud: Cloud) -> None:
    later = NOON + timedelta(seconds=1)
    for at, subject in ((later, "a@b.c"), (NOON, "d@e.f"), (NOON, "a@b.c")):
        assert entry(cloud, "ada", "alias.deactivated", "alias-expiration", at, subject=subject)
    assert [found.at for found in trails(cloud)] == [NOON, NOON, later]


def test_an_entry_without_an_action_is_refused(cloud: Cloud) -> None:
    with pytest.raises(InvalidRecord, match="action"):
        entry(cloud, "ada", "", "alias-expiration", NOON)
