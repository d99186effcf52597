"""The claim: one conditional write to take the right to run, one to give it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared import clock as clocks
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome, Reason, Skipped
from shared.observability.log import Log
from shared.run import checkpoint, lost_runs, unclaimed_status
from shared.run import claim as claims
from shared.run.claim import Claim, Claims, Held
from shared.run.claim_refusal import ClaimRefusal
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.store import keys
from shared.store.fencing import Fenced
from tests.conftest import NOON, VirtualClock
from tests.support.sweep_job import Sweep

TICK = Firing("sweep", NOON)
OK = {"outcome": "done", "ok": True}
A, B, C, D = (f"20260302T12000{number}.000Z-0000000{number}" for number in range(4))
ENTRY = manifest.of([Sweep()])["sweep"]


@pytest.fixture
def held(cloud: Cloud) -> Claims:
    return Claims(cloud, Sweep(), "-")


def take(held: Claims, run: str, firing: Firing = TICK) -> Claim:
    taken = held.take(firing, run, "request-1")
    assert isinstance(taken, Claim), taken
    return taken


def refusal(held: Claims, run: str, firing: Firing = TICK) -> ClaimRefusal:
    refused = held.take(firing, run, "request-2")
    assert isinstance(refused, ClaimRefusal), refused
    return refused


def take_over(held: Claims, run: str, log: Log, firing: Firing = TICK) -> Claim:
    """Claim as `run` does after an interrupted holder."""
    if "holder" not in (before := item(held.cloud)):
        return take(held, run, firing)
    assert lost_runs.mark_lost(held.cloud, log, "sweep", ENTRY, before, "no end")
    taken = held.take(firing, run, "request-1", before["holder"])
    assert isinstance(taken, Claim), taken
    return taken


def row(cloud: Cloud, run: str) -> dict[str, Any]:
    key = attributes.row(keys.run("sweep", run).attributes)
    return attributes.plain(cloud.dynamodb.get_item(TableName=cloud.names.table("state"), Key=key)["Item"])


def item(cloud: Cloud) -> dict[str, Any]:
    key = attributes.row({"pk": "sweep:last", "sk": "-"})
    return attributes.plain(cloud.dynamodb.get_item(TableName=cloud.names.table("state"), Key=key).get("Item"))


def at(minutes: int, **rest: Any) -> Firing:
    return replace(TICK, at=NOON.replace(minute=minutes), **rest)


def test_a_held_lease_keeps_a_later_tick_out(held: Claims) -> None:
    take(held, "a")
    refused = refusal(held, "b", at(1))
    assert refused.reason is Reason.LOCKED
    assert refused.wait == 70


def test_the_same_tick_delivered_while_it_runs_is_a_duplicate_of_the_run_that_has_it(held: Claims) -> None:
    take(held, "a")
    assert refusal(held, "b") == ClaimRefusal(Reason.DEDUPLICATED, "a", note="this tick was taken by a")


def test_a_tick_that_is_done_is_refused(held: Claims) -> None:
    held.finish(take(held, "a"), TICK, OK, None, success=True)
    assert refusal(held, "b").reason is Reason.DEDUPLICATED


def test_an_older_tick_after_a_newer_success_is_superseded(held: Claims) -> None:
    held.finish(take(held, "a", at(5)), at(5), OK, None, success=True)
    assert refusal(held, "b", at(4)).reason is Reason.SUPERSEDED


def test_a_failed_attempt_delivered_again_starts_no_second_chain(held: Claims) -> None:
    held.finish(take(held, "a"), TICK, {"outcome": "failed", "ok": False}, None, success=False)
    assert refusal(held, "b").reason is Reason.DEDUPLICATED


def test_the_next_attempt_of_a_failed_tick_may_run_and_only_once(held: Claims) -> None:
    held.finish(take(held, "a"), TICK, {"outcome": "failed", "ok": False}, None, success=False)
    second = replace(TICK, attempt=2)
    held.finish(take(held, "b", second), second, {"outcome": "failed", "ok": False}, None, success=False)
    assert refusal(held, "c", second).reason is Reason.DEDUPLICATED


def test_a_retry_that_comes_while_the_first_attempt_runs_is_locked_out(held: Claims) -> None:
    take(held, "a")
    assert refusal(held, "b", replace(TICK, attempt=2)).reason is Reason.LOCKED


def test_an_expired_lease_is_refused_with_the_item_of_its_holder(held: Claims, clock: VirtualClock) -> None:
    take(held, A)
    clock.move(seconds=60 + claims.LEASE_MARGIN + 1)
    refused = refusal(held, B, at(1))
    assert (refused.reason, refused.interrupted["holder"]) == (Reason.LOCKED, A)


def test_an_expired_lease_is_taken_over_after_its_holder_was_recorded(
    held: Claims, clock: VirtualClock, log: Log
) -> None:
    take(held, A)
    clock.move(seconds=60 + claims.LEASE_MARGIN + 1)
    taken = take_over(held, B, log, at(1))
    assert taken.fence == 3
    assert taken.before["outcome"] == "lost"


def test_a_tick_whose_run_was_interrupted_may_be_run_by_its_second_delivery(
    held: Claims, clock: VirtualClock, log: Log
) -> None:
    take(held, A)
    clock.move(seconds=60 + claims.LEASE_MARGIN + 1)
    assert take_over(held, B, log).fence == 3


def test_an_attempt_is_not_repeated_by_one_that_did_not_record_its_loss(
    held: Claims, cloud: Cloud, clock: VirtualClock, log: Log
) -> None:
    take(held, A)
    clock.move(seconds=60 + claims.LEASE_MARGIN + 1)
    lost_runs.mark_lost(cloud, log, "sweep", ENTRY, item(cloud), "no end")
    # Its retry is on the way.
    assert refusal(held, B).reason is Reason.DEDUPLICATED


def test_every_run_of_a_chain_of_interrupted_ones_is_recorded(
    held: Claims, cloud: Cloud, clock: VirtualClock, log: Log
) -> None:
    held.finish(take(held, A), TICK, {**OK, "at": "2026-03-02T12:00:01.000Z", "ms": 7}, None, success=True)
    # Neither the first run wrote its row, nor did the next ones, which ended after their claims.
    for minute, run in enumerate((B, C), start=1):
        clock.move(seconds=60 + claims.LEASE_MARGIN + 1)
        take_over(held, run, log, at(minute))
    clock.move(seconds=60 + claims.LEASE_MARGIN + 1)
    take_over(held, D, log, at(3))
    rows = {run: row(cloud, run) for run in (A, B, C)}
    assert {run: (found["outcome"], found["tick"]) for run, found in rows.items()} == {
        A: ("done", "2026-03-02T12:00Z#00"),
        B: ("lost", "2026-03-02T12:01Z#00"),
        C: ("lost", "2026-03-02T12:02Z#00"),
    }


def test_a_run_without_its_lease_cannot_finish(held: Claims, clock: VirtualClock, log: Log) -> None:
    zombie = take(held, A)
    clock.move(seconds=60 + claims.LEASE_MARGIN + 1)
    take_over(held, B, log, at(1))
    with pytest.raises(Fenced, match="lost its lease"):
        held.finish(zombie, TICK, OK, None, success=True)


def test_a_run_that_was_recorded_as_lost_cannot_save_or_finish(
    held: Claims, cloud: Cloud, clock: VirtualClock, log: Log
) -> None:
    zombie = take(held, "20260302T120000.000Z-0000000a")
    clock.move(seconds=60 + claims.LEASE_MARGIN + 1)
    entry = manifest.of([Sweep()])["sweep"]
    assert lost_runs.mark_lost(cloud, log, "sweep", entry, item(cloud), "no end")
    recorded = item(cloud)
    with pytest.raises(Fenced):
        held.save(zombie, {"next": 1})
    with pytest.raises(Fenced):
        held.finish(zombie, TICK, OK, None, success=True)
    assert item(cloud) == recorded


def test_a_lost_run_cannot_finish_after_its_status_was_replaced(
    held: Claims, cloud: Cloud, clock: VirtualClock, log: Log
) -> None:
    zombie = take(held, A)
    clock.move(seconds=60 + claims.LEASE_MARGIN + 1)
    lost_runs.mark_lost(cloud, log, "sweep", ENTRY, item(cloud), "no end")
    # As by the next tick of a job that was switched off since.
    firing = at(2)
    run = RunContext(Sweep(), firing, cloud, B, clock.now(), log)
    assert unclaimed_status.write(run, Skipped(Reason.DISABLED, "off"), 1)
    with pytest.raises(Fenced):
        held.finish(zombie, TICK, OK, None, success=True)


def test_the_next_run_after_a_lost_one_finishes(held: Claims, cloud: Cloud, clock: VirtualClock, log: Log) -> None:
    take(held, "20260302T120000.000Z-0000000a")
    clock.move(seconds=60 + claims.LEASE_MARGIN + 1)
    lost_runs.mark_lost(cloud, log, "sweep", manifest.of([Sweep()])["sweep"], item(cloud), "no end")
    following = take(held, "20260302T120111.000Z-0000000b", at(1))
    good = {**OK, "lastGood": "2026-03-02T12:01:11.000Z"}
    held.progress(following, "halfway", 50)
    held.finish(following, at(1), good, None, success=True)
    held.finish(following, at(1), good, None, success=True)
    assert item(cloud)["status"] == good


def test_a_run_without_its_lease_cannot_save_or_show_progress(held: Claims, clock: VirtualClock, log: Log) -> None:
    zombie = take(held, A)
    clock.move(seconds=60 + claims.LEASE_MARGIN + 1)
    take_over(held, B, log, at(1))
    with pytest.raises(Fenced):
        held.save(zombie, {"next": 1})
    with pytest.raises(Fenced):
        held.progress(zombie, "halfway", 50)


def test_a_claim_whose_reply_was_lost_recognises_itself_and_the_run_before(held: Claims, clock: VirtualClock) -> None:
    held.finish(take(held, "a"), TICK, OK, {"next": 7}, success=True)
    clock.move(seconds=60)
    first = take(held, "b", at(1))
    assert take(held, "b", at(1)) == first
    assert (first.finished_before, first.held_before) == ("a", Held("2026-03-02T12:00Z#00", 1))


def test_a_finish_whose_reply_was_lost_may_be_repeated(held: Claims, cloud: Cloud) -> None:
    taken = take(held, "a")
    held.finish(taken, TICK, OK, {"next": 7}, success=True)
    before = item(cloud)
    held.finish(taken, TICK, OK, {"next": 7}, success=True)
    assert item(cloud) == before


def test_a_failure_does_not_move_last_and_keeps_the_checkpoint(held: Claims, cloud: Cloud) -> None:
    taken = take(held, "a")
    held.save(taken, {"next": 3})
    held.finish(taken, TICK, {"outcome": "failed", "ok": False}, None, success=False)
    assert "last" not in item(cloud)
    assert take(held, "b", replace(TICK, attempt=2)).checkpoint == {"next": 3}


def test_a_success_clears_the_checkpoint_unless_it_leaves_one(held: Claims) -> None:
    held.finish(take(held, "a"), TICK, OK, {"next": 3}, success=True)
    taken = take(held, "b", at(1))
    assert taken.checkpoint == {"next": 3}
    held.finish(taken, at(1), OK, None, success=True)
    assert take(held, "c", at(2)).checkpoint is None


def test_a_large_checkpoint_becomes_an_item_of_its_own(held: Claims, cloud: Cloud) -> None:
    large = {"done": ["x" * 40] * 100}
    held.finish(take(held, "a"), TICK, OK, large, success=True)
    assert attributes.size(attributes.row(item(cloud))) < claims.ITEM_LIMIT
    assert take(held, "b", at(1)).checkpoint == large


def test_a_fenced_runs_large_checkpoint_does_not_overwrite_its_successors(
    held: Claims, clock: VirtualClock, log: Log
) -> None:
    large = {"done": ["x" * 40] * 100}
    zombie = take(held, A)
    clock.move(seconds=60 + claims.LEASE_MARGIN + 1)
    good = {**OK, "lastGood": "2026-03-02T12:01:11.000Z"}
    held.finish(take_over(held, B, log, at(1)), at(1), good, large, success=True)
    with pytest.raises(Fenced):
        held.save(zombie, {"done": ["y" * 40] * 100})
    assert take(held, "c", at(2)).checkpoint == large


def test_a_paused_job_is_not_claimed_by_a_tick_nor_by_hand(held: Claims, cloud: Cloud) -> None:
    cloud.dynamodb.put_item(
        TableName=cloud.names.table("state"),
        Item=attributes.row({"pk": "sweep:last", "sk": "-", "paused": "ada: index rebuild"}),
    )
    assert refusal(held, "a") == ClaimRefusal(Reason.PAUSED, note="ada: index rebuild")
    assert refusal(held, "b", replace(TICK, manual=True)).reason is Reason.PAUSED


@pytest.mark.parametrize("firing", [TICK, replace(TICK, manual=True, id="m1")])
def test_a_pause_that_has_ended_is_removed_by_the_claim(
    held: Claims, cloud: Cloud, clock: VirtualClock, firing: Firing
) -> None:
    until = clocks.iso(NOON + timedelta(minutes=2))
    values = {"pk": "sweep:last", "sk": "-", "paused": "ada: index rebuild", "paused_until": until}
    cloud.dynamodb.put_item(TableName=cloud.names.table("state"), Item=attributes.row(values))
    clock.move(seconds=119)
    assert refusal(held, "a", firing) == ClaimRefusal(
        Reason.PAUSED, note="ada: index rebuild (until 2026-03-02 12:02 UTC)"
    )
    clock.move(seconds=1)
    take(held, "b", firing)
    assert not {"paused", "paused_until"} & item(cloud).keys()
    # The reason of a refusal is not the pause that has ended.
    cloud.dynamodb.put_item(TableName=cloud.names.table("state"), Item=attributes.row({**item(cloud), **values}))
    assert refusal(held, "c", firing).reason is not Reason.PAUSED


def test_a_plan_is_carried_out_when_an_operators_pause_has_ended(
    held: Claims, cloud: Cloud, clock: VirtualClock
) -> None:
    until = clocks.iso(NOON + timedelta(minutes=2))
    values = {"pk": "sweep:last", "sk": "-", "paused": "ada: index rebuild", "paused_until": until}
    cloud.dynamodb.put_item(TableName=cloud.names.table("state"), Item=attributes.row(values))
    plan = replace(TICK, manual=True, id="m1", plan="sweep.prod.1")
    assert refusal(held, "a", plan).reason is Reason.PAUSED
    clock.move(minutes=2)
    take(held, "b", plan)


def test_a_brake_refuses_ticks_while_its_plan_waits_for_the_lease_alone(held: Claims, cloud: Cloud) -> None:
    take(held, "a")
    braked = {**item(cloud), "paused": "brake: 100 due, 10 is usual"}
    cloud.dynamodb.put_item(TableName=cloud.names.table("state"), Item=attributes.row(braked))
    assert refusal(held, "b", at(1)).reason is Reason.PAUSED
    assert refusal(held, "c", replace(TICK, manual=True, id="m1")).reason is Reason.PAUSED
    plan = replace(TICK, manual=True, id="m2", plan="sweep.prod.1")
    assert refusal(held, "d", plan).reason is Reason.LOCKED


def test_a_manual_run_takes_the_lease_but_neither_reads_nor_moves_last(held: Claims, cloud: Cloud) -> None:
    held.finish(take(held, "a"), TICK, OK, None, success=True)
    by_hand = at(9, manual=True, id="m1")
    taken = take(held, "b", by_hand)
    assert refusal(held, "c", at(1)).reason is Reason.LOCKED
    held.finish(taken, by_hand, OK, None, success=True)
    assert item(cloud)["last"] == TICK.position


def test_a_continuation_is_later_than_its_part_and_earlier_than_the_next_tick(held: Claims) -> None:
    held.finish(take(held, "a"), TICK, OK, {"next": 3}, success=True)
    held.finish(take(held, "b", TICK.continuation()), TICK.continuation(), OK, None, success=True)
    assert refusal(held, "c", TICK.continuation()).reason is Reason.DEDUPLICATED
    take(held, "d", at(1))


def test_targets_are_claimed_apart(cloud: Cloud) -> None:
    take(Claims(cloud, Sweep(), "0"), "a")
    take(Claims(cloud, Sweep(), "1"), "b")


def test_the_claim_item_stays_within_one_write_unit_at_its_largest(cloud: Cloud, clock: VirtualClock) -> None:
    class Longest(Job):
        """A job with the longest name that a declaration allows."""

        name = "a" * 40
        idempotency = natural("nothing to do")

        def work(self, run: RunContext) -> Outcome:
            return Done()

    held = Claims(cloud, Longest(), "h" * 64)
    run = "20260302T120000.000Z-0123456789"[:29]
    held.finish(_taken(held, run), TICK, OK, "c" * (checkpoint.INLINE_CHECKPOINT - 2), success=True)
    clock.move(hours=1)
    worst = {
        "outcome": "deduplicated",
        "ok": False,
        "at": "2026-03-02T12:00:00.000Z",
        "ms": 900_000,
        "note": "n" * 100,
        "statusCode": 503,
        "streak": 99_999,
        "firstError": "e" * 100,
        "failingSince": "2026-03-02T12:00:00.000Z",
        "lastGood": "2026-03-02T12:00:00.000Z",
    }
    held.finish(_taken(held, run, at(1)), at(1), worst, None, success=False)
    taken = _taken(held, run[:-1] + "x", at(2))
    held.progress(taken, "writing the archive", 50)
    answer = cloud.dynamodb.get_item(TableName=cloud.names.table("state"), Key=attributes.row(held.key.attributes))
    full = {**answer["Item"], "invocation": {"S": "01234567-89ab-cdef-0123-456789abcdef"}}
    # test_budget_usage.py adds a budget to this size.
    assert attributes.size(full) == 1021 <= claims.ITEM_LIMIT


def _taken(held: Claims, run: str, firing: Firing = TICK) -> Claim:
    taken = held.take(firing, run, "01234567-89ab-cdef-0123-456789abcdef")
    assert isinstance(taken, Claim), taken
    return taken
