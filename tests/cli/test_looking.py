"""Commands that read runs, status and logs of an account, simulated by moto."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.job_arguments import find_job
from cli.up import leftover_runs
from cli.up.first_run import run_line
from cli.up.follow import HistoryFollower
from shared import clock
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import manifest, registry
from shared.job.outcome import Done, Failed
from shared.run import lost_runs
from shared.run.begin import run_id
from shared.run.claim import Claims
from shared.run.firing import Firing
from shared.run.history import History
from shared.store import failure_index, keys
from tests.cli.conftest import Answer, Call
from tests.conftest import Calls, Lines

AWS = ("--aws", "--stage", "test")


def ended(cloud: Cloud, at: datetime, ms: int = 10, error: str = "") -> str:
    """Write a history row as a run does; returns its id."""
    mine = run_id(at)
    outcome = Failed(error) if error else Done({"counted": 3})
    History(cloud, "good", "standard").write(Firing("good", at), mine, at, outcome, ms)
    return mine


def put(cloud: Cloud, **values: Any) -> None:
    cloud.dynamodb.put_item(TableName=cloud.names.table("state"), Item=attributes.row(values))


def failed(cloud: Cloud, job: str, at: datetime, tenant: str = "", **more: Any) -> str:
    """Write the row of a failed message; returns its id."""
    mine = f"{run_id(at)}.1"
    index = failure_index.keys_of_run(job, mine, at, tenant)
    row = {"job": job, "outcome": "failed", "ok": False, "started": clock.iso(at), "target": "-", **more, **index}
    put(cloud, **keys.run(job, mine).attributes, **row, **({"tenant": tenant} if tenant else {}))
    return mine


def ids(answer: Answer) -> list[str]:
    return [row["run_id"] for row in answer.json]


def test_what_failed_for_an_organization_is_one_command_over_all_jobs(call: Call, aws: Cloud) -> None:
    now = aws.clock.now()
    ended(aws, now, error="oh")
    old = failed(aws, "mailbox", now - timedelta(days=3), "org_7", entityId="p1")
    new = failed(aws, "other", now - timedelta(hours=2), "org_7", entityId="p2", note="no door")
    failed(aws, "mailbox", now, "org_8")
    calls = Calls(aws)
    answer = call("runs", "--tenant", "org_7", "--json", *AWS)
    assert ids(answer) == [new, old]
    assert not {"bad_at", "bad_tenant", "bad_day", "pk", "sk"} & answer.json[0].keys()
    assert ids(call("runs", "mailbox", "--tenant", "org_7", "--json", *AWS)) == [old]
    assert ids(call("runs", "--tenant", "org_7", "--entity", "p2", "--json", *AWS)) == [new]
    assert ids(call("runs", "--tenant", "org_7", "--since", "1d", "--json", *AWS)) == [new]
    assert "dynamodb:Scan" not in calls.made
    head, line = call("runs", "--tenant", "org_7", "--since", "1d", *AWS).out.splitlines()
    assert head.split()[:5] == ["started", "(UTC)", "job", "tenant", "target"]
    assert line.split()[2:5] == ["other", "org_7", "p2"]
    assert "no door" in line


def test_an_organization_with_dead_letters_is_told_the_command(call: Call, aws: Cloud) -> None:
    now = aws.clock.now()
    assert "dead letters" not in call("runs", "--tenant", "org_7", *AWS).err
    put(aws, pk="dead#other", sk="d", job="other", **failure_index.keys_of_dead_letter("other", now, "org_7"))
    advice = "org_7 has dead letters: python jobs.py dead list --tenant org_7 --aws --stage test"
    assert advice in call("runs", "--tenant", "org_7", *AWS).err
    assert "dead letters" not in call("runs", "good", "--tenant", "org_7", *AWS).err
    put(aws, pk="uncertain#post", sk="e", job="post", **failure_index.keys_of_uncertain_effect("post", now, "org_7"))
    advice = "org_7 has effects with an unknown outcome: python jobs.py effects post --aws --stage test"
    assert advice in call("runs", "--tenant", "org_7", *AWS).err


def test_failures_of_all_jobs_are_found_by_outcome_entity_and_age(call: Call, aws: Cloud) -> None:
    now = aws.clock.now()
    bad = run_id(now)
    History(aws, "good", "standard").write(Firing("good", now, target="a.example"), bad, now, Done(ok=False), 7)
    ended(aws, now)
    day = ended(aws, now - timedelta(days=2), error="oh")
    ended(aws, now - timedelta(days=8), error="older than what is listed")
    assert ids(call("runs", "--outcome", "bad", "--json", *AWS)) == [bad]
    assert ids(call("runs", "--outcome", "bad", "--outcome", "failed", "--json", *AWS)) == [bad, day]
    assert ids(call("runs", "--entity", "a.example", "--json", *AWS)) == [bad]
    assert ids(call("runs", "--since", "1h", "--json", *AWS)) == [bad]
    assert call("runs", "--outcome", "lost", *AWS).err.splitlines()[-1].startswith("no run on record matches")


def test_the_runs_of_a_job_are_filtered_too_also_those_in_progress(call: Call, aws: Cloud) -> None:
    now = aws.clock.now()
    good, bad = ended(aws, now - timedelta(minutes=5)), ended(aws, now - timedelta(hours=2), error="oh")
    Claims(aws, registry.find("good"), "-").take(Firing("good", now), "mine", "request")
    assert ids(call("runs", "good", "--since", "1h", "--json", *AWS)) == ["mine", good]
    assert ids(call("runs", "good", "--outcome", "done", "--json", *AWS)) == [good]
    assert ids(call("runs", "good", "--outcome", "failed", "--json", *AWS)) == [bad]
    assert ids(call("runs", "good", "--entity", "-", "--json", *AWS)) == ["mine", good, bad]


def test_runs_are_searched_by_text_in_any_case(call: Call, aws: Cloud) -> None:
    now = aws.clock.now()
    roof = ended(aws, now - timedelta(minutes=1), error="The ROOF is on fire")
    ended(aws, now, error="no door")
    entity = failed(aws, "mailbox", now, "org_7", entityId="roof-17")
    assert ids(call("runs", "good", "--search", "roof is", "--json", *AWS)) == [roof]
    assert set(ids(call("runs", "--search", "Roof", "--json", *AWS))) == {roof, entity}
    assert ids(call("runs", "good", "--search", "cellar", "--json", *AWS)) == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "name the job, or what to list of all jobs"),
        (("--limit", "3"), "name the job, or what to list of all jobs"),
        (("--outcome", "done"), "--outcome done: name the job"),
        (("good", "--tenant", "org_7", "--outcome", "done"), "only messages that failed name their organization"),
        (("--tenant", " "), "--tenant is empty"),
        (("--entity", ""), "--entity is empty"),
        (("--search", " "), "--search is empty"),
        (("--since", "soon"), "--since 'soon' is not a duration"),
        (("--since", "999999999d"), "--since '999999999d'"),
    ],
)
def test_a_filter_that_no_index_answers_is_refused(call: Call, aws: Cloud, words: tuple[str, ...], why: str) -> None:
    answer = call("runs", *words, *AWS)
    assert (answer.code, answer.out) == (2, "")
    assert why in answer.err


@pytest.mark.parametrize(
    "message",
    [
        "The table does not have the specified index: tenant",
        "Cannot read from backfilling global secondary index: tenant",
    ],
)
def test_a_deployment_without_the_index_is_told_how_to_get_it(
    call: Call, aws: Cloud, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    error = ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "Query")

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(failure_index, "of_tenant", refuse)
    answer = call("runs", "--tenant", "org_7", *AWS)
    assert answer.code == 3
    assert "see docs/howto/upgrade.md" in answer.err


def test_runs_are_the_newest_first_across_days(call: Call, aws: Cloud) -> None:
    now = aws.clock.now()
    mine = [ended(aws, now - timedelta(hours=hours), error="oh") for hours in (50, 26, 3, 1)]
    answer = call("runs", "good", "--json", *AWS)
    assert [row["run_id"] for row in answer.json] == mine[::-1]
    assert [row["run_id"] for row in call("runs", "good", "--limit", "3", "--json", *AWS).json] == mine[:0:-1]


def test_an_expired_row_is_not_shown(call: Call, aws: Cloud) -> None:
    # Retention of the class `standard`: a day for successful runs, a week for failed ones; rows live three days longer.
    ended(aws, aws.clock.now() - timedelta(hours=97))
    kept = ended(aws, aws.clock.now() - timedelta(hours=97), error="oh")
    assert [row["run_id"] for row in call("runs", "good", "--json", *AWS).json] == [kept]


def test_running_and_expired_runs_are_listed_above_the_history(call: Call, aws: Cloud) -> None:
    old = ended(aws, aws.clock.now())
    claims = Claims(aws, registry.find("good"), "-")
    claim = claims.take(Firing("good", aws.clock.now()), "mine", "request")
    claims.progress(claim, "counting", 40)  # type: ignore[arg-type]
    shown = call("runs", "good", "--json", *AWS).json
    assert [(row["run_id"], row["outcome"]) for row in shown] == [("mine", "running"), (old, "done")]
    assert shown[0]["note"] == "counting 40 %"
    aws.dynamodb.update_item(
        TableName=aws.names.table("state"),
        Key=attributes.row({"pk": "good:last", "sk": "-"}),
        UpdateExpression="SET lease_until = :past",
        ExpressionAttributeValues=attributes.row({":past": 1}),
    )
    assert call("runs", "good", "--json", *AWS).json[0]["outcome"] == "dead"


def test_runs_without_history_print_the_retention(call: Call, aws: Cloud) -> None:
    answer = call("runs", "good", *AWS)
    assert (answer.code, answer.out) == (0, "")
    assert "retained for 1 day, those of failed runs for 7 days" in answer.err
    assert call("runs", "good", "--json", *AWS).json == []


def test_a_bad_verdict_is_a_word_and_not_only_a_colour(call: Call, aws: Cloud) -> None:
    bad = {"outcome": "done", "ok": False, "at": "2026-11-21T00:00:00.000Z", "note": "HTTP 500"}
    put(aws, pk="bad:last", sk="a.example", state="COMPLETED", status=bad)
    row, sums = call("status", *AWS).out.splitlines()[1:]
    assert row.split()[:2] == ["bad", "bad"]
    assert row.endswith("1 of 1 bad  a.example: HTTP 500")
    assert sums == "5 jobs: 1 failing, 4 not run yet"


def last(aws: Cloud, job: str, target: str = "-", **status: Any) -> None:
    status = {"outcome": "done", "ok": True, "at": "2026-11-21T00:00:00.000Z", **status}
    put(aws, pk=f"{job}:last", sk=target, status=status)


def test_status_lists_failing_jobs_first_and_each_job_once(call: Call, aws: Cloud) -> None:
    for number in range(20):
        last(aws, "bad", f"{number:02}.example")
    last(aws, "costly")
    last(aws, "good", outcome="failed", ok=False, note="no answer", streak=4)
    _, *rows, sums = call("status", *AWS).out.splitlines()
    assert [row.split()[0] for row in rows] == ["good", "bad", "costly"]
    assert "4 in a row; no answer" in rows[0]
    assert "20" in rows[1].split()
    assert sums == "5 jobs: 1 failing, 2 fine, 2 not run yet"


def test_status_can_be_limited_to_bad_jobs_and_to_a_group(call: Call, aws: Cloud) -> None:
    last(aws, "bad", ok=False)
    last(aws, "bad", "fine.example")
    last(aws, "good")
    assert set(call("status", "--bad", "--json", *AWS).json) == {"bad:last"}
    assert [row.split()[0] for row in call("status", "--bad", *AWS).out.splitlines()[1:-1]] == ["bad"]
    assert call("status", "--group", "demo", *AWS).out.splitlines()[-1].startswith("5 jobs:")


@pytest.mark.parametrize("words", [("status", "--group"), ("top", "--group"), ("list",)])
def test_an_unknown_group_is_refused_with_the_groups_that_exist(call: Call, aws: Cloud, words: tuple[str, ...]) -> None:
    answer = call(*words, "elsewhere", *(() if words == ("list",) else AWS))
    assert (answer.code, answer.out) == (2, "")
    assert "there is no group 'elsewhere'; the groups are demo" in answer.err


def test_status_of_a_tenant_shows_its_failed_messages_and_its_pause(call: Call, aws: Cloud) -> None:
    at = aws.clock.now()
    failed(aws, "mailbox", at, tenant="org_1", note="full")
    shown = call("status", "--tenant", "org_1", *AWS).out.splitlines()
    assert shown[1].split()[:2] == ["mailbox", "failed"]
    assert "1 message of org_1 failed in 24 h, the last with: full" in shown[1]
    assert call("status", "--tenant", "org_2", *AWS).out == "0 jobs\n"


def test_status_of_one_job_shows_it_alone(call: Call, aws: Cloud) -> None:
    last(aws, "bad", ok=False)
    last(aws, "good")
    head, row, sums = call("status", "good", *AWS).out.splitlines()
    assert (head.split()[0], row.split()[0], sums) == ("job", "good", "1 job: 1 fine")
    assert "did you mean 'good'?" in call("status", "goood", *AWS).err


@pytest.mark.parametrize(
    ("words", "lines"), [((), ["good: failed; no answer", "costly: done"]), (("--bad",), ["good: failed; no answer"])]
)
def test_a_watched_status_prints_a_line_for_each_change(
    call: Call, aws: Cloud, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], lines: list[str]
) -> None:
    last(aws, "good")

    def change() -> None:
        last(aws, "good", outcome="failed", ok=False, note="no answer")
        last(aws, "costly")

    # The same failure again is no change.
    changes = iter([change, change])

    def nap(_seconds: float) -> None:
        if (step := next(changes, None)) is None:
            raise KeyboardInterrupt
        step()

    monkeypatch.setattr("cli.commands.status.time.sleep", nap)
    answer = call("status", "--watch", *words, *AWS)
    watched = answer.out.partition("not run yet\n")[2].splitlines()
    assert (answer.code, [line[10:] for line in watched]) == (0, lines)


def test_a_watched_status_is_no_document(call: Call, aws: Cloud) -> None:
    assert call("status", "--watch", "--json", *AWS).code == 2


def test_a_narrow_status_has_a_line_for_each_fact(call: Call, aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    last(aws, "bad", "shop.example", ok=False, note="the answer had no price " * 4, streak=3)
    monkeypatch.setenv("COLUMNS", "60")
    lines = call("status", *AWS).out.splitlines()
    assert lines[:2] == ["bad", "  state: bad"]
    assert "  targets: 1 of 1 bad" in lines
    assert max(map(len, lines)) <= 60


def test_status_has_the_keys_of_the_status_route(call: Call, aws: Cloud) -> None:
    call("good", *AWS)
    last(aws, "bad", "a.example")
    shown = call("status", "--json", *AWS).json
    assert set(shown) == {"good:last", "bad:last:a.example"}
    assert (shown["good:last"]["outcome"], shown["good:last"]["progress"]) == ("done", 100)


def test_the_token_is_printed_alone(call: Call, aws: Cloud) -> None:
    assert call("token", *AWS).out == "open sesame\n"


def logged(aws: Cloud, *lines: tuple[int, str]) -> None:
    logs: Any = aws.session.client("logs", region_name="us-east-1")
    group = "/aws/lambda/nightshift-test-good"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    now = clock.milliseconds(aws.clock.now())
    events = [{"timestamp": now - ago * 1000, "message": f"{line}\n"} for ago, line in lines]
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)


def test_a_log_is_read_from_the_time_of_since(call: Call, aws: Cloud) -> None:
    logged(aws, (7200, "long ago"), (600, "a while ago"), (5, "just now"))
    assert call("logs", "good", *AWS).out == "a while ago\njust now\n"
    assert call("logs", "good", "--since", "3h", *AWS).out == "long ago\na while ago\njust now\n"
    assert [line["message"] for line in call("logs", "good", "--since", "1m", "--json", *AWS).json] == ["just now"]


def test_a_log_is_followed_until_ctrl_c(call: Call, aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    logged(aws, (5, "just now"))
    naps = iter([None])

    def nap(_seconds: float) -> None:
        if next(naps, "over") == "over":
            raise KeyboardInterrupt

    monkeypatch.setattr("cli.commands.logs.time.sleep", nap)
    answer = call("logs", "good", "--follow", *AWS)
    assert (answer.code, answer.out) == (0, "just now\n")


def test_a_job_without_a_log_group_has_an_empty_log(call: Call, aws: Cloud) -> None:
    answer = call("logs", "good", *AWS)
    assert (answer.code, answer.out) == (0, "")


def test_each_run_is_followed_once_after_it_has_ended(aws: Cloud) -> None:
    start = aws.clock.now() - timedelta(minutes=10)
    before = ended(aws, start - timedelta(minutes=1))
    follower = HistoryFollower(aws, [registry.find("good")], start)
    assert follower.new_rows() == []
    mine = ended(aws, start + timedelta(minutes=9))
    # It started before the other one and ended after it.
    late = ended(aws, start)
    assert [row["sk"] for row in follower.new_rows()] == [late, mine]
    assert follower.new_rows() == []
    assert before not in follower.seen


def test_a_run_is_summarized_in_one_line(aws: Cloud) -> None:
    row = {"job": "good", "outcome": "done", "ok": False, "ms": 12, "counts": {"hosts": 2, "bad": 0}, "attempt": 2}
    assert run_line(row) == "good, attempt 2: bad in 12 ms, 2 hosts"
    assert run_line({**row, "ok": True, "note": "fine", "attempt": 1}) == "good: done in 12 ms, fine"


def test_runs_interrupted_with_the_local_cloud_are_lost_and_release_their_claims(aws: Cloud, log: Lines) -> None:
    job = registry.find("good")
    claims = Claims(aws, job, "-")
    claims.take(Firing("good", aws.clock.now()), run_id(aws.clock.now()), "request")
    assert leftover_runs.mark_lost(aws, [job], datetime(2026, 1, 1, tzinfo=UTC), log) == 0
    assert leftover_runs.mark_lost(aws, [job], aws.clock.now() + timedelta(seconds=1), log) == 1
    (item,) = lost_runs.claim_items(aws, manifest.of([job])["good"])
    assert item["status"]["outcome"] == "lost"
    assert item["status"]["note"] == leftover_runs.NOTE
    assert "holder" not in item
    assert [line["error"] for line in log.said("good_lost")] == [leftover_runs.NOTE]


def test_settings_of_the_deployed_function_apply_unless_the_environment_overrides_them(
    call: Call, aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed = {"Environment": {"Variables": {"COSTLY_ENABLE": "true", "PATH": "/nowhere"}}}
    monkeypatch.setattr("cli.job_settings._deployed", lambda *_: deployed["Environment"]["Variables"])
    assert call("costly", "--json", *AWS).json["outcome"] == "done"
    monkeypatch.setenv("COSTLY_ENABLE", "false")
    assert call("costly", "--json", *AWS).json["outcome"] == "disabled"


def test_every_command_with_a_job_suggests_one_for_an_unknown_name(call: Call, jobs: Path) -> None:
    for command in ("runs", "test", "logs"):
        answer = call(command, "goood")
        assert answer.code == 2
        assert "did you mean 'good'?" in answer.err
    assert find_job("good").name == "good"
