"""Manual runs of jobs in an account, simulated by moto."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.watchdog import Terminated, Watchdog
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import registry
from shared.run.claim import Claims
from shared.run.firing import Firing
from tests.cli.conftest import HEAD, Answer, Call
from tests.conftest import Lines, waiting

AWS = ("--aws", "--stage", "test")
CONTRACT = {"job", "run_id", "tick", "outcome", "ms", "counts", "artifact"}


def everything(cloud: Cloud) -> list[Any]:
    """All rows and objects."""
    items = cloud.dynamodb.scan(TableName=cloud.names.table("state"))["Items"]
    objects = cloud.s3.list_objects_v2(Bucket=cloud.names.bucket).get("Contents", [])
    return [*map(attributes.plain, items), *(entry["Key"] for entry in objects)]


def item(cloud: Cloud, job: str, target: str = "-") -> dict[str, Any]:
    key = attributes.row({"pk": f"{job}:last", "sk": target})
    return attributes.plain(cloud.dynamodb.get_item(TableName=cloud.names.table("state"), Key=key).get("Item"))


def test_a_run_prints_one_json_document_with_the_fields_of_the_contract(call: Call, aws: Cloud) -> None:
    answer = call("good", "--json", *AWS)
    assert answer.code == 0
    assert set(answer.json) >= CONTRACT
    assert (answer.json["job"], answer.json["outcome"], answer.json["counts"]) == ("good", "done", {"counted": 3})
    assert answer.json["artifact"].startswith("good/-/")
    assert {"start", "end", "status", "error"} <= set(answer.json)


def test_logs_go_to_stderr(call: Call, aws: Cloud) -> None:
    lines = [json.loads(line) for line in call("good", "--log", "json", *AWS).err.splitlines() if line[0] == "{"]
    assert [line["message"] for line in lines] == ["good_started", "good_complete"]


def test_account_and_stage_are_printed_first(call: Call, aws: Cloud) -> None:
    first = call("good", *AWS).err.splitlines()[0]
    assert first.startswith("account 123456789012, stage test, us-east-1, as arn:aws:")


def test_the_summary_is_one_line_with_job_start_end_status_and_error(call: Call, aws: Cloud) -> None:
    (line,) = call("good", *AWS).out.splitlines()
    assert line.startswith("job=good run_id=")
    assert {word.partition("=")[0] for word in line.split()} >= {"start", "end", "status", "counts"}
    (line,) = call("bad", *AWS).out.splitlines()
    assert "status=failed" in line
    assert 'error="RuntimeError: the roof is on fire"' in line


def test_a_failed_job_is_exit_code_1_and_sends_no_retry(call: Call, aws: Cloud) -> None:
    answer = call("bad", "--json", *AWS)
    assert answer.code == 1
    assert answer.json["error"] == "RuntimeError: the roof is on fire"
    assert item(aws, "bad")["status"]["outcome"] == "failed"
    assert waiting(aws, "firings") == waiting(aws, "firings-dlq") == []


def test_a_closed_gate_is_a_skip_with_exit_code_0(call: Call, aws: Cloud) -> None:
    answer = call("costly", "--json", *AWS)
    assert (answer.code, answer.json["outcome"]) == (0, "disabled")


def test_the_environment_opens_a_gate(call: Call, aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSTLY_ENABLE", "true")
    assert call("costly", "--json", *AWS).json["outcome"] == "done"


def test_a_setting_that_cannot_be_read_is_refused_and_named(
    call: Call, aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COSTLY_ENABLE", "perhaps")
    answer = call("costly", "--json", *AWS)
    assert answer.code == 2
    assert "COSTLY_ENABLE='perhaps'" in answer.json["error"]


def test_a_job_whose_plan_is_not_written_has_no_dry_run(call: Call, aws: Cloud, jobs: Path) -> None:
    (jobs / "demo" / "unwritten.py").write_text(
        HEAD
        + '''
class Unwritten(Job):
    """Do."""
    schedule = hourly(minute=1)
    idempotency = natural("nothing is done")
    def plan(self, run):
        raise NotImplementedError("describe what work would do")
    def work(self, run):
        return Done()
'''
    )
    answer = call("unwritten", "--dry-run", *AWS)
    assert answer.code == 1
    assert answer.err.endswith("unwritten has no dry run yet: describe what work would do\n")


def test_an_unknown_job_suggests_the_nearest(call: Call, jobs: Path) -> None:
    answer = call("goood")
    assert (answer.code, answer.out) == (2, "")
    assert "did you mean 'good'?" in answer.err
    assert "did you mean 'status'?" in call("statsu").err


def test_an_error_is_one_json_document_too(call: Call, jobs: Path) -> None:
    answer = call("goood", "--json")
    assert answer.json == {"error": "there is no job 'goood'; did you mean 'good'?", "code": 2}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("good", "--at", "yesterday"), "'yesterday' is not a time"),
        (("good", "--at", "2999-01-01T00:00Z"), "is in the future"),
        (("good", "--target", "elsewhere"), "has no target 'elsewhere'"),
        (("sharded", "--target", "2"), "it has 0, 1"),
        (("good", "--tarmac"), "--tarmac"),
        (("mailbox",), "driven by its queue 'demo:letters'"),
        (("runs", "good", "--limit", "0"), "at least 1"),
        (("logs", "good", "--since", "long"), "is not a duration"),
        (("dead", "show"), "name a dead letter by its id"),
        (("test", "good", "--event", "/nowhere.json"), "/nowhere.json"),
    ],
)
def test_wrong_use_is_exit_code_2_with_a_reason_and_does_nothing(
    words: tuple[str, ...], said: str, call: Call, aws: Cloud
) -> None:
    answer = call(*words, *AWS)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert everything(aws) == []


def test_a_flag_before_the_job_is_wrong_use(call: Call) -> None:
    answer = call("--dry-run", "good")
    assert (answer.code, answer.out) == (2, "")
    assert "comes after the job" in answer.err


def test_a_stage_without_aws_is_wrong_use(call: Call, jobs: Path) -> None:
    assert call("good", "--stage", "prod").code == 2


def test_missing_credentials_are_exit_code_3(call: Call, aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    answer = call("good", "--json", *AWS)
    assert answer.code == 3
    assert answer.json["code"] == 3


def test_an_unreachable_cloud_is_exit_code_3(call: Call, jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert call("good", *AWS).code == 3


def test_a_stage_that_is_not_deployed_is_exit_code_3(call: Call, aws: Cloud) -> None:
    answer = call("good", "--aws", "--stage", "staging")
    assert answer.code == 3
    assert "not deployed" in answer.err


def test_a_dry_run_prints_the_plan_and_leaves_no_trace(call: Call, aws: Cloud) -> None:
    answer = call("good", "--dry-run", "--at", "2026-01-01T04:30", *AWS)
    assert (answer.code, answer.out) == (0, "count to three at 04:30\n")
    assert call("good", "--dry-run", "--json", *AWS).json["plan"]
    assert everything(aws) == []


def test_a_plan_that_writes_is_refused(call: Call, aws: Cloud) -> None:
    answer = call("bad", "--dry-run", *AWS)
    assert answer.code == 1
    assert "dynamodb:PutItem" in answer.err
    assert everything(aws) == []


def test_a_tick_is_run_once(call: Call, aws: Cloud) -> None:
    at = ("--at", "2026-01-01T04:30")
    first, second = call("good", "--json", *at, *AWS), call("good", "--json", *at, *AWS)
    assert [answer.json["outcome"] for answer in (first, second)] == ["done", "deduplicated"]
    assert first.json["tick"] == "2026-01-01T04:30Z#00"
    assert item(aws, "good")["last"] == "2026-01-01T04:30Z#00"
    assert call("good", "--json", "--at", "2026-01-01T04:15", *AWS).json["outcome"] == "superseded"


def test_a_failed_tick_can_be_run_again_manually(call: Call, aws: Cloud) -> None:
    answers = [call("bad", "--json", "--at", "2026-01-01T04:07", *AWS) for _ in range(3)]
    assert [answer.json["outcome"] for answer in answers] == ["failed"] * 3
    assert call("runs", "bad", "--json", *AWS).json[0]["attempt"] == 3


def test_at_now_is_the_tick_of_this_minute(call: Call, aws: Cloud) -> None:
    before = datetime.now(UTC)
    tick = call("good", "--json", "--at", "now", *AWS).json["tick"]
    assert (
        before.replace(second=0, microsecond=0) <= datetime.fromisoformat(tick.partition("#")[0]) <= datetime.now(UTC)
    )


def test_a_manual_run_claims_no_tick(call: Call, aws: Cloud) -> None:
    call("good", *AWS)
    assert "last" not in item(aws, "good")
    assert call("good", "--json", *AWS).json["outcome"] == "done"


def test_a_held_lease_refuses_a_manual_run(call: Call, aws: Cloud) -> None:
    job = registry.find("good")
    Claims(aws, job, "-").take(Firing("good", aws.clock.now()), "another", "request")
    answer = call("good", "--json", *AWS)
    assert (answer.code, answer.json["outcome"]) == (0, "locked")


def test_a_shard_can_be_run_alone(call: Call, aws: Cloud) -> None:
    answer = call("sharded", "--target", "1", "--json", *AWS)
    assert (answer.json["target"], answer.json["counts"]) == ("1", {"shard": 1})


def assert_lost(aws: Cloud, note: str) -> None:
    """Assert that the run of `good` is recorded as lost and holds no lease."""
    found = item(aws, "good")
    assert found["status"]["outcome"] == "lost"
    assert found["status"]["note"] == note
    assert not {"holder", "lease_until"} & set(found)


def test_the_watchdog_ends_a_run_at_its_timeout_and_records_it(call: Call, aws: Cloud, log: Lines) -> None:
    job, ends = registry.find("good"), list[int]()
    firing = Firing("good", aws.clock.now())
    with Watchdog(aws, job, firing, log, ends.append) as watchdog:
        Claims(aws, job, "-").take(firing, "20260101T000000.000Z-00000000", watchdog.request)
        watchdog.timer.cancel()
        watchdog.expire()
    assert ends == [1]
    assert_lost(aws, "ended by the watchdog at its timeout of 300 s")
    assert [line["lost"] for line in log.said("good_lost")] == ["20260101T000000.000Z-00000000"]
    assert call("runs", "good", "--json", *AWS).json == []


@pytest.mark.parametrize(
    ("stop", "note"), [(KeyboardInterrupt, "interrupted at the keyboard"), (Terminated, "ended by SIGTERM")]
)
def test_an_interrupted_run_releases_its_lease(
    stop: type[KeyboardInterrupt], note: str, aws: Cloud, log: Lines
) -> None:
    job = registry.find("good")
    firing = Firing("good", aws.clock.now())

    def work() -> None:
        with Watchdog(aws, job, firing, log) as watchdog:
            Claims(aws, job, "-").take(firing, "20260101T000000.000Z-00000000", watchdog.request)
            raise stop

    with pytest.raises(stop):
        work()
    assert_lost(aws, note)


def test_the_watchdog_does_not_release_the_lease_of_another_run(aws: Cloud, log: Lines) -> None:
    job = registry.find("good")
    firing = Firing("good", aws.clock.now())
    Claims(aws, job, "-").take(firing, "another", "another request")
    Watchdog(aws, job, firing, log).mark_lost("too late")
    assert item(aws, "good")["holder"] == "another"


def sample(jobs: Path, event: Any) -> str:
    path = jobs / "event.json"
    path.write_text(json.dumps(event))
    return str(path)


def test_a_sample_event_is_handled_as_in_lambda_at_the_present_time(call: Call, aws: Cloud, jobs: Path) -> None:
    event = sample(jobs, {"source": "aws.events", "time": "2020-01-01T00:00:00Z", "id": "1"})
    answer = call("test", "good", "--event", event, "--json", *AWS)
    assert (answer.code, answer.json["outcome"]) == (0, "done")
    assert datetime.now(UTC) - datetime.fromisoformat(answer.json["tick"].partition("#")[0]) < timedelta(minutes=2)
    assert item(aws, "good")["last"] == answer.json["tick"]


def test_a_sample_manual_request_can_be_tested_twice(call: Call, aws: Cloud, jobs: Path) -> None:
    firing = {"job": "good", "at": "2020-01-01T00:00:00Z", "manual": True, "id": "by-hand"}
    event = sample(jobs, {"firing": firing})
    outcomes = [call("test", "good", "--event", event, "--json", *AWS).json["outcome"] for _ in range(2)]
    assert outcomes == ["done", "done"]


def test_a_sample_event_can_be_given_a_time(call: Call, aws: Cloud, jobs: Path) -> None:
    event = sample(jobs, {"source": "aws.events", "time": "2020-01-01T00:00:00Z"})
    day = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    answer = call("test", "good", "--event", event, "--at", f"{day}T04:30Z", "--json", *AWS)
    assert answer.json["tick"] == f"{day}T04:30Z#00"


@pytest.mark.parametrize("event", [{"hello": "world"}, [1], {"firing": {"job": "bad", "at": "2026-01-01T00:00Z"}}])
def test_an_unknown_event_is_wrong_use(event: Any, call: Call, aws: Cloud, jobs: Path) -> None:
    answer = call("test", "good", "--event", sample(jobs, event), *AWS)
    assert (answer.code, answer.out) == (2, "")


@pytest.mark.parametrize(("body", "code", "failed"), [("good", 0, []), ("bad", 1, ["m1"])])
def test_a_consumer_receives_its_sample_messages(
    body: str, code: int, failed: list[str], call: Call, aws: Cloud, jobs: Path
) -> None:
    event = sample(jobs, {"Records": [{"messageId": "m1", "body": body, "attributes": {}}]})
    answer: Answer = call("test", "mailbox", "--event", event, "--json", *AWS)
    assert answer.code == code
    assert set(answer.json) >= CONTRACT
    assert answer.json["failures"] == failed


def test_timestamps_in_a_sample_message_move_with_the_time_at_which_it_was_sent() -> None:
    from cli.commands.test import at_time

    body = json.dumps({"at": "2026-03-02T11:59:00.000Z", "period": "2026-03", "run": "20260302T115900.000Z-0a1b2c3d"})
    record = {"body": body, "attributes": {"SentTimestamp": "1772452800000", "SenderId": "1"}}
    at = datetime(2026, 11, 21, 22, 5, tzinfo=UTC)
    [moved] = at_time({"Records": [record]}, at)["Records"]
    assert moved["attributes"] == {"SentTimestamp": "1795298700000", "SenderId": "1"}
    assert json.loads(moved["body"]) == {**json.loads(body), "at": "2026-11-21T22:04:00.000Z"}
    unsent = {"body": body, "attributes": {}}
    assert at_time({"Records": [unsent]}, at)["Records"][0]["body"] == body


def test_a_redriven_tick_is_run_manually_as_its_next_attempt(aws: Cloud) -> None:
    from cli.commands.run_job import tick_firing

    job, at = registry.find("good"), datetime.now(UTC).replace(second=0, microsecond=0)
    dead = Firing("good", at, attempt=3, redrive=2)
    item = {"pk": "good:last", "sk": "-", "last_attempt": dead.dedup_key}
    aws.dynamodb.put_item(TableName=aws.names.table("state"), Item=attributes.row(item))
    firing = tick_firing(job, at, "-", aws)
    assert (firing.attempt, firing.redrive) == (4, 2)
    assert firing.dedup_key > dead.dedup_key
