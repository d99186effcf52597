"""Commands that show all jobs read them by a few calls, not by one for each job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from botocore.client import BaseClient

from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.dynamodb.client import OperationCall
from shared.job.outcome import Done
from shared.run.begin import run_id
from shared.run.firing import Firing
from shared.run.history import History
from shared.store import table
from tests.cli.conftest import HEAD, Call

AWS = ("--aws", "--stage", "test")
# Further jobs, without named targets.
MANY = 60
# `bad` and `costly` have sites, and `named` takes any name.
NAMED = 3
TEXT = '''
class Job{number}(Job):
    """Count."""
    schedule = hourly(minute={minute})
    idempotency = natural("counting again counts the same")
    def work(self, run):
        return Done()
'''
BY_NAME = '''
class Named(Job):
    """Count what is named."""
    idempotency = natural("counting again counts the same")
    by_name = True
    def work(self, run):
        return Done()
'''


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the calls of all clients, the command's own included."""
    counted: Counter[str] = Counter()
    call = BaseClient._make_api_call  # type: ignore[attr-defined]
    make = OperationCall.make

    def count(client: Any, operation: str, parameters: Any) -> Any:
        counted[operation] += 1
        return call(client, operation, parameters)

    def count_item_call(operation: OperationCall, parameters: Any) -> Any:
        counted[operation.operation] += 1
        return make(operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", count)
    monkeypatch.setattr(OperationCall, "make", count_item_call)
    return counted


@pytest.fixture
def many(aws: Cloud, jobs: Any) -> Cloud:
    for number in range(MANY):
        (jobs / "demo" / f"job{number}.py").write_text(HEAD + TEXT.format(number=number, minute=number % 60))
    (jobs / "demo" / "named.py").write_text(HEAD + BY_NAME)
    return aws


def put(cloud: Cloud, **values: Any) -> None:
    cloud.dynamodb.put_item(TableName=cloud.names.table("state"), Item=attributes.row(values))


def last(cloud: Cloud, job: str, target: str = "-", **values: Any) -> None:
    status = {"outcome": "done", "ok": True, "at": "2026-11-21T00:00:00.000Z"}
    put(cloud, pk=f"{job}:last", sk=target, status=status, **values)


def without_account(made: Counter[str]) -> dict[str, int]:
    return {operation: count for operation, count in made.items() if operation != "GetCallerIdentity"}


def test_status_reads_all_jobs_by_one_call_and_named_targets_by_one_each(
    call: Call, many: Cloud, made: Counter[str]
) -> None:
    last(many, "good")
    last(many, "sharded", "1")
    last(many, "job7")
    last(many, "named", "any.example")
    made.clear()
    shown = call("status", "--json", *AWS).json
    assert set(shown) == {"good:last", "sharded:last:1", "job7:last", "named:last:any.example"}
    assert without_account(made) == {"BatchGetItem": 1, "Query": NAMED}


def test_pauses_are_read_for_paused_jobs_only(call: Call, many: Cloud, made: Counter[str]) -> None:
    for job in ("good", "job9"):
        assert call("pause", job, "--reason", "rest", *AWS).code == 0
    assert call("pause", "mailbox", "--tenant", "org_1", "--reason", "rest", *AWS).code == 0
    made.clear()
    found = call("pauses", "--json", *AWS).json
    assert [(pause["job"], pause["part"]) for pause in found] == [
        ("good", "job"),
        ("job9", "job"),
        ("mailbox", "tenant#org_1"),
    ]
    assert without_account(made) == {"BatchGetItem": 1, "Query": NAMED + 3}


def test_a_list_reads_nothing(call: Call, many: Cloud, made: Counter[str]) -> None:
    made.clear()
    assert len(call("list", "--json").json) == MANY + 6
    assert made == {}


def test_top_reads_each_partition_of_the_history_once_and_only_the_attributes_that_it_shows(
    call: Call, many: Cloud, made: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = many.clock.now() - timedelta(minutes=1)
    History(many, "job3", "standard").write(Firing("job3", at), run_id(at), at, Done({"counted": 3}), 10)
    asked: list[Sequence[str]] = []
    query = table.query

    def spy(*args: Any, attributes_read: Sequence[str] = (), **options: Any) -> Any:
        asked.append(attributes_read)
        return query(*args, attributes_read=attributes_read, **options)

    monkeypatch.setattr(table, "query", spy)
    made.clear()
    shown = call("top", "--hours", "0.5", "--json", *AWS).json
    assert {each["job"]: each["runs"] for each in shown}["job3"] == 1
    # Half an hour is in one day, or in two just after midnight.
    assert set(without_account(made)) == {"Query"}
    assert made["Query"] in (MANY + 6, 2 * (MANY + 6))
    assert {"started", "ms"} <= set(asked[0])
    assert "counts" not in asked[0]
