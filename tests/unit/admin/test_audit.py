"""The operators' audit log has an entry before an action begins, and its end afterwards."""

from __future__ import annotations

import pytest

from shared.admin.audit import OperatorAuditEntry, ReasonMissing, entries
from shared.aws.cloud import Cloud
from tests.unit.store.test_table import lose_reply


def entry(cloud: Cloud, reason: str = "the table is back") -> OperatorAuditEntry:
    return OperatorAuditEntry(cloud, "dead retry", "ada", reason, {"job": "sweep"})


def test_an_entry_is_stored_before_the_action(cloud: Cloud) -> None:
    with entry(cloud) as written:
        assert [found["what"] for found in entries(cloud, 1)] == ["dead retry"]
        written.add("a")
    [found] = entries(cloud, 1)
    assert (found["count"], found["end"]) == (1, "done")


def test_an_error_is_the_end_of_its_entry(cloud: Cloud) -> None:
    with pytest.raises(OSError, match="full"), entry(cloud):
        raise OSError("the disk is full")
    assert [found["end"] for found in entries(cloud, 1)] == ["OSError: the disk is full"]


@pytest.mark.moto
def test_a_lost_reply_is_not_taken_for_another_entry(cloud: Cloud) -> None:
    lose_reply(cloud, "PutItem")
    with entry(cloud):
        pass
    assert len(list(entries(cloud, 1))) == 1


def test_an_entry_without_a_reason_is_refused(cloud: Cloud) -> None:
    with pytest.raises(ReasonMissing, match="add --reason TEXT"):
        entry(cloud, " ")
    assert list(entries(cloud, 1)) == []
