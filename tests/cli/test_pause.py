"""`pause` and `resume` of jobs, targets and tenants."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.operations.dead_letters import DeadLetters
from functions.operations.dispatch import Dispatch
from shared.admin.pause import has_tenants
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import registry
from shared.job.budget import Budget
from shared.job.definition import Job
from tests.cli.conftest import HEAD, Call

AWS = ("--aws", "--stage", "test")
WHY = ("--reason", "index rebuild", "--who", "ada", *AWS)


@pytest.fixture(autouse=True)
def region(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")


def table(cloud: Cloud) -> list[dict[str, Any]]:
    return [attributes.plain(item) for item in cloud.dynamodb.scan(TableName=cloud.names.table("state"))["Items"]]


def kept(cloud: Cloud, pk: str) -> dict[str, dict[str, Any]]:
    return {item["sk"]: item for item in table(cloud) if item["pk"] == pk}


def test_a_paused_job_is_not_run_and_a_resumed_one_is(call: Call) -> None:
    assert call("pause", "good", *WHY).code == 0
    held = call("good", "--json", *AWS)
    assert (held.code, held.json["outcome"], held.json["note"]) == (0, "paused", "ada: index rebuild")
    assert call("resume", "good", *AWS).code == 0
    assert call("good", "--json", *AWS).json["outcome"] == "done"


def test_a_pause_shows_operator_reason_start_and_the_command_to_resume(call: Call) -> None:
    answer = call("pause", "good", *WHY)
    assert "good is paused since 20" in answer.out
    assert "UTC by ada: index rebuild; runs in progress" in answer.out
    assert "python jobs.py resume good --aws --stage test" in answer.out


def test_a_second_pause_is_exit_code_4_and_shows_the_first(call: Call, aws: Cloud) -> None:
    call("pause", "good", *WHY)
    before = table(aws)
    answer = call("pause", "good", "--reason", "other", "--who", "bob", "--json", *AWS)
    assert answer.code == 4
    assert answer.json["error"].startswith("nothing was done: good is paused since 20")
    assert answer.json["error"].endswith("UTC by ada: index rebuild")
    assert table(aws) == before


def test_a_resume_without_a_pause_is_exit_code_4_and_does_nothing(call: Call, aws: Cloud) -> None:
    answer = call("resume", "good", "--json", *AWS)
    assert (answer.code, answer.json["error"]) == (4, "good is not paused; nothing was done")
    assert table(aws) == []


@pytest.mark.parametrize(
    "words",
    [("good", "--reason", " "), ("good",), ("nobody", "--reason", "x"), ("good", "--target", "x", "--reason", "x")],
)
def test_an_empty_reason_an_unknown_job_and_an_unknown_target_are_exit_code_2(
    call: Call, aws: Cloud, words: tuple[str, ...]
) -> None:
    assert call("pause", *words, *AWS).code == 2
    assert table(aws) == []


def test_shards_are_paused_and_resumed_with_their_job(call: Call, aws: Cloud) -> None:
    call("pause", "sharded", *WHY)
    assert {sk: item["paused"] for sk, item in kept(aws, "sharded:last").items()} == dict.fromkeys(
        ("-", "0", "1"), "ada: index rebuild"
    )
    call("resume", "sharded", *AWS)
    assert not any("paused" in item for item in kept(aws, "sharded:last").values())


def test_a_paused_shard_stays_paused_when_its_job_is_resumed(call: Call, aws: Cloud) -> None:
    call("pause", "sharded", "--target", "1", "--reason", "bad disk", "--who", "bob", *AWS)
    assert call("sharded", "--target", "1", "--json", *AWS).json["outcome"] == "paused"
    assert call("sharded", "--target", "0", "--json", *AWS).json["outcome"] == "done"
    call("pause", "sharded", *WHY)
    call("resume", "sharded", *AWS)
    assert call("sharded", "--target", "1", "--json", *AWS).json["note"] == "bob: bad disk"
    call("resume", "sharded", "--target", "1", *AWS)
    assert call("sharded", "--target", "1", "--json", *AWS).json["outcome"] == "done"


def test_a_resumed_shard_is_still_held_by_the_pause_of_its_job(call: Call, aws: Cloud) -> None:
    call("pause", "sharded", "--target", "1", "--reason", "bad disk", "--who", "bob", *AWS)
    call("pause", "sharded", *WHY)
    call("resume", "sharded", "--target", "1", *AWS)
    assert call("sharded", "--target", "1", "--json", *AWS).json["note"] == "ada: index rebuild"


def test_a_stop_by_the_brake_is_resumed_by_the_command_of_its_alert(call: Call, aws: Cloud) -> None:
    item = attributes.row({"pk": "good:last", "sk": "-", "paused": "brake: 100 due"})
    aws.dynamodb.put_item(TableName=aws.names.table("state"), Item=item)
    assert "nothing was done: good is paused by brake: 100 due" in call("pause", "good", *WHY).err
    assert call("resume", "good", *AWS).code == 0
    assert "paused" not in kept(aws, "good:last")["-"]


def test_no_operator_may_have_the_name_of_the_brake(call: Call, aws: Cloud) -> None:
    answer = call("pause", "good", "--reason", "x", "--who", "brake", *AWS)
    assert answer.code == 4
    assert table(aws) == []


def test_pause_and_resume_are_audited_with_operator_and_reason(call: Call, aws: Cloud) -> None:
    call("pause", "good", *WHY)
    call("resume", "good", "--reason", "rebuilt", "--who", "bob", *AWS)
    entries = [item for item in table(aws) if item["pk"].startswith("audit#")]
    told = sorted((entry["what"], entry["who"], entry["reason"], entry["end"]) for entry in entries)
    assert told == [("pause", "ada", "index rebuild", "done"), ("resume", "bob", "rebuilt", "done")]


def test_a_long_reason_is_truncated_in_the_claim_and_complete_in_the_pause(call: Call, aws: Cloud) -> None:
    call("pause", "good", "--reason", "é" * 140, "--who", "ada", *AWS)
    assert len(kept(aws, "good:last")["-"]["paused"].encode()) <= 100
    assert kept(aws, "pause#good")["job"]["why"] == "é" * 140


def test_resuming_one_part_keeps_the_marker_of_another(call: Call, aws: Cloud) -> None:
    for shard in ("0", "1"):
        assert call("pause", "sharded", "--target", shard, *WHY).code == 0
    first = kept(aws, "sharded:last")["1"]["partial_pauses"]
    call("resume", "sharded", "--target", "0", *AWS)
    assert kept(aws, "sharded:last")["1"]["partial_pauses"] != first
    call("resume", "sharded", "--target", "1", *AWS)
    assert "partial_pauses" not in kept(aws, "sharded:last")["1"]
    assert kept(aws, "pause#sharded") == {}


def test_resuming_a_job_with_a_used_up_budget_allows_as_much_again(
    call: Call, aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(registry.find("good")), "budget", Budget(items=2, per="month"))
    now = aws.clock.now()
    spent = {"period": f"{now:%Y-%m}", "items": 2, "micros": 0, "of": "2 items per month"}
    item = attributes.row({"pk": "good:last", "sk": "-", "fence": 1, "spent": spent})
    aws.dynamodb.put_item(TableName=aws.names.table("state"), Item=item)
    call("pause", "good", *WHY)
    was = call("resume", "good", *AWS)
    until = f"{(now.replace(day=1) + timedelta(days=32)).replace(day=1):%Y-%m-%d} 00:00 UTC"
    assert f"good is still held by its budget: 2 of 2 items used, held until {until}; repeat this" in was.out
    assert call("good", "--json", *AWS).json["outcome"] == "paused"
    assert call("status", "--json", *AWS).json["good:last"]["paused"].startswith("budget: 2 of 2 items used")
    assert call("resume", "good", *AWS).out.startswith("good is resumed; it was paused by budget: 2 of 2 items used")
    assert call("good", "--json", *AWS).json["outcome"] == "done"


def test_a_tenant_of_a_job_without_tenants_is_not_paused(call: Call, aws: Cloud) -> None:
    before = table(aws)
    for job in ("good", "sharded"):
        answer = call("pause", job, "--tenant", "acme", *WHY)
        assert answer.code == 4
        assert f"{job} has no organizations, so nothing would be held; nothing was done" in answer.err
    assert table(aws) == before


@pytest.mark.parametrize("job", [Dispatch, DeadLetters])
def test_firings_and_dead_letters_have_no_tenants(job: type[Job]) -> None:
    assert not has_tenants(job())


TENANTED = """
from shared.messages.payload import Payload

class {name}Note(Payload):
    text: str

class {name}(Consumer[{name}Note]):
    \"\"\"Read notes.\"\"\"
    queue = "demo:{name}"
    idempotency = natural("notes are only read")
    def admits(self, run, tenant):
        return True
    def handle(self, run, message):
        pass
"""


@pytest.fixture
def consumers(jobs: Path) -> None:
    for name in ("Notes", "Memos"):
        (jobs / "demo" / f"{name.lower()}.py").write_text(HEAD + TENANTED.format(name=name))


def test_a_tenant_is_paused_in_all_jobs_that_have_tenants(call: Call, aws: Cloud, consumers: None) -> None:
    assert call("pause", "notes", "--tenant", "acme", *WHY).code == 0
    answer = call("pause", "--tenant", "acme", *WHY)
    assert answer.code == 0
    assert "memos for tenant acme is paused" in answer.out
    assert "nothing was done: notes for tenant acme is paused" in answer.err
    assert "python jobs.py resume --tenant acme --aws --stage test" in answer.out
    listed = call("pauses", "--json", *AWS).json
    assert {(each["job"], each["part"]) for each in listed} == {
        (name, "tenant#acme") for name in ("notes", "memos", "mailbox")
    }
    assert call("resume", "--tenant", "acme", *AWS).code == 0
    assert call("pauses", "--json", *AWS).json == []


def test_a_pause_can_have_an_end_also_of_a_target_and_of_a_tenant_everywhere(
    call: Call, aws: Cloud, consumers: None
) -> None:
    until = aws.clock.now() + timedelta(hours=6)
    answer = call("pause", "good", "--until", "6h", *WHY)
    shown = f" until {until:%Y-%m-%d}"
    assert answer.code == 0
    assert shown in answer.out
    assert call("pause", "sharded", "--target", "1", "--until", f"{until:%Y-%m-%dT%H:%M:%SZ}", *WHY).code == 0
    assert call("pause", "--tenant", "acme", "--until", "2d", *WHY).code == 0
    listed = {(each["job"], each["part"]): each["until"] for each in call("pauses", "--json", *AWS).json}
    assert set(listed) == {
        ("good", "job"),
        ("sharded", "target#1"),
        *((name, "tenant#acme") for name in ("notes", "memos", "mailbox")),
    }
    assert all(listed.values())
    # One end for all jobs.
    assert len({end for (_, part), end in listed.items() if part == "tenant#acme"}) == 1
    head, *lines = call("pauses", *AWS).out.splitlines()
    assert "until (UTC)" in head
    assert any(line.startswith("good") and f"{until:%Y-%m-%d %H}" in line for line in lines)
    assert f"It is paused until {until:%Y-%m-%d %H}" in call("why", "good", *AWS).out
    [entry] = (
        item for item in table(aws) if item["pk"].startswith("audit#") and item.get("scope", {}).get("job") == "good"
    )
    assert entry["scope"]["until"] == listed["good", "job"]


@pytest.mark.parametrize("until", ["", "soon", "2020-01-01T00:00Z", "0h"])
def test_an_end_that_is_over_or_no_time_writes_nothing(call: Call, aws: Cloud, until: str) -> None:
    answer = call("pause", "good", "--until", until, *WHY)
    assert answer.code == 2
    assert "--until" in answer.err
    assert table(aws) == []


def test_all_pauses_are_listed_with_their_reason(call: Call, consumers: None) -> None:
    assert "nothing is paused" in call("pauses", *AWS).err
    call("pause", "good", *WHY)
    call("pause", "notes", "--tenant", "acme", *WHY)
    answer = call("pauses", *AWS)
    assert [line.split()[:2] for line in answer.out.splitlines()[1:]] == [["good", "job"], ["notes", "tenant"]]
    assert answer.out.count("ada: index rebuild") == 2
    assert len(call("pauses", "--tenant", "acme", "--json", *AWS).json) == 1


def test_a_job_or_a_tenant_is_needed(call: Call) -> None:
    answer = call("pause", *WHY)
    assert (answer.code, "name the job, or a tenant" in answer.err) == (2, True)


def test_a_target_that_has_left_the_settings_can_be_resumed(
    call: Call, aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("pause", "sharded", "--target", "1", *WHY).code == 0
    monkeypatch.setattr(type(registry.find("sharded")), "shards", 1)
    assert call("pause", "sharded", "--target", "1", *WHY).code == 2
    assert call("resume", "sharded", "--target", "1", *AWS).code == 0
    assert call("pauses", "--json", *AWS).json == []
