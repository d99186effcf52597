"""Plain words on what became of a tick, from what is really left of it, in at most five reads."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest

from functions.operations.reconciler import Reconciler
from shared.admin import explain, trace
from shared.admin.explain import Explanation
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import manifest, settings, validation
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome, Rejected, Snoozed
from shared.job.retry import explicit
from shared.job.schedule import Schedule, every
from shared.job.settings import Setting
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
    """Sweep what is due."""

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
    """The deployed settings of the function; None is none."""

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
        """Every answer is held to five reads, and to their count."""
        self.clock.instant = now or self.clock.instant
        calls, before = Calls(self.cloud), self.functions.asked
        found = trace.trace(self.cloud, self.job, at, target)
        assert found.reads <= 5
        assert len(calls.made) + self.functions.asked - before == found.reads
        assert not [made for made in calls.made if not made.endswith(("GetItem", "Query", "GetQueueAttributes"))]
        told = explain.explain(found, "test")
        json.dumps(told.data)
        for command, _ in told.commands:
            assert command.startswith("python jobs.py ")
            assert command.split()[2] in (*validation.COMMANDS, self.job.name)
        return told

    def put(self, **item: Any) -> None:
        self.cloud.dynamodb.put_item(TableName=self.cloud.names.table("state"), Item=attributes.row(item))


@pytest.fixture
def world(cloud: Cloud, clock: VirtualClock, log: Lines) -> World:
    return World(cloud, clock, log)


@pytest.fixture
def watched(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """With a reconciler that has passed at noon, and ticks that count from then on."""
    entries = manifest.of([world.job, Reconciler()])
    monkeypatch.setattr(manifest, "load", lambda: entries)
    world.clock.instant = NOON - expected_since.ROLLOUT
    expected_since.refresh(world.cloud, entries)
    world.reconcile(NOON)
    return world


def after(**span: float) -> datetime:
    return NOON + timedelta(**span)


def says(told: Explanation) -> str:
    return " ".join((told.headline, *told.facts))


def test_a_tick_that_ran(world: World) -> None:
    report = world.run()
    told = world.ask()
    assert told.headline == "sweep: its tick of 2026-03-02 12:00 UTC ran."
    assert told.facts[0] == f"Run {report.run_id} started 1 s after its time and took {report.ms} ms: 12 rows."
    assert told.facts[-1] == "Its next tick is 2026-03-02 12:15 UTC."
    assert told.data["verdict"] == "ran"
    assert told.data["reads"] == 2


def test_without_a_time_it_is_the_last_tick(world: World) -> None:
    world.run()
    assert world.ask(None, now=after(minutes=14)).data["tick"] == "2026-03-02T12:00:00.000Z"
    told = world.ask(None, now=after(minutes=19))
    assert told.data["tick"] == told.data["asked"] == "2026-03-02T12:15:00.000Z"
    assert "does not fire" not in says(told)


def test_a_time_between_two_ticks_tells_of_the_one_before_and_of_what_ran_then(world: World) -> None:
    world.run()
    by_hand = world.run(Firing("sweep", after(minutes=7), manual=True))
    told = world.ask(after(minutes=7))
    assert (
        told.facts[0] == "It does not fire at 2026-03-02 12:07 UTC; 2026-03-02 12:00 UTC was its last tick before that."
    )
    assert f"In that minute run {by_hand.run_id} started for somebody, by hand: done." in told.facts


def test_a_site_that_is_bad_is_a_run_that_ran(world: World) -> None:
    world.run(end=Done(ok=False, note="2 of 3 bad"))
    assert "What it found was bad: 2 of 3 bad." in world.ask().facts


def test_a_tick_that_ran_late_without_being_missed_waited(world: World) -> None:
    world.run(after=300)
    told = world.ask()
    assert told.headline.endswith("ran late.")
    assert "started 5 min after its time" in told.facts[0]
    assert told.facts[1].startswith("It waited to be started")


def test_a_failure_tells_of_its_next_attempt(world: World) -> None:
    world.run(end=ValueError("no such column"))
    told = world.ask()
    assert told.headline.endswith("failed.")
    assert "Attempt 1 of 3, run" in told.facts[0]
    assert told.facts[0].endswith("failed at 12:00:01: ValueError: no such column")
    assert told.facts[1] == "Attempt 2 of 3 is due from 12:00:31 to 12:00:35 UTC."
    late = world.ask(now=after(minutes=5)).facts[1]
    assert late.endswith("It has not come: it waits in the queue firings.")


def test_the_attempt_that_is_at_work_is_told(world: World) -> None:
    world.run(end=ValueError("x"))
    world.clock.move(seconds=31)
    Claims(world.cloud, world.job, "-").take(replace(TICK, attempt=2, hop=3), RUN, "r")
    said = world.ask().facts
    assert said[1] == "Attempt 2 of 3 is at work."
    assert f"Run {RUN} holds the lease until 12:01:42 UTC at the latest: started, 0 %." in said


def test_a_success_after_failures_tells_of_them(world: World) -> None:
    world.run(end=ValueError("x"))
    world.run(replace(TICK, attempt=2, hop=3), after=33)
    told = world.ask()
    assert told.headline.endswith(" ran.")
    assert "It took 2 attempts." in told.facts


def test_what_was_given_up_names_its_dead_letter(world: World) -> None:
    report = world.run(end=Rejected("no such table"))
    dead = {"pk": "dead#sweep", "sk": "2026-03-02T12:00:02.000Z#1234abcd5678", "id": "1234abcd5678"}
    world.put(**dead, jobId=report.run_id, reason="rejected")
    world.put(**{**dead, "sk": "2026-03-02T12:00:01.500Z#ffff", "id": "ffff", "jobId": "other"})
    told = world.ask()
    assert "It was given up: dead letter 1234abcd, rejected." in told.facts
    assert ("python jobs.py dead show 1234abcd --aws --stage test", "what was given up, in full") in told.commands


def test_attempts_used_up_without_a_letter_yet(world: World) -> None:
    world.run(replace(TICK, attempt=3), end=ValueError("x"))
    assert "All 3 attempts are used up; its dead letter is not stored yet." in world.ask().facts


def test_a_streak_is_told_with_its_first_error(world: World) -> None:
    world.run(end=ValueError("first"))
    world.run(Firing("sweep", after(minutes=15)), end=ValueError("second"))
    assert "It has failed 2 times in a row, first with: ValueError: first. It has no good run yet." in says(
        world.ask(None)
    )


def test_a_death_is_told(world: World, watched: World) -> None:
    Claims(world.cloud, world.job, "-").take(TICK, RUN, "r")
    running = world.ask(now=after(seconds=30))
    assert running.headline.endswith("is at work.")
    dead = world.ask(now=after(minutes=2))
    assert f"Run {RUN} held the lease until 12:01:10 UTC and never gave it back: it died." in says(dead)
    watched.reconcile(after(minutes=3))
    told = world.ask()
    assert told.headline.endswith("was lost.")
    assert "died without a word" in told.facts[0]


def test_a_locked_tick_names_who_held_the_lease(world: World) -> None:
    Claims(world.cloud, world.job, "-").take(Firing("sweep", after(minutes=-15)), RUN, "r")
    world.run()
    told = world.ask()
    assert told.headline.endswith("was locked out.")
    assert told.facts[0].startswith(f"It did not run: {RUN} holds the lease for ")


def test_a_pause_is_told_with_who_and_why(world: World) -> None:
    world.put(pk="sweep:last", sk="-", paused="ada: index rebuild")
    world.run()
    told = world.ask()
    assert told.headline.endswith("came while the job was paused.")
    assert told.facts[0].startswith("It did not run: ada: index rebuild.")
    assert "It is paused now: ada: index rebuild." in told.facts
    assert told.commands[0] == ("python jobs.py resume sweep --aws --stage test", "let it run again")
    world.put(pk="sweep:last", sk="-", partial_pauses="ab12")
    assert "Some of its targets or tenants are paused." in world.ask().facts


def test_a_shut_gate_is_told_by_its_setting_as_it_was_and_as_it_is(world: World) -> None:
    world.cloud.environment = {"SWEEP_ENABLE": "false"}
    world.run()
    world.functions.variables = {"SWEEP_ENABLE": "false"}
    told = world.ask()
    assert told.headline.endswith("came while the job was disabled.")
    assert "It did not run: SWEEP_ENABLE is false." in told.facts[0]
    assert "So it is still: SWEEP_ENABLE is false; deploy it otherwise." in told.facts
    world.functions.variables = {}
    assert "The gate is open now." in world.ask().facts
    world.functions.variables = None
    assert "So it is still: SWEEP_ENABLE is false; deploy it otherwise." in world.ask().facts


def test_an_older_tick_after_a_newer_success_is_explained(world: World) -> None:
    world.run(Firing("sweep", after(minutes=15)))
    world.run(after=960)
    told = world.ask(NOON)
    assert told.headline.endswith("was superseded.")
    assert "a later tick, 2026-03-02T12:15Z#00, is done" in told.facts[0]


def test_a_tick_put_off_by_its_job_is_explained(world: World) -> None:
    world.run(end=Snoozed(60, "the store is busy"))
    assert "It did not run: the store is busy. The job itself put it off" in says(world.ask())


def test_a_second_delivery_is_told(world: World) -> None:
    world.run()
    world.run()
    assert "It was delivered once more; that came to nothing." in world.ask().facts


def test_a_tick_just_due_may_still_come(world: World) -> None:
    world.run(Firing("sweep", after(minutes=-15)))
    told = world.ask(now=after(minutes=4))
    assert told.headline.endswith("has not started yet.")
    assert "It last ran 2026-03-02T11:45:01: done." in told.facts
    assert told.data["reads"] == 2


def test_a_missed_tick_tells_its_gap_and_what_stood_for_it(watched: World) -> None:
    watched.reconcile(after(minutes=53))
    told = watched.ask(after(minutes=30))
    assert told.headline == "sweep: its tick of 2026-03-02 12:30 UTC was missed."
    assert "It is one of 4 ticks missed in a row, 2026-03-02T12:00Z to 2026-03-02T12:45Z." in told.facts
    assert "Its catch-up policy is none: the next tick does its work." in told.facts
    assert ("python jobs.py sweep --aws --stage test", "run it now") in told.commands
    assert told.data["missed"] == {"from": "2026-03-02T12:00Z", "to": "2026-03-02T12:45Z", "count": 4}
    # The first of them too, whose row it is.
    first = watched.ask(NOON).data
    assert (first["missed"]["count"], first["others"]) == (4, [])


def test_a_tick_that_caught_up_tells_that_it_was_missed(watched: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(manifest.load()["sweep"], "catch_up", "once")
    watched.reconcile(after(minutes=23))
    watched.run(Firing("sweep", after(minutes=15)), after=600)
    told = watched.ask(after(minutes=15))
    assert told.headline.endswith("ran late.")
    assert told.facts[1].startswith("It had been missed (2 ticks missed in a row,")
    assert "The tick of 2026-03-02 12:15 UTC stood for it" in says(watched.ask(NOON))


def test_what_the_reconciler_has_not_noted_is_said_to_be_so(watched: World) -> None:
    told = watched.ask(NOON, now=after(minutes=6))
    assert told.headline.endswith("was missed.")
    assert "The reconciler has not noted it yet; it looks every 5 minutes. Is it running?" in told.facts
    assert ("python jobs.py runs reconciler --aws --stage test", "whether it still looks") in told.commands
    assert told.data["reads"] == 5


def test_a_tick_from_before_its_deployment_is_no_ones_fault(watched: World) -> None:
    told = watched.ask(after(minutes=-30), now=after(minutes=6))
    assert "counts the job's ticks from 2026-03-02 12:00 UTC" in says(told)


def test_a_job_that_no_reconciler_knows_is_said_to_be_so(world: World) -> None:
    assert "The ledger does not know the job" in says(world.ask(now=after(minutes=6)))


def test_once_its_row_has_expired_the_ledger_remembers(watched: World) -> None:
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
    told = watched.ask(NOON, now=after(days=9))
    assert told.headline.endswith(" ran.")
    assert "Its row has expired: the ledger remembers this much of it." in told.facts


def test_a_run_that_began_after_midnight_is_found(world: World) -> None:
    last = Firing("sweep", NOON.replace(hour=23, minute=45))
    world.run(last, after=16 * 60)
    told = world.ask(last.at)
    assert told.data["verdict"] == "late"
    assert told.data["reads"] <= 5


def test_a_tick_of_the_late_evening_that_left_nothing_takes_no_sixth_read(watched: World) -> None:
    told = watched.ask(NOON.replace(hour=23, minute=45), now=after(hours=12, minutes=10))
    assert told.headline.endswith("was missed.")
    assert told.data["reads"] == 5


def test_a_shard_is_told_for_itself(world: World) -> None:
    class Sharded(Sweep):
        """Sweep in shards."""

        name = "sweep"
        shards = 3
        settings = ()

    world.job = Sharded()
    world.run(replace(TICK, target="2"), end=ValueError("x"))
    told = world.ask(target="2")
    assert told.headline == "sweep 2: its tick of 2026-03-02 12:00 UTC failed."
    assert ("python jobs.py sweep --target 2 --aws --stage test", "run it now") in told.commands


def test_a_host_that_shares_its_run_shows_both(world: World) -> None:
    class Look(Sweep):
        """Look at hosts."""

        name = "sweep"
        lease_per_target = False

    world.job = Look()
    world.run()
    world.put(pk="sweep:last", sk="shop.example", status={"ok": False, "note": "503", "at": "2026-03-02T12:00:01.000Z"})
    told = world.ask(target="shop.example")
    assert told.facts[0].startswith("Run 20260302T120001")
    assert "shop.example was last looked at 2026-03-02T12:00:01, and was bad: 503." in told.facts


def test_a_job_without_a_schedule_tells_of_its_last_run(world: World) -> None:
    class ByHand(Sweep):
        """Sweep when asked to."""

        name = "sweep"
        schedule = None

    world.job = ByHand()
    world.run(replace(TICK, manual=True))
    told = world.ask(None)
    assert told.headline == "sweep has no schedule: it runs by hand."
    assert "It last ran 2026-03-02T12:00:01: done." in told.facts
    world.run(replace(TICK, manual=True, attempt=9), end=ValueError("no table"))
    world.put(pk="dead#sweep", sk="2026-03-02T12:00:02.000Z#aaaa", id="aaaa", error="ValueError: no table")
    told = world.ask(None)
    assert "Its newest dead letter is aaaa: ValueError: no table" in told.facts
    assert ("python jobs.py dead retry aaaa --aws --stage test", "send it again") in told.commands
    assert told.data["reads"] == 2


def test_a_consumer_tells_of_its_queues_and_its_newest_dead_letter(world: World, cloud: Cloud) -> None:
    class Mailbox(Sweep):
        """Take letters."""

        name = "mailbox"
        schedule = None
        queue = "demo:letters"

    world.job = Mailbox()
    for queue in ("demo:letters", "demo:letters-dlq"):
        cloud.sqs.create_queue(QueueName=cloud.names.queue(queue))
    cloud.sqs.send_message(QueueUrl=cloud.names.queue_url("demo:letters"), MessageBody="{}")
    world.put(pk="dead#mailbox", sk="2026-03-02T11:00:00.000Z#aaaa", id="aaaa", error="old")
    world.put(pk="dead#mailbox", sk="2026-03-02T11:30:00.000Z#bbbb", id="bbbb", error="no stamp")
    told = world.ask(None)
    assert told.headline == "mailbox is driven by its queue demo:letters, and has no ticks."
    assert "1 message waits in demo:letters." in told.facts
    assert "Its newest dead letter is bbbb: no stamp" in told.facts
    assert world.ask(NOON).data["reads"] == 5


@pytest.mark.parametrize("verdict", list(TickOutcome))
def test_every_verdict_has_words(world: World, verdict: TickOutcome) -> None:
    found = trace.trace(world.cloud, world.job, NOON)
    found.record = replace(found.record, outcome=verdict)
    assert explain.explain(found, "test").headline.startswith("sweep: its tick of 2026-03-02 12:00 UTC ")
