"""Sample rows: objects first, existing rows stay, and a warned row ages from its warning on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared import clock
from shared.aws.cloud import Cloud
from shared.product import sample_rows
from shared.product.sample_rows import SampleRow
from shared.store.record import InvalidRecord
from tests.conftest import NOON, Calls
from tests.support.purging import objects
from tests.support.sweeping import all_of


def hold(name: str) -> dict[str, str]:
    held_at = "2026-01-30T12:00:00.000Z"
    return {"user": "ada", "id": name, "alias": "shop@in.example", "raw": f"mail/ada/{name}", "held_at": held_at}


def sample(name: str) -> SampleRow:
    return SampleRow("holds", hold(name), {f"mail/ada/{name}": b"Subject: hi\r\n\r\nthere"})


def test_objects_exist_before_the_rows_that_name_them(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_rows, "AT_ONCE", 2)
    calls = Calls(cloud)
    assert sample_rows.write(cloud, map(sample, "abc")) == {"holds": 3}
    assert objects(cloud) == ["mail/ada/a", "mail/ada/b", "mail/ada/c"]
    writes = [call for call in calls.made if call in ("s3:PutObject", "dynamodb:BatchWriteItem")]
    assert writes[:2] == ["s3:PutObject"] * 2
    assert writes[-1] == "dynamodb:BatchWriteItem"


def test_an_existing_row_stays_and_new_rows_are_counted_by_table(cloud: Cloud) -> None:
    user = {"user": "ada", "id": "-", "email": "ada@mail.example", "created_at": clock.iso(NOON)}
    assert sample_rows.write(cloud, [SampleRow("users", user)]) == {"users": 1}
    renamed = SampleRow("users", {**user, "name": "Ada"})
    assert sample_rows.write(cloud, [renamed, sample("a")]) == {"users": 0, "holds": 1}
    assert [row["name"] for row in all_of(cloud, "users")] == [""]


def test_a_row_that_is_no_record_of_its_table_is_refused(cloud: Cloud) -> None:
    with pytest.raises(InvalidRecord, match="held_at: is not a timestamp"):
        sample_rows.write(cloud, [SampleRow("holds", {**hold("a"), "held_at": "yesterday"})])


def test_a_warned_row_is_in_the_partition_of_warned_rows_and_ages_from_the_warning(cloud: Cloud) -> None:
    warned_at = NOON - timedelta(hours=25)
    sample_rows.write(cloud, [SampleRow("holds", hold("new")), SampleRow("holds", hold("warned"), warned_at=warned_at)])
    new, warned = all_of(cloud, "holds")
    assert (new["since"], warned["since"]) == ("2026-01-30T12:00:00.000Z", "2026-03-01T11:00:00.000Z")
    assert not new["aged"].startswith("warned#")
    assert warned["aged"].startswith("warned#")
    assert warned["held_at"] == new["held_at"]
