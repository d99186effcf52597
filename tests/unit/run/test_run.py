"""One run, on the real path, with any outcome of the job."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared import clock as clocks
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome, Rejected, Snoozed
from shared.job.retry import NO_RETRY, explicit
from shared.job.setting import names
from shared.run.context import RunContext
from shared.run.firing import MAX_PARTS, Firing, parse_firing
from shared.run.history import tick_label
from shared.run.report import RunReport
from shared.run.run import run
from shared.run.send import CHAIN_DELAY
from shared.store import keys, table
from shared.tables import STATE
from tests.conftest import NOON, Calls, Lines, VirtualClock, letters, waiting


class Sweep(Job):
    """Sweep what is due."""

    name = "sweep"
    timeout = 60
    retry = explicit(2, 4)
    idempotency = natural("a swept row is not found again")
    settings = (names("SWEEP_HOSTS", "one.example,two.example", "hosts that may be swept"),)

    def __init__(self, work: Callable[[RunContext], Outcome] = lambda _: Done({"swept": 3})) -> None:
        self.body = work
        self.ran = 0

    def work(self, run: RunContext) -> Outcome:
        self.ran += 1
        return self.body(run)


TICK = Firing("sweep", NOON, correlation_id="corr-1")
Go = Callable[..., RunReport]


@pytest.fixture
def go(cloud: Cloud, log: Lines) -> Go:
    def go(job: Job, firing: Firing = TICK, **rest: Any) -> RunReport:
        return run(job, firing, cloud, log, **rest)

    return go


def failing(error: Exception) -> Sweep:
    def work(_: RunContext) -> Outcome:
        raise error

    return Sweep(work)


def seen(go: Go, firing: Firing) -> Any:
    """The checkpoint that a run for this firing is given."""
    given: list[Any] = []

    def work(run: RunContext) -> Outcome:
        given.append(run.checkpoint)
        return Done()

    go(Sweep(work), firing)
    return given[0]


def row(cloud: Cloud, report: RunReport) -> dict[str, Any]:
    key = attributes.row(keys.run("sweep", report.run_id).attributes)
    return attributes.plain(cloud.dynamodb.get_item(TableName=cloud.names.table("state"), Key=key).get("Item"))


def item(cloud: Cloud, target: str = "-") -> dict[str, Any]:
    key = attributes.row({"pk": "sweep:last", "sk": target})
    return attributes.plain(cloud.dynamodb.get_item(TableName=cloud.names.table("state"), Key=key).get("Item"))


def test_a_good_run_leaves_status_history_and_log(go: Go, cloud: Cloud, log: Lines) -> None:
    report = go(Sweep())
    assert (report.outcome, report.counts) == ("done", {"swept": 3})
    assert item(cloud)["state"] == "COMPLETED"
    assert item(cloud)["status"]["ok"] is True
    assert row(cloud, report)["outcome"] == "done"
    [started] = log.said("sweep_started")
    [complete] = log.said("sweep_complete")
    assert {"job", "jobId", "entityId", "timestamp", "correlationId"} <= started.keys()
    assert {"job", "jobId", "entityId", "duration", "result", "status", "correlationId"} <= complete.keys()


def test_a_no_op_run_costs_three_calls_and_no_read(go: Go, cloud: Cloud) -> None:
    calls = Calls(cloud)
    go(Sweep(lambda _: Done()))
    assert calls.made == ["dynamodb:UpdateItem"] * 3


def test_the_three_writes_of_a_no_op_run_are_three_write_units(go: Go, cloud: Cloud) -> None:
    # moto reports no consumed capacity for updates; a write costs one unit a started kilobyte, and there is no index.
    report = go(Sweep(lambda _: Done()))
    assert attributes.size(attributes.row(item(cloud))) <= 1024
    assert attributes.size(attributes.row(row(cloud, report))) <= 1024


def test_a_held_lease_costs_one_call_to_know_and_one_to_record(go: Go, cloud: Cloud) -> None:
    inner: list[RunReport] = []
    calls = Calls(cloud)

    def work(run: RunContext) -> Outcome:
        calls.clear()
        inner.append(go(Sweep(), replace(TICK, at=NOON.replace(minute=1))))
        assert calls.made == ["dynamodb:UpdateItem"] * 2
        return Done()

    assert go(Sweep(work)).outcome == "done"
    assert inner[0].outcome == "locked"
    assert row(cloud, inner[0])["outcome"] == "locked"


def test_the_same_tick_twice_works_once_and_counts_on_the_winners_row(go: Go, cloud: Cloud) -> None:
    job = Sweep()
    first, second = go(job), go(job)
    assert (first.outcome, second.outcome, job.ran) == ("done", "deduplicated", 1)
    assert row(cloud, first)["duplicates"] == 1
    assert row(cloud, second) == {}


def test_an_older_tick_after_a_newer_success_is_superseded_and_no_dead_letter(go: Go, cloud: Cloud) -> None:
    go(Sweep(), replace(TICK, at=NOON.replace(minute=5)))
    report = go(Sweep())
    assert report.outcome == "superseded"
    assert row(cloud, report)["outcome"] == "superseded"
    assert letters(cloud, "firings-dlq") == []


def test_a_failure_is_retried_through_the_queue_with_its_history(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    report = go(failing(ValueError("no such column")))
    assert report.outcome == "failed"
    [sent] = waiting(cloud)
    firing = sent["firing"]
    assert firing["attempt"] == 2
    assert firing["last_error"] == "ValueError: no such column"
    assert firing["first_failed_at"] == "2026-03-02T12:00:00.000Z"
    assert firing["correlation_id"] == "corr-1"
    assert item(cloud)["status"]["streak"] == 1
    assert item(cloud)["state"] == "FAILED"


def test_the_delay_of_a_retry_is_at_least_the_policys(go: Go, cloud: Cloud, log: Lines) -> None:
    go(failing(ValueError("x")))
    go(failing(ValueError("x")), replace(TICK, attempt=2))
    assert [line["delay"] >= least for line, least in zip(log.said("retry_scheduled"), (2, 4), strict=True)] == [
        True,
        True,
    ]


def test_attempts_used_up_end_as_a_dead_letter_with_the_reason(go: Go, cloud: Cloud) -> None:
    report = go(failing(ValueError("x")), replace(TICK, attempt=3, first_failed_at="2026-03-02T11:59:00.000Z"))
    [letter] = letters(cloud, "firings-dlq")
    dead = letter["dead"]
    assert dead["reason"] == "all 3 attempts used up"
    assert (dead["job"], dead["run"], dead["attempts"]) == ("sweep", report.run_id, 3)
    assert dead["first_failed_at"] == "2026-03-02T11:59:00.000Z"
    assert dead["error"] == "ValueError: x"


def test_what_can_never_succeed_goes_straight_to_the_dead_letters(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    go(failing(Rejected("unknown unit")))
    assert letters(cloud, "firings-dlq")[0]["dead"]["reason"] == "rejected"
    assert waiting(cloud) == []


def test_a_job_without_retries_leaves_no_dead_letter_as_the_next_tick_catches_up(go: Go, cloud: Cloud) -> None:
    class Once(Sweep):
        """Fail once."""

        name = "once"
        retry = NO_RETRY

        def work(self, run: RunContext) -> Outcome:
            raise ValueError("x")

    assert go(Once(), replace(TICK, job="once")).outcome == "failed"
    assert letters(cloud, "firings-dlq") == []


def test_a_streak_ends_with_a_good_run_and_remembers_the_first_error(go: Go, cloud: Cloud) -> None:
    go(failing(ValueError("first")))
    go(failing(ValueError("second")), replace(TICK, at=NOON.replace(minute=1)))
    assert item(cloud)["status"] | {"streak": 2, "firstError": "ValueError: first"} == item(cloud)["status"]
    go(Sweep(), replace(TICK, at=NOON.replace(minute=2)))
    assert "streak" not in item(cloud)["status"]


def test_an_unfinished_run_continues_at_once_from_its_checkpoint(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    go(Sweep(lambda _: Done(checkpoint={"next": 7})))
    [sent] = waiting(cloud)
    assert (sent["firing"]["part"], sent["firing"]["attempt"]) == (1, 1)
    assert seen(go, TICK.continuation()) == {"next": 7}


def test_a_tick_of_many_parts_needs_several_chains_and_leaves_the_rest_to_the_next_tick(
    go: Go, cloud: Cloud, clock: VirtualClock
) -> None:
    firing, hops = TICK, []
    while True:
        go(Sweep(lambda tick: Done(checkpoint=(tick.checkpoint or 0) + 1)), firing)
        clock.move(seconds=CHAIN_DELAY)
        sent = waiting(cloud)
        if not sent:
            break
        firing = parse_firing(sent[0]["firing"], clock.now())
        hops.append(firing.hop)
    assert hops == ([3, 5, 7, 9, 1] * MAX_PARTS)[: MAX_PARTS - 1]
    assert seen(go, replace(TICK, at=NOON.replace(minute=1))) == MAX_PARTS


def test_a_retry_that_finds_the_lease_held_is_deferred_and_not_counted(
    go: Go, cloud: Cloud, clock: VirtualClock
) -> None:
    def work(run: RunContext) -> Outcome:
        report = go(Sweep(), replace(TICK, attempt=2))
        assert report.outcome == "snoozed"
        return Done()

    go(Sweep(work), replace(TICK, at=NOON.replace(minute=1)))
    [sent] = waiting(cloud)
    assert (sent["firing"]["attempt"], sent["firing"]["hop"]) == (2, 3)


def test_a_snoozing_job_is_fired_again_without_an_attempt_counted(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    assert go(Sweep(lambda _: Snoozed(30, "the relay is full"))).outcome == "snoozed"
    [sent] = waiting(cloud)
    assert sent["firing"]["attempt"] == 1
    job = Sweep()
    assert go(job, TICK.deferred()).outcome == "done"


@pytest.mark.parametrize(("seconds", "due"), [(900, None), (901, 901), (6 * 3600, 6 * 3600)])
def test_a_snooze_for_longer_than_a_queue_can_delay_states_its_time(
    go: Go, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, seconds: int, due: int | None
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(cloud.sqs, "send_message", lambda **message: sent.append(json.loads(message["MessageBody"])))
    before = clock.now()
    assert go(Sweep(lambda _: Snoozed(seconds, "the relay is full"))).outcome == "snoozed"
    expected = due and clocks.iso(before + timedelta(seconds=due))
    assert [body["firing"].get("not_before") for body in sent] == [expected]


def test_a_disabled_job_is_recorded_and_not_claimed(go: Go, cloud: Cloud) -> None:
    cloud.environment = {"SWEEP_ENABLE": "false"}
    report = go(Sweep())
    assert (report.outcome, report.note) == ("disabled", "SWEEP_ENABLE is false")
    assert row(cloud, report)["outcome"] == "disabled"
    assert item(cloud) == {}


def test_a_costly_job_is_off_until_it_is_switched_on(go: Go, cloud: Cloud) -> None:
    class Costly(Sweep):
        """Cost money."""

        name = "costly"
        costly = True

    assert go(Costly(), replace(TICK, job="costly")).outcome == "disabled"
    cloud.environment = {"COSTLY_ENABLE": "true"}
    assert go(Costly(), replace(TICK, job="costly")).outcome == "done"


def test_a_host_that_is_not_allowed_is_forbidden(go: Go) -> None:
    assert go(Sweep(), replace(TICK, target="evil.example")).outcome == "forbidden"
    assert go(Sweep(), replace(TICK, target="one.example")).outcome == "done"


def test_a_tick_that_comes_after_its_grace_is_late(go: Go, clock: VirtualClock) -> None:
    class Punctual(Sweep):
        """Run in time or not at all."""

        name = "punctual"
        grace = 120

    clock.move(seconds=121)
    report = go(Punctual(), replace(TICK, job="punctual"))
    assert (report.outcome, report.note) == ("late", "started 121 s after its time; 120 s of grace")


def test_a_gate_that_cannot_be_read_fails_closed_and_is_named(go: Go, cloud: Cloud) -> None:
    cloud.environment = {"SWEEP_ENABLE": "perhaps"}
    report = go(Sweep())
    assert (report.outcome, report.note) == ("failed", "SWEEP_ENABLE='perhaps': must be true or false")


@pytest.mark.parametrize("setting", ["SWEEP_ENABLE", "SWEEP_RUN_BY"])
def test_a_setting_that_cannot_be_read_is_a_status_and_a_streak(setting: str, go: Go, cloud: Cloud) -> None:
    go(Sweep(), replace(TICK, at=NOON.replace(minute=0)))
    cloud.environment = {setting: "maybe"}
    for minute in (1, 2, 3):
        assert go(Sweep(), replace(TICK, at=NOON.replace(minute=minute))).outcome == "failed"
    status = item(cloud)["status"]
    assert (status["outcome"], status["ok"], status["streak"]) == ("failed", False, 3)
    assert setting in status["firstError"]
    assert item(cloud)["state"] == "FAILED"
    cloud.environment = {}
    go(Sweep(), replace(TICK, at=NOON.replace(minute=4)))
    assert "streak" not in item(cloud)["status"]


def test_the_status_of_a_job_that_never_ran_shows_that_its_setting_cannot_be_read(go: Go, cloud: Cloud) -> None:
    cloud.environment = {"SWEEP_ENABLE": "maybe"}
    go(Sweep())
    assert item(cloud)["status"]["streak"] == 1
    cloud.environment = {}
    assert go(Sweep()).outcome == "done"


def test_a_job_that_is_switched_off_shows_it_once(go: Go, cloud: Cloud) -> None:
    go(Sweep())
    good = item(cloud)["status"]["lastGood"]
    cloud.environment = {"SWEEP_ENABLE": "false"}
    go(Sweep(), replace(TICK, at=NOON.replace(minute=1)))
    status = item(cloud)["status"]
    assert (status["outcome"], status["lastGood"]) == ("disabled", good)
    calls = Calls(cloud)
    go(Sweep(), replace(TICK, at=NOON.replace(minute=2)))
    assert sorted(calls.made) == ["dynamodb:GetItem", "dynamodb:UpdateItem"]


def test_a_status_without_a_claim_does_not_touch_that_of_a_run_in_progress(go: Go, cloud: Cloud) -> None:
    def work(_: RunContext) -> Outcome:
        cloud.environment = {"SWEEP_ENABLE": "maybe"}
        assert go(Sweep(), replace(TICK, at=NOON.replace(minute=1))).outcome == "failed"
        assert "status" not in item(cloud)
        return Done()

    go(Sweep(work))
    assert item(cloud)["status"]["outcome"] == "done"


def test_a_paused_job_is_recorded_as_paused(go: Go, cloud: Cloud) -> None:
    pause = attributes.row({"pk": "sweep:last", "sk": "-", "paused": "ada: index rebuild"})
    cloud.dynamodb.put_item(TableName=cloud.names.table("state"), Item=pause)
    report = go(Sweep())
    assert (report.outcome, report.note) == ("paused", "ada: index rebuild")


def test_a_manual_run_in_parts_is_continued_from_its_own_checkpoint(go: Go, cloud: Cloud) -> None:
    go(Sweep(lambda _: Done(checkpoint="of the tick")))
    waiting(cloud)
    firing, given = replace(TICK, manual=True, id="m1"), list[Any]()

    def work(run: RunContext) -> Outcome:
        given.append(run.checkpoint)
        return Done(checkpoint=len(given) if len(given) < 3 else None)

    for _ in range(3):
        assert go(Sweep(work), firing).outcome == "done"
        for sent in waiting(cloud):
            firing = parse_firing(sent["firing"], NOON)
    assert given == [None, 1, 2]
    assert seen(go, TICK.continuation()) == "of the tick"


def test_a_request_by_hand_asked_twice_is_one_run(go: Go) -> None:
    by_hand, job = replace(TICK, manual=True, id="m1"), Sweep()
    assert [go(job, by_hand).outcome, go(job, by_hand).outcome] == ["done", "deduplicated"]
    assert job.ran == 1


def test_runs_by_hand_are_limited_a_minute(go: Go) -> None:
    outcomes = [go(Sweep(), replace(TICK, manual=True, id=f"m{n}")).outcome for n in range(11)]
    assert outcomes == ["done"] * 10 + ["rate_limited"]


def test_a_run_by_hand_shows_its_outcome_on_its_marker(go: Go, cloud: Cloud) -> None:
    cloud.environment = {"SWEEP_ENABLE": "false"}
    go(Sweep(), replace(TICK, manual=True, id="m1"))
    key = attributes.row({"pk": "manual#sweep", "sk": "m1"})
    marker = attributes.plain(cloud.dynamodb.get_item(TableName=cloud.names.table("state"), Key=key)["Item"])
    assert (marker["outcome"], marker["note"]) == ("disabled", "SWEEP_ENABLE is false")


def test_the_next_run_records_its_dead_predecessor_as_lost(
    go: Go, cloud: Cloud, clock: VirtualClock, log: Lines
) -> None:
    class Killed(BaseException):
        pass

    def work(_: RunContext) -> Outcome:
        raise Killed

    with pytest.raises(Killed):
        go(Sweep(work))
    corpse = item(cloud)["holder"]
    clock.move(minutes=5)
    assert go(Sweep(), replace(TICK, at=NOON.replace(minute=5))).outcome == "done"
    key = attributes.row(keys.run("sweep", corpse).attributes)
    lost = attributes.plain(cloud.dynamodb.get_item(TableName=cloud.names.table("state"), Key=key)["Item"])
    assert lost["outcome"] == "lost"
    assert log.said("sweep_lost")[0]["lost"] == corpse


def test_a_job_whose_every_run_is_interrupted_has_a_streak(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    class Killed(BaseException):
        pass

    def work(_: RunContext) -> Outcome:
        raise Killed

    for minutes in range(0, 20, 5):
        clock.instant = NOON + timedelta(minutes=minutes)
        with pytest.raises(Killed):
            go(Sweep(work), replace(TICK, at=clock.now()))
    assert item(cloud)["status"]["streak"] == 3
    clock.move(minutes=5)
    go(failing(ValueError("x")), replace(TICK, at=clock.now()))
    assert item(cloud)["status"]["streak"] == 5
    assert item(cloud)["status"]["firstError"].startswith("interrupted")


def test_the_next_claim_records_a_finished_run_that_has_no_row(
    go: Go, cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    for firing in (TICK, replace(TICK, manual=True, id="m1")):
        with monkeypatch.context() as crash:
            crash.setattr("shared.run.history.History.write", killed)
            with pytest.raises(Killed):
                go(Sweep(), firing)
        unrecorded = item(cloud)["run"]
        clock.move(minutes=1)
        go(Sweep(), replace(TICK, at=clock.now()))
        found = table.get(cloud, STATE, keys.run("sweep", unrecorded))
        assert (found["outcome"], found["tick"]) == ("done", tick_label(firing))
        assert log.said("sweep_recorded")[-1]["recorded"] == unrecorded
        clock.move(minutes=1)


def test_a_run_after_a_recorded_one_costs_no_further_call(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    go(Sweep())
    calls = Calls(cloud)
    go(Sweep(), replace(TICK, at=NOON.replace(minute=1)))
    assert calls.made == ["dynamodb:UpdateItem"] * 3


def test_a_continuation_that_finds_the_lease_held_waits_two_seconds_and_then_for_the_lease(
    go: Go, cloud: Cloud, log: Lines
) -> None:
    def work(run: RunContext) -> Outcome:
        assert go(Sweep(), TICK.continuation()).outcome == "snoozed"
        [sent] = waiting(cloud)
        notes.append(sent["firing"]["deferrals"])
        report = go(Sweep(), parse_firing(sent["firing"], NOON))
        assert (report.outcome, len(waiting(cloud))) == ("snoozed", 1)
        return Done()

    notes: list[int] = []
    go(Sweep(work))
    assert notes == [1]


PARTS = (Done(checkpoint=1), Done(ok=False, note="host 7 is down", checkpoint=2), Done())


def test_a_tick_is_as_bad_as_its_worst_part_and_counts_once(go: Go, cloud: Cloud) -> None:
    reports: list[RunReport] = []
    for minute in (0, 15, 30):
        firing = replace(TICK, at=NOON.replace(minute=minute))
        for outcome in PARTS:
            reports.append(go(Sweep(lambda _, outcome=outcome: outcome), firing))  # type: ignore[misc]
            for sent in waiting(cloud):
                firing = parse_firing(sent["firing"], NOON.replace(minute=59))
    assert [report.ok for report in reports] == [True, False, False] * 3
    assert reports[-1].note == "host 7 is down"
    status = item(cloud)["status"]
    assert (status["ok"], status["note"], status["streak"]) == (False, "host 7 is down", 3)
    assert status["firstError"] == "host 7 is down"


def test_a_tick_with_three_failed_attempts_counts_once(go: Go, cloud: Cloud) -> None:
    for attempt in (1, 2, 3):
        go(failing(ValueError("x")), replace(TICK, attempt=attempt))
    assert item(cloud)["status"]["streak"] == 1


def test_a_slow_claim_shortens_the_work(cloud: Cloud, log: Lines) -> None:
    def slow(**_: Any) -> None:
        time.sleep(0.4)
        cloud.dynamodb.meta.events.unregister("before-call", slow)

    cloud.dynamodb.meta.events.register("before-call", slow)

    def work(_: RunContext) -> Outcome:
        time.sleep(5)
        return Done()

    report = run(Sweep(work), TICK, cloud, log, seconds=5.8)
    assert report.outcome == "failed"
    assert report.ms < 1100


def test_a_zombie_ends_as_lost_and_its_successors_status_stands(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    def work(run: RunContext) -> Outcome:
        clock.move(minutes=5)
        assert go(Sweep(), replace(TICK, at=NOON.replace(minute=5))).outcome == "done"
        return Done({"swept": 99})

    assert go(Sweep(work)).outcome == "lost"
    assert item(cloud)["last"] == "2026-03-02T12:05Z#00"
    assert item(cloud)["status"]["outcome"] == "done"


def test_a_deadline_ends_the_work_and_the_outcome_is_written(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    def work(_: RunContext) -> Outcome:
        with suppress(Exception):
            time.sleep(10)
        return Done()

    report = go(Sweep(work), seconds=5.2)
    assert report.outcome == "failed"
    assert "DeadlineExceeded" in report.note
    assert report.ms < 2000
    [sent] = waiting(cloud)
    assert sent["firing"]["attempt"] == 2


def test_a_job_of_shards_becomes_one_firing_each(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    class Sharded(Sweep):
        """Sweep in parts."""

        name = "sharded"
        shards = 12

    report = go(Sharded(), replace(TICK, job="sharded"))
    assert report.counts == {"shards": 12}
    sent = waiting(cloud)
    assert sorted(int(body["firing"]["target"]) for body in sent) == list(range(12))


def test_texts_of_a_job_are_redacted_in_log_and_status(go: Go, cloud: Cloud, log: Lines) -> None:
    go(failing(ValueError("login as ada@example.org with password=hunter2hunter2 failed")))
    everything = json.dumps([log.lines, item(cloud), waiting(cloud)])
    assert "hunter2" not in everything
    assert "ada@example.org" not in everything


def test_progress_is_logged_and_shown_while_the_run_goes_on(go: Go, cloud: Cloud, log: Lines) -> None:
    def work(run: RunContext) -> Outcome:
        run.progress("counting", 40)
        assert item(cloud) | {"step": "counting", "progress": 40, "state": "PROCESSING"} == item(cloud)
        return Done()

    go(Sweep(work))
    [line] = log.said("sweep_in_progress")
    assert (line["step"], line["percentage"]) == ("counting", 40)
    assert "step" not in item(cloud)


def test_a_failure_logs_error_duration_and_stack_and_one_metric(go: Go, log: Lines) -> None:
    go(failing(ValueError("x")))
    [line] = log.said("sweep_failed")
    assert {"jobId", "entityId", "error", "duration", "stack"} <= line.keys()
    [metric] = [line for line in log.lines if "_aws" in line]
    assert metric["Failed"] == [1.0]
    assert metric["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["job", "stage"], ["stage"]]


def test_off_the_main_thread_there_is_no_alarm_but_the_run_works(go: Go) -> None:
    reports: list[RunReport] = []
    thread = threading.Thread(target=lambda: reports.append(go(Sweep())))
    thread.start()
    thread.join()
    assert reports[0].outcome == "done"
