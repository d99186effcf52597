"""`apply` performs exactly the plan of a dry run, or nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared import clock
from shared.archetypes.purge import runner
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.run.context import RunContext
from tests.cli.conftest import Call

AWS = ("--aws", "--stage", "test")
LITTER = '''
from shared.archetypes.purge import Purge
from shared.job.idempotency import natural
from shared.aws.permissions import delete_rows, read_rows
from shared.job.duration import days
from shared.tables import STATE


class Litter(Purge):
    """Pick up litter after 30 days."""

    table = STATE
    index = ""
    keep = days(30)
    idempotency = natural("what was picked up is not found again")
    permissions = (read_rows("state", "litter"), delete_rows("state", "litter"))

    def partitions(self, tick):
        return ["litter"]
'''


@pytest.fixture(autouse=True)
def litter(jobs: Path, aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """A purge job, and credentials for a region."""
    (jobs / "demo" / "litter.py").write_text(LITTER)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")


def drop(aws: Cloud, count: int = 1, start: int = 0) -> None:
    old = clock.iso(datetime.now(UTC) - timedelta(days=40))
    for number in range(start, start + count):
        item = attributes.row({"pk": "litter", "sk": f"{old}#{number}"})
        aws.dynamodb.put_item(TableName=aws.names.table("state"), Item=item)


def left(aws: Cloud) -> int:
    answer = aws.dynamodb.query(
        TableName=aws.names.table("state"),
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=attributes.row({":pk": "litter"}),
    )
    return answer["Count"]


def plans(aws: Cloud) -> list[dict[str, Any]]:
    found = aws.dynamodb.scan(TableName=aws.names.table("state"))["Items"]
    return [attributes.plain(item) for item in found if item["pk"]["S"].startswith("plan#")]


def test_a_dry_run_stores_a_plan_and_prints_the_command_that_applies_it(call: Call, aws: Cloud) -> None:
    drop(aws, 7)
    answer = call("litter", "--dry-run", *AWS)
    [row] = plans(aws)
    plan_id = row["pk"].removeprefix("plan#")
    lines = answer.out.splitlines()
    assert (answer.code, lines[0], lines[-1]) == (
        *(0, "delete 7, such as"),
        f"  python jobs.py apply {plan_id} --aws --stage test",
    )
    assert row["who"].startswith("arn:aws:")
    assert left(aws) == 7


def test_a_dry_run_as_json_has_counts_samples_digest_and_id(call: Call, aws: Cloud) -> None:
    drop(aws)
    shown = call("litter", "--dry-run", "--json", *AWS).json
    assert shown["counts"] == {"delete": 1}
    assert shown["plan"][0] == "delete 1"
    assert {"id", "cutoff", "until", "who", "digest", "samples", "tick"} <= shown.keys()


def test_a_dry_run_with_nothing_to_do_leaves_no_trace(call: Call, aws: Cloud) -> None:
    answer = call("litter", "--dry-run", *AWS)
    assert (answer.code, answer.out) == (0, "nothing to do\n")
    assert aws.dynamodb.scan(TableName=aws.names.table("state"))["Items"] == []


def test_a_plan_is_applied_and_its_run_is_summarized(call: Call, aws: Cloud) -> None:
    drop(aws, 30)
    made = call("litter", "--dry-run", "--json", *AWS).json["id"]
    answer = call("apply", made, "--json", *AWS)
    assert (answer.code, answer.json["outcome"], answer.json["counts"]) == (0, "done", {"purged": 30})
    assert left(aws) == 0


def test_changed_rows_are_exit_code_4_and_nothing_is_done(call: Call, aws: Cloud) -> None:
    drop(aws, 3)
    made = call("litter", "--dry-run", "--json", *AWS).json["id"]
    drop(aws, 1, start=3)
    answer = call("apply", made, "--json", *AWS)
    assert (answer.code, answer.json["outcome"]) == (4, "refused")
    assert answer.json["note"].startswith(f"the data has changed since plan {made}: it was delete 3, now it would be")
    assert left(aws) == 4


def test_a_plan_that_was_applied_already_is_exit_code_4(call: Call, aws: Cloud) -> None:
    drop(aws)
    made = call("litter", "--dry-run", "--json", *AWS).json["id"]
    call("apply", made, *AWS)
    answer = call("apply", made, "--json", *AWS)
    assert answer.code == 4
    assert "applied at" in answer.json["error"]


def test_a_plan_of_another_stage_is_exit_code_4_and_an_unknown_one_2(call: Call, aws: Cloud) -> None:
    drop(aws)
    made = call("litter", "--dry-run", "--json", *AWS).json["id"]
    answer = call("apply", made.replace(".test.", ".prod."), *AWS)
    assert (answer.code, "was made for stage 'prod' and this is 'test'" in answer.err) == (4, True)
    answer = call("apply", "litter.test.00000000", *AWS)
    assert (answer.code, "there is no plan 'litter.test.00000000'" in answer.err) == (2, True)
    assert left(aws) == 1


def test_a_plan_of_a_removed_job_is_wrong_use(call: Call, aws: Cloud, jobs: Path) -> None:
    drop(aws)
    made = call("litter", "--dry-run", "--json", *AWS).json["id"]
    (jobs / "demo" / "litter.py").unlink()
    answer = call("apply", made, *AWS)
    assert (answer.code, "there is no job" in answer.err) == (2, True)
    assert left(aws) == 1


def test_a_plan_larger_than_a_run_is_applied_completely(
    call: Call, aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "CHUNK", 10)
    drop(aws, 30)
    made = call("litter", "--dry-run", "--json", *AWS).json["id"]
    begun: set[str] = set()

    def remaining(run: RunContext) -> float:
        """Time for one chunk in each run."""
        left = 0 if run.run_id in begun else 100
        begun.add(run.run_id)
        return left

    monkeypatch.setattr(RunContext, "remaining", remaining)
    answer = call("apply", made, "--json", *AWS)
    assert (answer.code, answer.json["counts"]) == (0, {"purged": 30})
    assert left(aws) == 0
    assert len(begun) == 3


def test_a_stop_by_the_brake_is_exit_code_4(call: Call, aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITTER_MOST_ROWS", "5")
    drop(aws, 6)
    answer = call("litter", "--json", *AWS)
    assert (answer.code, answer.json["outcome"]) == (4, "refused")
    [row] = plans(aws)
    assert row["who"] == "brake"
    assert call("litter", "--json", *AWS).json["outcome"] == "paused"
    assert call("apply", row["pk"].removeprefix("plan#"), *AWS).code == 0
    assert left(aws) == 0
