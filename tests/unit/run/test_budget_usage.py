"""A job's budget: counted with the claim, exact to the run, and over with its period."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from shared.admin import explain, pause
from shared.admin.pause import PauseRefused
from shared.admin.trace_reader import MAX_READS, trace
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.clock import parse
from shared.job import budget, manifest
from shared.job.budget import Budget
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome, Rejected
from shared.job.schedule import every
from shared.plans import draft, plan
from shared.run import checkpoint, claim, status_view
from shared.run.apply_plan import firing_for
from shared.run.claim import Claims
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import NOON, Calls, Lines, VirtualClock, create, waiting
from tests.support.holds import HOLDS, Holds, put, there
from tests.support.moto_backends import alerts


class Letters(Job):
    """Write letters, each for a cent."""

    name = "letters"
    schedule = every(minutes=5)
    idempotency = natural("a letter that is written is not found again")
    budget: ClassVar[Budget | None] = Budget(items=10, dollars=1, per="day")
    due: ClassVar[int] = 4
    cost: ClassVar[float] = 0.01
    error: ClassVar[Exception | None] = None

    def work(self, run: RunContext) -> Outcome:
        done = 0
        for _ in range(min(self.due, run.cap)):
            if run.time_for_more() <= 0:
                break
            run.spend(items=1, dollars=self.cost)
            done += 1
        if self.error:
            raise self.error
        return Done({"letters": done}, checkpoint={"next": done} if done < self.due else None)


class Killed(BaseException):
    """The process was killed: no code after it is executed."""


class World:
    def __init__(self, cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
        self.cloud, self.clock, self.log = cloud, clock, log
        self.job: type[Job] = Letters

    def tick(self, **rest: Any) -> RunReport:
        """The next minute's."""
        self.clock.move(minutes=1)
        firing = Firing(self.job.name, self.clock.now(), **rest)
        return run(self.job(), firing, self.cloud, self.log)

    def item(self, target: str = "-") -> dict[str, Any]:
        key = attributes.row({"pk": f"{self.job.key}:last", "sk": target})
        return attributes.plain(
            self.cloud.dynamodb.get_item(TableName=self.cloud.names.table("state"), Key=key).get("Item")
        )

    def spent(self) -> tuple[int, int]:
        kept = self.item()["spent"]
        return kept["items"], kept["micros"]


@pytest.fixture
def world(cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(Letters, "due", 4)
    return World(cloud, clock, log)


def test_what_runs_spend_is_summed_on_the_claim_item_for_no_call_more(world: World) -> None:
    calls = Calls(world.cloud)
    world.tick()
    assert calls.made == ["dynamodb:UpdateItem"] * 3
    world.tick()
    assert world.spent() == (8, 80_000)


def test_the_last_run_of_a_budget_does_what_is_left_of_it_and_no_more(world: World) -> None:
    world.tick(), world.tick()
    assert world.tick().counts == {"letters": 2}
    assert world.spent() == (10, 100_000)


def test_a_job_whose_budget_is_used_up_is_paused_with_the_figures(world: World) -> None:
    for _ in range(3):
        world.tick()
    report = world.tick()
    assert (report.outcome, report.ok) == ("paused", True)
    assert report.note == ("budget: 10 of 10 items, 0.1 of 1 dollars used, held until 2026-03-03 00:00 UTC")
    assert world.tick(manual=True).outcome == "paused"


def test_the_rest_of_the_work_waits_in_its_checkpoint_without_a_continuation(world: World) -> None:
    for _ in range(3):
        world.tick()
    assert waiting(world.cloud) == []
    assert json.loads(world.item()["checkpoint"]) == {"next": 2}


def test_dollars_end_a_run_after_the_current_item(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Letters, "cost", 0.4)
    assert world.tick().counts == {"letters": 3}
    assert world.spent() == (3, 1_200_000)
    assert "1.2 of 1 dollars used" in world.tick().note


def test_it_continues_in_the_first_millisecond_of_the_next_period(world: World) -> None:
    for _ in range(3):
        world.tick()
    world.clock.instant = parse("2026-03-02T23:58:59.999Z")
    assert world.tick().outcome == "paused"
    assert (world.tick().outcome, world.spent()) == ("done", (4, 40_000))


def test_a_run_spends_of_the_period_that_it_began_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(self: Job, run: RunContext) -> Outcome:
        run.spend(items=10)
        world.clock.move(minutes=2)
        return Done()

    world.clock.instant = parse("2026-03-02T23:58:00Z")
    monkeypatch.setattr(Letters, "work", late)
    world.tick()
    assert world.item()["spent"]["period"] == "2026-03-02"
    assert world.tick().outcome == "done"


def test_a_clock_that_is_behind_spends_of_the_later_period(world: World) -> None:
    world.clock.instant = parse("2026-03-03T00:00:00Z")
    world.tick()
    world.clock.instant = parse("2026-03-02T23:57:30Z")
    world.tick(manual=True)
    assert (world.item()["spent"]["period"], world.spent()[0]) == ("2026-03-03", 8)


def test_a_month_lasts_to_its_last_day(world: World) -> None:
    world.cloud.environment = {"LETTERS_BUDGET": "4 items per month"}
    world.tick()
    world.clock.instant = parse("2026-03-31T23:58:00Z")
    assert world.tick().note.endswith("held until 2026-04-01 00:00 UTC")
    assert world.tick().outcome == "done"


@pytest.mark.parametrize("period", ["2026-03-04", "2027-03-02"])
def test_a_period_far_ahead_of_the_clock_blocks_no_run(world: World, period: str) -> None:
    world.tick()
    key = attributes.row({"pk": f"{world.job.key}:last", "sk": "-"})
    world.cloud.dynamodb.update_item(
        TableName=world.cloud.names.table("state"),
        Key=key,
        UpdateExpression="SET spent = :spent",
        ExpressionAttributeValues=attributes.row({":spent": {"period": period, "items": 10, "micros": 0}}),
    )
    world.clock.move(minutes=5)
    assert world.tick().outcome == "done"
    assert (world.item()["spent"]["period"], world.item()["spent"]["items"]) == ("2026-03-02", 4)


def test_operators_are_alerted_once_a_period_with_the_commands(world: World) -> None:
    for _ in range(5):
        world.tick()
    [told] = alerts(world.cloud)
    assert (told["alert"], told["job"]) == ("JOB_BUDGET_USED_UP", "letters")
    assert told["spent"] == "10 of 10 items, 0.1 of 1 dollars"
    assert told["commands"] == [
        "python jobs.py why letters --aws --stage test",
        "python jobs.py resume letters --aws --stage test   # as much again",
        "deploy it with a larger LETTERS_BUDGET",
    ]
    world.clock.move(days=1)
    for _ in range(5):
        world.tick()
    assert len(alerts(world.cloud)) == 2


def test_an_alert_that_could_not_be_sent_is_sent_by_the_next_refused_tick(world: World) -> None:
    topic = world.cloud.names.topic_arn("alerts")
    world.cloud.sns.delete_topic(TopicArn=topic)
    for _ in range(4):
        assert world.tick().outcome in ("done", "paused")
    world.cloud.sns.create_topic(Name=world.cloud.names.topic("alerts"))
    world.tick(), world.tick()
    assert len(alerts(world.cloud)) == 1


def test_a_smaller_setting_holds_at_once_and_is_alerted_on_and_a_larger_one_resumes(world: World) -> None:
    world.tick()
    world.cloud.environment = {"LETTERS_BUDGET": "3 items per day"}
    assert world.tick().note.startswith("budget: 4 of 3 items used")
    world.tick()
    assert [told["spent"] for told in alerts(world.cloud)] == ["4 of 3 items"]
    world.cloud.environment = {"LETTERS_BUDGET": "100 items per day"}
    assert world.tick().counts == {"letters": 4}


def test_a_setting_that_cannot_be_read_keeps_the_job_from_running(world: World) -> None:
    world.cloud.environment = {"LETTERS_BUDGET": "lots"}
    report = world.tick()
    assert (report.outcome, report.note[:40]) == ("failed", "LETTERS_BUDGET='lots': write it as '1000")
    assert "spent" not in world.item()


def test_a_failed_run_has_spent_what_it_spent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Letters, "error", Rejected("no more paper"))
    world.tick()
    assert world.spent() == (4, 40_000)


def test_an_interrupted_run_loses_what_it_spent_since_the_last_save(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: Job, run: RunContext) -> Outcome:
        run.spend(items=6)
        run.save({"next": 6})
        run.spend(items=3)
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(Letters, "work", die)
        with pytest.raises(Killed):
            world.tick()
    assert world.spent() == (6, 0)
    world.clock.move(minutes=10)
    assert world.tick().counts == {"letters": 4}
    assert world.spent()[0] == 10


def test_a_budget_used_up_by_an_interrupted_run_is_alerted_on_by_the_next_tick(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: Job, run: RunContext) -> Outcome:
        run.spend(items=10)
        run.progress("writing", 99)
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(Letters, "work", die)
        with pytest.raises(Killed):
            world.tick()
    world.clock.move(minutes=10)
    assert [world.tick().outcome, world.tick().outcome] == ["paused", "paused"]
    assert len(alerts(world.cloud)) == 1


def test_a_finish_whose_reply_was_lost_counts_once(world: World) -> None:
    held, firing = Claims(world.cloud, Letters(), "-"), Firing("letters", NOON)
    taken = held.take(firing, "a", "r")
    assert isinstance(taken, claim.Claim)
    assert taken.budget_usage is not None
    taken.budget_usage.spend(3, 0)
    for _ in range(2):
        held.finish(taken, firing, {"outcome": "done", "ok": True}, None, success=True)
    assert world.spent() == (3, 0)


def test_a_duplicate_of_the_run_that_used_it_up_is_a_duplicate(world: World) -> None:
    world.cloud.environment = {"LETTERS_BUDGET": "4 items per day"}
    firing = Firing("letters", NOON)
    run(Letters(), firing, world.cloud, world.log)
    assert run(Letters(), firing, world.cloud, world.log).outcome == "deduplicated"


def test_resuming_grants_the_budget_again_and_keeps_the_sum(world: World) -> None:
    for _ in range(4):
        world.tick()
    was = pause.resume(world.cloud, Letters(), "job", "ada", "the mailing is wanted")
    assert was.text.startswith("budget: 10 of 10 items")
    assert [world.tick().outcome for _ in range(4)] == ["done", "done", "done", "paused"]
    assert world.spent()[0] == 20
    assert "20 of 20 items" in world.tick().note
    assert len(alerts(world.cloud)) == 2
    world.clock.move(days=1)
    assert [world.tick().counts.get("letters") for _ in range(4)] == [4, 4, 2, None]


def test_a_job_with_budget_left_is_not_resumed(world: World) -> None:
    world.tick()
    with pytest.raises(PauseRefused, match="letters is not paused; nothing was done"):
        pause.resume(world.cloud, Letters(), "job", "ada", "why not")


def test_an_operator_may_pause_a_job_held_by_its_budget_and_resuming_it_grants_nothing(world: World) -> None:
    for _ in range(3):
        world.tick()
    pause.pause(world.cloud, Letters(), "job", "ada", "moving")
    assert world.tick().note == "ada: moving"
    assert pause.resume(world.cloud, Letters(), "job", "ada", "moved").budget_hold.startswith("budget: 10 of 10 items")
    assert world.tick().note.startswith("budget: ")


def test_the_status_shows_it_until_its_period_is_over(world: World) -> None:
    for _ in range(3):
        world.tick()

    def shown() -> dict[str, Any]:
        return status_view.read(world.cloud, manifest.of([Letters()]))["letters:last"]

    assert shown()["paused"].startswith("budget: 10 of 10 items")
    world.clock.move(days=1)
    assert "paused" not in shown()


def test_each_shard_has_an_equal_share(cloud: Cloud, log: Lines) -> None:
    class Sharded(Letters):
        """Write letters in shards."""

        name = "sharded"
        shards = 3
        budget = Budget(items=10)
        due = 9

    report = run(Sharded(), Firing("sharded", NOON, target="1"), cloud, log)
    assert report.counts == {"letters": 3}


def test_a_purge_deletes_what_its_budget_allows_and_a_plan_is_applied_whole(
    cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(cloud, HOLDS)
    monkeypatch.setattr(Holds, "budget", Budget(items=3))
    for number in range(5):
        put(cloud, f"h{number}", NOON - timedelta(days=40))
    world = World(cloud, clock, log)
    world.job = Holds
    assert world.tick().counts == {"purged": 3}
    assert world.tick().outcome == "paused"
    tick = RunContext(Holds(), Firing("holds", clock.now(), manual=True), cloud, "r", clock.now(), log, dry=True)
    with draft.from_actions(Holds().actions(tick)) as drafted:
        made = plan.create(cloud, Holds(), tick, drafted, "ada", timedelta(days=1))
    assert run(Holds(), firing_for(made), cloud, log).counts == {"purged": 2}
    assert (there(cloud), len(alerts(cloud))) == ([], 1)
    assert world.spent()[0] == 5


@pytest.mark.parametrize("given", [{"items": -1}, {"dollars": -0.1}, {"dollars": float("nan")}])
def test_negative_amounts_are_refused(world: World, given: dict[str, Any]) -> None:
    taken = Claims(world.cloud, Letters(), "-").take(Firing("letters", NOON), "a", "r")
    assert isinstance(taken, claim.Claim)
    tick = RunContext(Letters(), Firing("letters", NOON), world.cloud, "a", NOON, world.log, claim=taken)
    with pytest.raises(ValueError, match="cannot spend"):
        tick.spend(**given)


def test_part_of_a_millionth_of_a_dollar_counts_as_one(world: World) -> None:
    purse = Claims(world.cloud, Letters(), "-").usage({}, NOON)
    assert purse is not None
    purse.spend(0, 0.07)
    purse.spend(0, 0.000_000_15)
    assert purse.spent["micros"] == 70_001


def test_the_claim_item_stays_within_one_write_unit_with_the_largest_budget(world: World) -> None:
    largest = Budget(budget.MAX_ITEMS, budget.MAX_DOLLARS - 1e-6, "month")
    assert largest.fault == ""
    spent = {"period": "2026-03-02", "items": 2 * 10**9, "micros": 2 * 10**12, "of": str(largest)}
    granted = {"period": "2026-03-02", "items": 3 * 10**9, "micros": 3 * 10**12}
    more = attributes.size(attributes.row({"spent": spent, "granted": granted}))
    # test_claim.py has the largest item without a budget: 1,021 bytes.
    assert 1021 - checkpoint.INLINE_CHECKPOINT + checkpoint.INLINE_BESIDE_A_BUDGET + more <= claim.ITEM_LIMIT


def test_why_shows_the_budget_usage_with_one_read(world: World) -> None:
    world.tick()
    told = explain.explain(trace(world.cloud, Letters()), "test")
    assert "Of its budget for 2026-03-02 it has spent 4 of 10 items, 0.04 of 1 dollars." in told.facts
    for _ in range(3):
        world.tick()
    world.clock.instant = parse("2026-03-02T12:10:30Z")
    world.tick()
    told = explain.explain(trace(world.cloud, Letters()), "test")
    assert (
        "Its budget is used up: 10 of 10 items, 0.1 of 1 dollars used, held until 2026-03-03 00:00 UTC." in told.facts
    )
    assert (
        "python jobs.py resume letters --aws --stage test",
        "grant its budget once more before its period ends",
    ) in told.commands
    assert (
        "python jobs.py env",
        "show the settings; deployed with a larger LETTERS_BUDGET, the job continues",
    ) in told.commands
    assert told.data["budget"]["spent"] == {"items": 10, "micros": 100_000}
    assert told.data["reads"] <= MAX_READS
    world.clock.move(days=1)
    told = explain.explain(trace(world.cloud, Letters()), "test")
    assert told.data["budget"]["used_up"] is False
    assert "python jobs.py resume letters --aws --stage test" not in dict(told.commands)
