"""Sweeps attempt each due item once, write its result once, and no item delays another."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared import clock, tables
from shared.archetypes.sweep import Sweep
from shared.archetypes.sweep.attempt import (
    Attempt,
    AttemptResult,
    AttemptVerdict,
    Deferred,
    GaveUp,
    RetryLater,
    Succeeded,
)
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.concurrency import TimedSemaphore
from shared.job import retry_policies, validation
from shared.job.budget import Budget
from shared.job.duration import days
from shared.job.effect import Effect, InFlight, NotPerformed, Unknown
from shared.job.idempotency import keyed
from shared.job.setting import SettingError
from shared.plans import draft
from shared.product.notifications import notification as notice
from shared.product.records.outgoing import Delivery, SendState
from shared.run.context import RunContext
from shared.run.firing import Firing, parse_firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import NOON, Calls, Lines, VirtualClock, waiting
from tests.support.receiver import Death

SECOND = timedelta(seconds=1)
Go = Callable[..., RunReport]


class Errands(Sweep):
    """Run errands."""

    name = "errands"
    table = tables.DELIVERIES
    record = "shared.product.records.outgoing.Delivery"
    delays = retry_policies.WEBHOOK_ITEM
    give_up_after = days(7)
    effects = days(8)
    verb = "send"
    idempotency = keyed("an attempt is an effect of its item and number")

    def __init__(self) -> None:
        self.says: dict[str, AttemptVerdict | BaseException] = {}
        self.tried: Counter[str] = Counter()
        self.trials: list[Attempt] = []

    def since(self, item: Delivery) -> datetime:
        return item.created_at

    def lane(self, item: Delivery) -> str:
        return item.webhook

    def attempt(self, attempt: Attempt) -> AttemptVerdict:
        self.tried[attempt.item.id] += 1
        self.trials.append(attempt)
        said = self.says.get(attempt.item.id, RetryLater("busy"))
        if isinstance(said, BaseException):
            raise said
        return said

    def on_success(self, item: Delivery, result: AttemptResult) -> Mapping[str, Any]:
        return {"state": SendState.SENT, "sent_at": result.at, "next_attempt_at": None}

    def on_give_up(self, item: Delivery, result: AttemptResult) -> Mapping[str, Any]:
        return {"state": SendState.FAILED, "failed_at": result.at, "next_attempt_at": None}

    def with_puts(self, run: RunContext, item: Delivery, result: AttemptResult) -> Sequence[Any]:
        if isinstance(result.verdict, Succeeded):
            return ()
        return [notice(run.cloud, item.user, f"errands-{item.id}", "errand_failed", "porter", {"why": result.why})]

    def reconcile(self, effect: Effect) -> Unknown:
        return Unknown("ask around")


@pytest.fixture
def job() -> Errands:
    return Errands()


@pytest.fixture
def go(cloud: Cloud, log: Lines, job: Errands) -> Go:
    def go(at: datetime | None = None, **rest: Any) -> RunReport:
        now = cloud.clock.now()
        return run(job, Firing(job.name, at or now.replace(second=0), correlation_id="c", **rest), cloud, log)

    return go


def add(cloud: Cloud, key: str, due: datetime = NOON, **rest: Any) -> None:
    given = {"created_at": NOON - SECOND, "webhook": "w", "event": "e", "body": "{}", "attempts": 1, **rest}
    store(cloud, Delivery(user="u", id=key, next_attempt_at=due, **given).item())


def store(cloud: Cloud, item: Mapping[str, Any]) -> None:
    cloud.dynamodb.put_item(TableName=cloud.names.table("deliveries"), Item=attributes.row(item))


def item(cloud: Cloud, key: str) -> dict[str, Any]:
    found = cloud.dynamodb.get_item(
        TableName=cloud.names.table("deliveries"), Key=attributes.row({"pk": "u", "sk": key}), ConsistentRead=True
    )
    return attributes.plain(found.get("Item"))


def told(cloud: Cloud) -> list[str]:
    found = cloud.dynamodb.scan(TableName=cloud.names.table("notifications"))["Items"]
    return sorted(item["sk"]["S"] for item in found)


@pytest.mark.parametrize("tick", [-1, 0, 1])
@pytest.mark.parametrize(("number", "delay"), [(1, 60), (2, 300), (3, 1800), (4, 7200)])
def test_each_retry_comes_at_its_instant_and_never_a_second_before(
    number: int, delay: int, tick: int, go: Go, cloud: Cloud, clock: VirtualClock, job: Errands
) -> None:
    add(cloud, "a", NOON, attempts=number - 1)
    go()
    due = NOON + timedelta(seconds=delay)
    assert item(cloud, "a")["next_attempt_at"] == item(cloud, "a")["due_at"] == clocked(due)
    clock.instant = due + tick * SECOND
    go(clock.instant)
    assert job.tried["a"] == (1 if tick < 0 else 2)


def clocked(at: datetime) -> str:
    return clock.iso(at)


def test_the_delay_counts_from_the_instant_at_which_the_attempt_before_it_began(
    go: Go, cloud: Cloud, clock: VirtualClock
) -> None:
    add(cloud, "a", NOON - timedelta(minutes=3))
    clock.move(seconds=17.25)
    go()
    assert item(cloud, "a")["due_at"] == clocked(NOON + timedelta(seconds=17.25 + 300))


def test_the_last_attempt_that_fails_is_the_end_and_its_user_is_told_once(
    go: Go, cloud: Cloud, clock: VirtualClock, job: Errands
) -> None:
    add(cloud, "a", attempts=0)
    for _ in range(8):
        go()
        clock.move(hours=3)
    found = item(cloud, "a")
    assert (found["state"], found["attempts"], found["last_error"], job.tried["a"]) == ("failed", 5, "busy", 5)
    assert "due" not in found
    assert found["since"] == found["created_at"]
    assert told(cloud) == ["errands-a"]


def test_what_is_too_old_is_given_up_without_an_attempt(go: Go, cloud: Cloud, job: Errands) -> None:
    add(cloud, "old", created_at=NOON - days(7) - SECOND)
    add(cloud, "young", created_at=NOON - days(7))
    assert go().counts == {"given_up": 1, "again": 1}
    assert item(cloud, "old")["last_error"] == "it is older than 7d"
    assert job.tried == {"young": 1}


def test_what_is_done_is_not_found_again(go: Go, cloud: Cloud, clock: VirtualClock, job: Errands, log: Lines) -> None:
    job.says["a"] = Succeeded("taken", {"status": 204})
    add(cloud, "a")
    assert go().counts == {"settled": 1}
    found = item(cloud, "a")
    assert (found["state"], found["status"], found["attempts"]) == ("sent", 204, 2)
    clock.move(minutes=1)
    assert go().counts == {"due": 0}
    [line] = log.said("errands_item")
    assert (line["entityId"], line["status"], line["attempt"], line["note"]) == ("a", "settled", 2, "taken")


@pytest.mark.parametrize("end", [Succeeded("taken"), GaveUp("refused")], ids=["settled", "given up"])
@pytest.mark.parametrize("later", [timedelta(minutes=1), days(7)])
def test_an_item_queued_again_under_its_id_is_attempted_again(
    end: AttemptVerdict, later: timedelta, go: Go, cloud: Cloud, clock: VirtualClock, job: Errands
) -> None:
    job.says["a"] = end
    add(cloud, "a")
    go()
    clock.move(seconds=later.total_seconds())
    # Shorter than the memory of effects, with the same number of attempts.
    job.says["a"] = Succeeded("taken at last", {"status": 201})
    add(cloud, "a", clock.now(), created_at=clock.now())
    assert go().counts == {"settled": 1}
    assert (job.tried["a"], item(cloud, "a")["status"], item(cloud, "a")["state"]) == (2, 201, "sent")


def test_the_other_side_may_ask_for_more_time_but_not_for_less(go: Go, cloud: Cloud, job: Errands) -> None:
    job.says = {"long": RetryLater("busy", wait=3600), "short": RetryLater("busy", wait=1)}
    add(cloud, "long")
    add(cloud, "short")
    go()
    assert item(cloud, "long")["due_at"] == clocked(NOON + timedelta(hours=1))
    assert item(cloud, "short")["due_at"] == clocked(NOON + timedelta(minutes=5))


def test_a_crash_before_the_row_is_settled_does_not_repeat_the_attempt(
    go: Go, cloud: Cloud, clock: VirtualClock, job: Errands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise Death

    job.says["a"] = RetryLater("busy", {"status": 503})
    add(cloud, "a")
    monkeypatch.setattr("shared.archetypes.sweep.runner.update_if_unchanged", die)
    with pytest.raises(Death):
        go()
    monkeypatch.undo()
    # Its lease has expired by then.
    clock.move(minutes=10)
    assert go().counts == {"again": 1}
    assert job.tried["a"] == 1
    found = item(cloud, "a")
    assert (found["attempts"], found["status"], found["due_at"]) == (2, 503, clocked(NOON + timedelta(minutes=5)))


def test_what_nobody_knows_of_waits_for_a_person_and_is_not_met_every_minute(
    go: Go, cloud: Cloud, clock: VirtualClock, job: Errands
) -> None:
    job.says["a"] = ConnectionError("the line went dead")
    add(cloud, "a")
    add(cloud, "b")
    assert go().counts == {"failed": 1, "again": 1}
    clock.move(minutes=10)
    report = go()
    assert (report.counts, report.ok) == ({"uncertain": 1, "again": 1}, False)
    assert job.tried == {"a": 1, "b": 2}
    assert item(cloud, "a")["attempts"] == 1


def test_a_row_that_moves_on_while_it_is_attempted_stays_as_it_is(go: Go, cloud: Cloud, job: Errands) -> None:
    add(cloud, "a")

    def attempt(attempt: Attempt) -> AttemptVerdict:
        add(cloud, "a", NOON + timedelta(days=1))
        return GaveUp("no")

    job.attempt = attempt  # type: ignore[method-assign]
    assert go().counts == {"moved": 1}
    assert item(cloud, "a")["due_at"] == clocked(NOON + timedelta(days=1))
    assert told(cloud) == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"created_at": None}, "created_at: Field required"),
        ({"created_at": "2026-03-09T12:00:00.000Z"}, "created_at: lies in the future"),
        ({"created_at": "yesterday"}, "created_at: "),
        ({"v": 9}, "v: version 9 is unknown"),
        ({"attempts": -1}, "attempts: "),
        ({"body": None}, "body: Field required"),
    ],
)
def test_a_bad_row_is_set_aside_with_its_reason_and_the_rest_goes_on(
    fault: dict[str, Any], reason: str, go: Go, cloud: Cloud, clock: VirtualClock, log: Lines
) -> None:
    add(cloud, "bad")
    add(cloud, "good")
    store(cloud, {**item(cloud, "bad"), **fault})
    report = go()
    assert (report.counts, report.ok) == ({"again": 1, "faulty": 1}, False)
    found = item(cloud, "bad")
    assert found["fault"].startswith(reason)
    assert not {"due", "due_at"} & set(found)
    assert log.said("errands_faulty")[0]["entityId"] == "bad"
    clock.move(minutes=1)
    assert go().counts == {"due": 0}


def test_operators_are_told_of_rows_set_aside_once_a_run_and_before_they_are(
    go: Go, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("a", "b"):
        add(cloud, key)
        store(cloud, {**item(cloud, key), "v": 9})
    with monkeypatch.context() as patched:
        patched.setattr(cloud.sns, "publish", lambda **_: (_ for _ in ()).throw(OSError("no route")))
        assert go().outcome == "failed"
    assert "due" in item(cloud, "a")
    sent: list[Any] = []
    monkeypatch.setattr(cloud.sns, "publish", lambda **told: sent.append(json.loads(told["Message"])))
    clock.move(minutes=10)
    assert go().counts == {"faulty": 2}
    [told] = sent
    assert (told["alert"], told["job"], told["table"], told["row"]) == ("ROW_SET_ASIDE", "errands", "deliveries", "a")
    assert told["why"].startswith("v: version 9 is unknown")
    assert told["commands"][1] == "python jobs.py load deliveries CORRECTED.jsonl --aws --stage test"


@pytest.mark.parametrize("change", [{"state": "sent"}, {"next_attempt_at": clock.iso(NOON + timedelta(hours=1))}])
def test_an_index_that_is_behind_its_row_is_put_right_and_nothing_is_attempted(
    change: dict[str, Any], go: Go, cloud: Cloud, job: Errands
) -> None:
    add(cloud, "a")
    store(cloud, {**item(cloud, "a"), **change})
    assert go().counts == {"straightened": 1}
    assert not job.tried
    assert item(cloud, "a") == Delivery.from_row(item(cloud, "a")).item()


def test_the_longest_due_come_first_and_a_cap_leaves_the_rest_to_the_next_part(
    go: Go, cloud: Cloud, job: Errands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "width", 1)
    cloud.environment = {"ERRANDS_MAX_RUNS_PER_TICK": "3"}
    for number in range(5):
        add(cloud, f"i{number}", NOON - timedelta(minutes=number))
    report = go()
    assert (report.counts, report.unfinished) == ({"again": 3}, True)
    assert set(job.tried) == {"i4", "i3", "i2"}


def test_a_budget_ends_a_sweep_like_its_cap_and_holds_the_next(
    go: Go, cloud: Cloud, job: Errands, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Errands, "budget", Budget(items=3))
    for number in range(5):
        add(cloud, f"i{number}", NOON - timedelta(minutes=number))
    assert go().counts == {"again": 3}
    clock.move(minutes=1)
    assert (go().outcome, job.tried.total()) == ("paused", 3)


def test_an_idle_tick_takes_a_query_for_each_shard_and_no_more(go: Go, cloud: Cloud) -> None:
    add(cloud, "later", NOON + SECOND)
    calls = Calls(cloud)
    go()
    assert [call for call in calls.made if call.endswith("Query")] == ["dynamodb:Query"] * 4
    assert len(calls.made) == 4 + 3


class InShards(Errands):
    """Run errands in up to four shards."""

    name = "errands"
    shards = 4
    shard_items = 5


@pytest.mark.parametrize(("items", "shards"), [(0, 1), (5, 1), (6, 2), (40, 4)])
def test_the_number_of_shards_follows_the_due_items(cloud: Cloud, log: Lines, items: int, shards: int) -> None:
    job = InShards()
    for number in range(items):
        add(cloud, f"i{number}")
    calls = Calls(cloud)
    report = run(job, Firing(job.name, NOON, correlation_id="c"), cloud, log)
    if shards == 1:
        assert (job.tried.total(), waiting(cloud)) == (items, [])
        # An idle tick costs what one of a job without shards does.
        assert items or calls.made.count("dynamodb:Query") == 4
        return
    assert (report.counts, job.tried.total()) == ({"shards": shards}, 0)
    for body in waiting(cloud):
        run(job, parse_firing(body["firing"], NOON), cloud, log)
    assert len(job.tried) == job.tried.total() == items


def test_one_lane_takes_its_share_and_the_others_go_on(go: Go, cloud: Cloud, job: Errands) -> None:
    slow, gate = threading.Semaphore(0), threading.Event()
    most = Counter[str]()
    now = Counter[str]()

    def attempt(attempt: Attempt) -> AttemptVerdict:
        lane = attempt.item.webhook
        now[lane] += 1
        most[lane] = max(most[lane], now[lane])
        if lane == "dead":
            gate.wait(5)
        else:
            slow.release()
        now[lane] -= 1
        return Succeeded()

    job.attempt = attempt  # type: ignore[method-assign]
    for number in range(10):
        add(cloud, f"dead{number}", NOON - timedelta(hours=1), webhook="dead")
        add(cloud, f"good{number}", webhook=f"w{number}")

    def release() -> None:
        for _ in range(10):
            assert slow.acquire(timeout=5)
        gate.set()

    helper = threading.Thread(target=release)
    helper.start()
    assert go().counts == {"settled": 20}
    helper.join()
    assert most["dead"] == 2


def test_attempts_are_made_no_faster_than_the_rate(go: Go, cloud: Cloud, job: Errands, clock: VirtualClock) -> None:
    job.__class__.rate = 2
    try:
        for number in range(5):
            add(cloud, f"i{number}")
        go()
    finally:
        job.__class__.rate = 0
    assert clock.now() == NOON + timedelta(seconds=2)


def test_a_plan_says_what_is_due_and_exactly_that_is_done(go: Go, cloud: Cloud, log: Lines, job: Errands) -> None:
    add(cloud, "a")
    add(cloud, "later", NOON + SECOND)
    firing = Firing(job.name, NOON, correlation_id="c")
    tick = RunContext(job, firing, cloud, "r", NOON, log, dry=True)
    assert job.plan(tick) == ["send 1", f"  u a, due {clocked(NOON)}"]
    from shared.plans import plan

    with draft.from_actions(job.actions(tick)) as drafted:
        made = plan.create(cloud, job, tick, drafted, "ada")
    assert go(NOON, manual=True, retried=False, plan=made.id).counts == {"again": 1}
    assert go(NOON, manual=True, retried=False, plan=made.id).outcome == "refused"


def test_a_sweep_without_an_index_by_due_instants_is_refused() -> None:
    with pytest.raises(validation.DeclarationError, match="has no index `due`"):
        type("Bad", (Errands,), {"__doc__": "Bad.", "name": "bad", "table": tables.WEBHOOKS})


@pytest.mark.parametrize("effects", [None, days(8)])
def test_who_waited_for_a_place_until_the_time_was_up_attempts_nothing(
    cloud: Cloud,
    clock: VirtualClock,
    job: Errands,
    go: Go,
    monkeypatch: pytest.MonkeyPatch,
    effects: timedelta | None,
) -> None:
    @contextmanager
    def late(_: TimedSemaphore) -> Iterator[None]:
        clock.move(minutes=10)
        yield

    monkeypatch.setattr(Errands, "effects", effects)
    monkeypatch.setattr(TimedSemaphore, "hold", late)
    add(cloud, "a")
    assert go().counts == {"put_off": 1}
    assert not job.tried
    assert item(cloud, "a")["attempts"] == 1


def test_an_end_that_cannot_be_written_is_settled_ten_minutes_later_without_another_attempt(
    cloud: Cloud, clock: VirtualClock, job: Errands, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Sequence[Any]:
        raise ValueError("no such persona")

    job.says["a"] = Succeeded()
    add(cloud, "a")
    with monkeypatch.context() as patch:
        patch.setattr(Errands, "with_puts", broken)
        assert go().counts == {"failed": 1}
    assert item(cloud, "a")["due_at"] == clocked(NOON + timedelta(minutes=10))
    clock.move(minutes=10)
    assert go().counts == {"settled": 1}
    assert job.tried == {"a": 1}


@pytest.mark.parametrize(
    ("error", "word", "ok"),
    [
        (NotPerformed("the relay is away"), "put_off", False),
        (SettingError("MAIL_SENDER is empty"), "put_off", False),
        (Deferred("its receiver hangs"), "deferred", True),
        (InFlight("k", 5), "in_flight", True),
    ],
)
@pytest.mark.parametrize("effects", [None, days(8)])
def test_attempts_that_were_not_made_are_not_counted_and_leave_their_place_to_the_rest(
    effects: timedelta | None,
    error: Exception,
    word: str,
    ok: bool,
    go: Go,
    cloud: Cloud,
    job: Errands,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A continuation of the tick takes other items; the next tick takes these first."""
    if isinstance(error, InFlight) and effects:
        pytest.skip("only an effect itself raises it")
    monkeypatch.setattr(Errands, "effects", effects)
    cloud.environment = {"ERRANDS_MAX_RUNS_PER_TICK": "3"}
    for number in range(3):
        add(cloud, f"a{number}", NOON - timedelta(minutes=1))
        job.says[f"a{number}"] = error
    add(cloud, "z")
    report = go(NOON)
    assert (report.counts, report.ok, report.unfinished) == ({word: 3}, ok, True)
    assert item(cloud, "a0")["attempts"] == 1
    assert clocked(NOON) < item(cloud, "a0")["due_at"] < clocked(NOON + timedelta(minutes=1))
    assert go(NOON, part=1).counts == {"again": 1}
    assert job.tried == {"a0": 1, "a1": 1, "a2": 1, "z": 1}


def test_an_attempt_that_was_not_made_may_be_deferred_for_longer(go: Go, cloud: Cloud, job: Errands) -> None:
    job.says["a"] = Deferred("asked to wait", wait=3600)
    add(cloud, "a")
    go()
    assert item(cloud, "a")["due_at"] == clocked(NOON + timedelta(hours=1))


def test_a_slow_lane_with_more_items_than_fit_the_window_leaves_the_others_their_turn(
    go: Go, cloud: Cloud, job: Errands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.concurrency.WINDOW", 5)
    started = threading.Barrier(3)

    def attempt(attempt: Attempt) -> AttemptVerdict:
        if attempt.item.webhook == "good":
            started.wait(10)
        elif not gate.is_set():
            gate.wait(10)
        return Succeeded()

    def open_gate() -> None:
        started.wait(20)
        gate.set()

    gate = threading.Event()
    threading.Thread(target=open_gate).start()
    job.attempt = attempt  # type: ignore[method-assign]
    for number in range(12):
        add(cloud, f"a{number:02d}", NOON - timedelta(minutes=1), webhook="slow")
    add(cloud, "y", webhook="good")
    add(cloud, "z", webhook="good")
    report = go(NOON)
    assert report.counts["deferred"] >= 3
    assert report.counts["deferred"] + report.counts["settled"] == 14
    assert item(cloud, "z")["state"] == "sent"
    assert item(cloud, "a11")["attempts"] == 1
    assert not report.unfinished
