"""The items of all jobs are read at once, in the order of the jobs, and by query only where any target may exist."""

from __future__ import annotations

import math
from typing import Any

import pytest

from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import manifest, registry
from shared.job.manifest import Entry
from shared.run import status_view
from tests.conftest import Calls

ENTRIES = manifest.of(registry.jobs({}).values())
NAMED = [name for name, entry in ENTRIES.items() if entry["named_targets"]]


def put(cloud: Cloud, job: str, *targets: str) -> None:
    for target in targets:
        item: Any = attributes.row({"pk": f"{ENTRIES[job]['key']}:last", "sk": target, "fence": 1})
        cloud.dynamodb.put_item(TableName=cloud.names.table("state"), Item=item)


def test_jobs_with_sites_and_jobs_by_name_have_named_targets() -> None:
    assert {"pricing", "docs", "webeval", "dns-recheck"} <= set(NAMED)
    assert "session-cleanup" not in NAMED


def test_a_call_reads_a_hundred_items_and_one_more_each_job_with_named_targets(cloud: Cloud) -> None:
    sharded = "session-cleanup"
    entries = {**ENTRIES, sharded: Entry(**{**ENTRIES[sharded], "shards": 2})}
    put(cloud, sharded, "1", "-", "0")
    put(cloud, "pricing", "-", "removed.example")
    calls = Calls(cloud)
    found = [(job, item["sk"]) for job, item in status_view.items(cloud, entries)]
    expected = {sharded: ["-", "0", "1"], "pricing": ["-", "removed.example"]}
    assert found == [(job, target) for job in ENTRIES for target in expected.get(job, [])]
    # A job itself and each of its shards has an item; a call reads a hundred.
    shards = (entry["shards"] if entry["shards"] > 1 else 0 for entry in entries.values() if not entry["named_targets"])
    read = math.ceil(sum(1 + count for count in shards) / 100)
    assert sorted(calls.made) == [*["dynamodb:BatchGetItem"] * read, *["dynamodb:Query"] * len(NAMED)]


def test_the_items_of_whole_jobs_are_read_by_one_call(cloud: Cloud) -> None:
    put(cloud, "pricing", "-", "shop.example")
    put(cloud, "session-cleanup", "-")
    calls = Calls(cloud)
    assert set(status_view.own_items(cloud, ENTRIES)) == {"pricing", "session-cleanup"}
    assert calls.made == ["dynamodb:BatchGetItem"]


@pytest.mark.parametrize("read", [status_view.items, status_view.own_items])
def test_without_jobs_nothing_is_read(cloud: Cloud, read: Any) -> None:
    calls = Calls(cloud)
    assert list(read(cloud, {})) == []
    assert calls.made == []
