"""The explanation of a tick follows from the rows that its run left, in at most five reads.

The cause of a missed tick takes more; test_missed_tick.py has it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest

from functions.operations.reconciler import Reconciler
from shared import clock
from shared.admin import explain, trace_reader
from shared.admin.explain import Explanation
from shared.advised_commands import deployment
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import manifest, settings, validation
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome, Rejected, Snoozed
from shared.job.retry import explicit
from shared.job.schedule import Schedule, every
from shared.job.setting import Setting
from shared.ledger import expected_since
from shared.ledger.ledger import TickOutcome
from shared.run.claim import Claims
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import NOON, Calls, Lines, VirtualClock

RUN = "20260302T120001.000Z-aaaaaaaa"
TICK = Firing("sweep", NOON, correlation_id="corr-1")


class Sweep(Job):
    """Sweep due rows."""

    name = "sweep"
    schedule: ClassVar[Schedule | None] = every(minutes=15)
    timeout = 60
    retry = explicit(30, 60)
    idempotency = natural("a swept row is not found again")
    settings: ClassVar[tuple[Setting, ...]] = (
        settings.names("SWEEP_HOSTS", "shop.example", "hosts that may be swept"),
    )
    end: ClassVar[Outcome | Exception] = Done({"rows": 12})

    def work(self, run: RunContext) -> Outcome:
        if isinstance(self.end, Exception):
            raise self.end
        return self.end


class Functions:
    """The settings of the deployed function; None without a function."""

    class exceptions:  # noqa: N801 - boto's name
        ResourceNotFoundException = LookupError

    def __init__(self) -> None:
        self.variables: dict[str, str] | None = None
        self.asked = 0

    def get_function_configuration(self, FunctionName: str) -> Any:  # noqa: N803 - boto's name
        self.asked += 1
        if self.variables is None:
            raise LookupError(FunctionName)
        return {"Environment": {"Variables": self.variables}}

    def get_function_concurrency(self, FunctionName: str) -> Any:  # noqa: N803 - boto's name
        return {}


class World:
    def __init__(self, cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
        self.cloud, self.clock, self.log, self.job = cloud, clock, log, Sweep()
        self.functions = cloud.__dict__["functions"] = Functions()

    def run(self, firing: Firing = TICK, after: float = 1, end: Outcome | Exception | None = None) -> RunReport:
        self.clock.instant = firing.at + timedelta(seconds=after)
        job = self.job
        type(job).end = end or Done({"rows": 12})
        return run(job, firing, self.cloud, self.log)

    def reconcile(self, at: datetime) -> None:
        self.clock.instant = at
        assert run(Reconciler(), Firing("reconciler", at), self.cloud, self.log).outcome == "done"

    def ask(self, at: datetime | None = NOON, target: str = "-", now: datetime | None = None) -> Explanation:
        """Explain a tick, and check that it took at most five reads and counted them."""
        self.clock.instant = now or self.clock.instant
        calls, before = Calls(self.cloud), self.functions.asked
        found = trace_reader.trace(self.cloud, self.job, at, target)
        assert found.reads <= 5
        if found.cause is None:
            assert len(calls.made) + self.functions.asked - before == found.reads
        assert not [made for made in calls.made if not made.endswith(("GetItem", "Query", "GetQueueAttributes"))]
        why = explain.explain(found, "test")
        json.dumps(why.data)
        for command, _ in why.commands:
            if command != deployment("test"):
                assert command.startswith("python jobs.py ")
                assert command.split()[2] in (*validation.COMMANDS, self.job.name)
        return why

    def put(self, **item: Any) -> None:
        self.cloud.dynamodb.put_item(TableName=self.cloud.names.table("state"), Item=attributes.row(item))


@pytest.fixture
def world(cloud: Cloud, clock: VirtualClock, log: Lines) -> World:
    return World(cloud, clock, log)


@pytest.fixture
def watched(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose reconciler has run at noon, from which on ticks are expected."""
    entries = manifest.of([world.job, Reconciler()])
    monkeypatch.setattr(manifest, "load", lambda: entries)
    world.clock.instant = NOON - expected_since.ROLLOUT
    expected_since.refresh(world.cloud, entries)
    world.reconcile(NOON)
    return world


def after(**span: float) -> datetime:
    return NOON + timedelta(**span)


def text(why: Explanation) -> str:
    return " ".join((why.headline, *why.facts))


def test_a_tick_that_ran(world: World) -> None:
    report = world.run()
    why = world.ask()
    assert why.headline == "sweep: the tick of 2026-03-02 12:00 UTC ran."
    assert why.facts[0] == f"Run {report.run_id} started 1 s after the tick and took {report.ms} ms: 12 rows."
    assert why.facts[-1] == "Its next tick is 2026-03-02 12:15 UTC."
    assert why.data["verdict"] == "ran"
    assert why.data["reads"] == 2


def test_the_default_is_the_last_tick(world: World) -> None:
    world.run()
    assert world.ask(None, now=after(minutes=14)).data["tick"] == "2026-03-02T12:00:00.000Z"
    why = world.ask(None, now=after(minutes=19))
    assert why.data["tick"] == why.data["asked"] == "2026-03-02T12:15:00.000Z"
    assert "does not fire" not in text(why)


def test_a_time_between_two_ticks_explains_the_earlier_one_and_the_runs_of_that_minute(world: World) -> None:
    world.run()
    by_hand = world.run(Firing("sweep", after(minutes=7), manual=True))
    why = world.ask(after(minutes=7))
    assert (
        why.facts[0]
        == "The job does not fire at 2026-03-02 12:07 UTC; its last tick before that was 2026-03-02 12:00 UTC."
    )
    assert f"In that minute run {by_hand.run_id} started for an operator: done." in why.facts


def test_a_bad_result_is_explained_on_a_tick_that_ran(world: World) -> None:
    world.run(end=Done(ok=False, note="2 of 3 bad"))
    assert "The run completed with a bad result: 2 of 3 bad." in world.ask().facts


def test_a_tick_that_ran_late_without_being_missed_waited(world: World) -> None:
    world.run(after=300)
    why = world.ask()
    assert why.headline.endswith("ran late.")
    assert "started 5 min after the tick" in why.facts[0]
    assert why.facts[1].startswith("It waited to start")


def test_a_failure_is_explained_with_its_next_attempt(world: World) -> None:
    world.run(end=ValueError("no such column"))
    why = world.ask()
    assert why.headline.endswith("failed.")
    assert "Attempt 1 of 3, run" in why.facts[0]
    assert why.facts[0].endswith("failed at 12:00:01: ValueError: no such column")
    assert why.facts[1] == "Attempt 2 of 3 is due from 12:00:31 to 12:00:35 UTC."
    late = world.ask(now=after(minutes=5)).facts[1]
    assert late.endswith("It has not started: it waits in the queue firings.")


def test_a_running_attempt_is_explained(world: World) -> None:
    world.run(end=ValueError("x"))
    world.clock.move(seconds=31)
    Claims(world.cloud, world.job, "-").take(replace(TICK, attempt=2, hop=3), RUN, "r")
    said = world.ask().facts
    assert said[1] == "Attempt 2 of 3 is running."
    assert f"Run {RUN} holds the lease until 12:01:42 UTC at the latest: started, 0 %." in said


def test_a_success_after_failures_lists_the_failed_attempts(world: World) -> None:
    world.run(end=ValueError("x"))
    world.run(replace(TICK, attempt=2, hop=3), after=33)
    why = world.ask()
    assert why.headline.endswith(" ran.")
    assert "It took 2 attempts." in why.facts


def test_a_run_that_failed_for_good_names_its_dead_letter(world: World) -> None:
    report = world.run(end=Rejected("no such table"))
    dead = {"pk": "dead#sweep", "sk": "2026-03-02T12:00:02.000Z#1234abcd5678", "id": "1234abcd5678"}
    world.put(**dead, jobId=report.run_id, reason="rejected")
    world.put(**{**dead, "sk": "2026-03-02T12:00:01.500Z#ffff", "id": "ffff", "jobId": "other"})
    why = world.ask()
    assert "It failed permanently: dead letter 1234abcd, rejected." in why.facts
    assert (
        "python jobs.py dead show 1234abcd --aws --stage test",
        "show the dead letter with its payload",
    ) in why.commands


def test_used_up_attempts_without_a_stored_dead_letter_are_explained(world: World) -> None:
    world.run(replace(TICK, attempt=3), end=ValueError("x"))
    assert "All 3 attempts are used up; its dead letter is not stored yet." in world.ask().facts


def test_a_streak_is_explained_with_its_first_error(world: World) -> None:
    world.run(end=ValueError("first"))
    world.run(Firing("sweep", after(minutes=15)), end=ValueError("second"))
    assert "It has failed 2 times in a row, first with: ValueError: first. It has no good run yet." in text(
        world.ask(None)
    )


def test_an_interrupted_run_is_explained(world: World, watched: World) -> None:
    Claims(world.cloud, world.job, "-").take(TICK, RUN, "r")
    running = world.ask(now=after(seconds=30))
    assert running.headline.endswith("is running.")
    dead = world.ask(now=after(minutes=2))
    assert f"Run {RUN} held the lease until 12:01:10 UTC and did not release it: its process was interrupted." in text(
        dead
    )
    watched.reconcile(after(minutes=3))
    why = world.ask()
    assert why.headline.endswith("was lost.")
    assert "was interrupted" in why.facts[0]


def test_a_locked_tick_names_the_run_that_held_the_lease(world: World) -> None:
    Claims(world.cloud, world.job, "-").take(Firing("sweep", after(minutes=-15)), RUN, "r")
    world.run()
    why = world.ask()
    assert why.headline.endswith("was skipped because another run held the lease.")
    assert why.facts[0].startswith(f"It did not run: {RUN} holds the lease for ")


def test_a_pause_is_explained_with_operator_and_reason(world: World) -> None:
    world.put(pk="sweep:last", sk="-", paused="ada: index rebuild")
    world.run()
    why = world.ask()
    assert why.headline.endswith("was skipped because the job was paused.")
    assert why.facts[0].startswith("It did not run: ada: index rebuild.")
    assert "It is paused now: ada: index rebuild." in why.facts
    until = world.cloud.clock.now() + timedelta(hours=6)
    world.put(pk="sweep:last", sk="-", paused="ada: index rebuild", paused_until=clock.iso(until))
    why = world.ask()
    assert f"It is paused until {until:%Y-%m-%d %H:%M} UTC: ada: index rebuild." in why.facts
    assert why.data["paused_until"] == clock.iso(until)
    world.put(pk="sweep:last", sk="-", paused="ada: index rebuild", paused_until="2026-03-02T11:00:00.000Z")
    assert not any("is paused" in fact for fact in world.ask().facts)
    assert why.commands[0] == ("python jobs.py resume sweep --aws --stage test", "end the pause")
    world.put(pk="sweep:last", sk="-", partial_pauses="ab12")
    assert "Some of its targets or tenants are paused." in world.ask().facts


@pytest.mark.parametrize(("part", "option"), [("target#shop.example", "--target"), ("tenant#acme", "--tenant")])
def test_a_partial_pause_names_who_why_and_its_own_command(world: World, part: str, option: str) -> None:
    world.run()
    world.put(pk="sweep:last", sk="-", partial_pauses="ab12")
    row = {"text": "ada: moving", "who": "ada", "why": "moving", "since": "2026-03-02T11:00:00.000Z"}
    world.put(pk="pause#sweep", sk=part, **row)
    why, (kind, _, name) = world.ask(), part.partition("#")
    assert f"Sweep for {kind} {name} is paused since 2026-03-02 11:00 UTC by ada: moving." in why.facts
    resume = f"python jobs.py resume sweep {option} {name} --aws --stage test"
    assert [command for command, _ in why.commands if " resume " in command] == [resume]


def test_a_braked_job_is_explained_with_its_plan(world: World) -> None:
    world.put(pk="sweep:last", sk="-", paused="brake: 900 due, 10 is usual")
    world.put(pk="brake#sweep", sk="-", size=900, plan="plan1")
    world.run()
    why = world.ask()
    assert "It is paused now: brake: 900 due, 10 is usual." in why.facts
    assert why.commands[0][0] == "python jobs.py apply plan1 --aws --stage test"


def test_a_rejected_dead_letter_is_offered_for_deletion_and_not_for_redrive(world: World) -> None:
    report = world.run(end=Rejected("no such table"))
    letter = {"pk": "dead#sweep", "sk": "2026-03-02T12:00:02.000Z#1234abcd", "id": "1234abcd", "fingerprint": "ab"}
    world.put(**letter, jobId=report.run_id, reason="rejected")
    commands = [command for command, _ in world.ask().commands]
    purge = "python jobs.py dead purge sweep --group ab --failed rejected --dry-run --aws --stage test"
    assert purge in commands
    assert not [command for command in commands if "dead retry" in command]


def test_a_closed_gate_is_explained_with_its_setting_then_and_now(world: World) -> None:
    world.cloud.environment = {"SWEEP_ENABLE": "false"}
    world.run()
    world.functions.variables = {"SWEEP_ENABLE": "false"}
    why = world.ask()
    assert why.headline.endswith("was skipped because the job was disabled.")
    assert "It did not run: SWEEP_ENABLE is false." in why.facts[0]
    assert "The gate is still closed: SWEEP_ENABLE is false; deploy the job with another setting." in why.facts
    world.functions.variables = {}
    assert "The gate is open now." in world.ask().facts
    world.functions.variables = None
    assert "The gate is still closed: SWEEP_ENABLE is false; deploy the job with another setting." in world.ask().facts


def test_an_older_tick_after_a_newer_success_is_explained(world: World) -> None:
    world.run(Firing("sweep", after(minutes=15)))
    world.run(after=960)
    why = world.ask(NOON)
    assert why.headline.endswith("was superseded.")
    assert "a later tick, 2026-03-02T12:15Z#00, is done" in why.facts[0]


def test_a_deferred_tick_is_explained(world: World) -> None:
    world.run(end=Snoozed(60, "the store is busy"))
    shown = text(world.ask())
    assert "It did not run: the store is busy. Another run held the lease, or the job asked for a later time" in shown


def test_a_second_delivery_is_explained(world: World) -> None:
    world.run()
    world.run()
    assert "It was delivered once more; the further deliveries had no effect." in world.ask().facts


def test_a_tick_just_due_may_still_come(world: World) -> None:
    world.run(Firing("sweep", after(minutes=-15)))
    why = world.ask(now=after(minutes=4))
    assert why.headline.endswith("has not started yet.")
    assert "It last ran 2026-03-02T11:45:01: done." in why.facts
    assert why.data["reads"] == 2


def test_a_missed_tick_is_explained_with_its_gap_and_the_tick_that_did_its_work(watched: World) -> None:
    watched.reconcile(after(minutes=53))
    why = watched.ask(after(minutes=30))
    assert why.headline == "sweep: the tick of 2026-03-02 12:30 UTC was missed."
    assert "It is one of 4 ticks missed in a row, 2026-03-02T12:00Z to 2026-03-02T12:45Z." in why.facts
    assert "Its catch-up policy is none: the next tick does its work." in why.facts
    assert ("python jobs.py sweep --aws --stage test", "run it now") in why.commands
    assert why.data["missed"] == {"from": "2026-03-02T12:00Z", "to": "2026-03-02T12:45Z", "count": 4}
    # Also for the first tick, which is the key of the gap row.
    first = watched.ask(NOON).data
    assert (first["missed"]["count"], first["others"]) == (4, [])


def test_a_tick_that_caught_up_is_explained_as_missed_before(watched: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(manifest.load()["sweep"], "catch_up", "once")
    watched.reconcile(after(minutes=23))
    watched.run(Firing("sweep", after(minutes=15)), after=600)
    why = watched.ask(after(minutes=15))
    assert why.headline.endswith("ran late.")
    assert why.facts[1].startswith("It had been missed (2 ticks missed in a row,")
    assert "The tick of 2026-03-02 12:15 UTC did its work" in text(watched.ask(NOON))


def test_a_missed_tick_that_the_reconciler_has_not_recorded_is_explained(watched: World) -> None:
    why = watched.ask(NOON, now=after(minutes=6))
    assert why.headline.endswith("was missed.")
    assert (
        "The reconciler, which runs every 5 minutes, has not recorded it yet. Is the reconciler running?" in why.facts
    )
    assert (
        "python jobs.py runs reconciler --aws --stage test",
        "check that the reconciler runs",
    ) in why.commands
    assert why.data["reads"] == 5


def test_a_tick_from_before_the_deployment_is_explained(watched: World) -> None:
    why = watched.ask(after(minutes=-30), now=after(minutes=6))
    assert "expects ticks of the job from 2026-03-02 12:00 UTC on" in text(why)
    before = watched.ask(after(minutes=-75), now=after(minutes=-50))
    assert before.headline.endswith("the tick of 2026-03-02 10:45 UTC was due before the job was deployed.")
    assert "The job was deployed at 2026-03-02 11:00 UTC" in text(before)


def test_a_job_that_is_not_in_the_ledger_is_explained(world: World) -> None:
    assert "The job is not in the ledger" in text(world.ask(now=after(minutes=6)))


def test_the_daily_ledger_has_the_outcome_after_the_row_expired(watched: World) -> None:
    watched.run()
    for minutes in (15, 30, 45):
        watched.run(Firing("sweep", after(minutes=minutes)))
    watched.reconcile(after(minutes=68))
    found = watched.cloud.dynamodb.scan(TableName=watched.cloud.names.table("state"))["Items"]
    for item in found:
        if item["pk"]["S"].startswith("runs#sweep"):
            watched.cloud.dynamodb.delete_item(
                TableName=watched.cloud.names.table("state"), Key={"pk": item["pk"], "sk": item["sk"]}
            )
    why = watched.ask(NOON, now=after(days=9))
    assert why.headline.endswith(" ran.")
    assert "The row of the run has expired; the daily ledger has no more than this outcome." in why.facts


def test_a_run_that_began_after_midnight_is_found(world: World) -> None:
    last = Firing("sweep", NOON.replace(hour=23, minute=45))
    world.run(last, after=16 * 60)
    why = world.ask(last.at)
    assert why.data["verdict"] == "late"
    assert why.data["reads"] <= 5


def test_a_missed_tick_of_the_late_evening_takes_no_sixth_read(watched: World) -> None:
    why = watched.ask(NOON.replace(hour=23, minute=45), now=after(hours=12, minutes=10))
    assert why.headline.endswith("was missed.")
    assert why.data["reads"] == 5


def test_a_shard_is_explained_by_its_own_rows(world: World) -> None:
    class Sharded(Sweep):
        """Sweep in shards."""

        name = "sweep"
        shards = 3
        settings = ()

    world.job = Sharded()
    world.run(replace(TICK, target="2"), end=ValueError("x"))
    why = world.ask(target="2")
    assert why.headline == "sweep 2: the tick of 2026-03-02 12:00 UTC failed."
    assert ("python jobs.py sweep --target 2 --aws --stage test", "run it now") in why.commands


def test_a_host_without_its_own_lease_is_explained_with_the_run_and_its_status(world: World) -> None:
    class Look(Sweep):
        """Check hosts."""

        name = "sweep"
        lease_per_target = False

    world.job = Look()
    world.run()
    world.put(pk="sweep:last", sk="shop.example", status={"ok": False, "note": "503", "at": "2026-03-02T12:00:01.000Z"})
    why = world.ask(target="shop.example")
    assert why.facts[0].startswith("Run 20260302T120001")
    assert "shop.example was last checked 2026-03-02T12:00:01, and was bad: 503." in why.facts


def test_a_job_without_a_schedule_is_explained_with_its_last_run(world: World) -> None:
    class ByHand(Sweep):
        """Sweep on request."""

        name = "sweep"
        schedule = None

    world.job = ByHand()
    world.run(replace(TICK, manual=True))
    why = world.ask(None)
    assert why.headline == "sweep has no schedule: it runs only when an operator starts it."
    assert "It last ran 2026-03-02T12:00:01: done." in why.facts
    world.run(replace(TICK, manual=True, attempt=9), end=ValueError("no table"))
    world.put(pk="dead#sweep", sk="2026-03-02T12:00:02.000Z#aaaa", id="aaaa", error="ValueError: no table")
    why = world.ask(None)
    assert "Its newest dead letter is aaaa: ValueError: no table" in why.facts
    assert ("python jobs.py dead retry aaaa --aws --stage test", "redrive it") in why.commands
    assert why.data["reads"] == 2


def test_a_consumer_is_explained_with_its_queues_and_its_newest_dead_letter(world: World, cloud: Cloud) -> None:
    class Mailbox(Sweep):
        """A consumer of letters."""

        name = "mailbox"
        schedule = None
        queue = "demo:letters"

    world.job = Mailbox()
    for queue in ("demo:letters", "demo:letters-dlq"):
        cloud.sqs.create_queue(QueueName=cloud.names.queue(queue))
    cloud.sqs.send_message(QueueUrl=cloud.names.queue_url("demo:letters"), MessageBody="{}")
    world.put(pk="dead#mailbox", sk="2026-03-02T11:00:00.000Z#aaaa", id="aaaa", error="old")
    world.put(pk="dead#mailbox", sk="2026-03-02T11:30:00.000Z#bbbb", id="bbbb", error="no stamp")
    why = world.ask(None)
    assert why.headline == "mailbox consumes the queue demo:letters and has no ticks."
    assert "1 message waits in demo:letters." in why.facts
    assert "Its newest dead letter is bbbb: no stamp" in why.facts
    assert world.ask(NOON).data["reads"] == 5


@pytest.mark.parametrize("outcome", list(TickOutcome))
def test_every_outcome_has_a_headline(world: World, outcome: TickOutcome) -> None:
    found = trace_reader.trace(world.cloud, world.job, NOON)
    found.record = replace(found.record, outcome=outcome)
    assert explain.explain(found, "test").headline.startswith("sweep: the tick of 2026-03-02 12:00 UTC ")
