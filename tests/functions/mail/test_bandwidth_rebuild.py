"""A day's sums are recomputed from its messages: wrong sums are corrected, others stay, also beside the rollup."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.mail.bandwidth_rebuild import BandwidthRebuild
from functions.mail.bandwidth_rollup import BandwidthRollup
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.plans import draft, plan
from shared.product.records.mail import Cycle, MessageMetadata, Rollup
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from shared.store import watermark
from shared.tables import CYCLES, ROLLUPS
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.stored_rows import one, put, there

Go = Callable[..., RunReport]
DAY = datetime(2026, 3, 1, tzinfo=UTC)
AT = DAY + timedelta(hours=9)


@pytest.fixture
def go(cloud: Cloud, clock: VirtualClock, log: Lines) -> Go:
    """Recompute the day's sums."""
    cycle = {"user": "ada", "id": "2026-03-01", "starts_at": DAY, "ends_at": DAY + timedelta(days=31), "quota": 100}
    put(cloud, Cycle.model_validate(cycle), message("m1"), message("m2"))
    rollup(cloud, log)

    def go(plan_id: str = "", at: datetime = DAY) -> RunReport:
        firing = Firing("bandwidth-rebuild", at, manual=True, retried=False, plan=plan_id)
        return run(BandwidthRebuild(), firing, cloud, log)

    return go


def rollup(cloud: Cloud, log: Lines) -> None:
    at = cloud.clock.now()
    assert run(BandwidthRollup(), Firing("bandwidth-rollup", at), cloud, log).outcome == "done"


def message(
    name: str, user: str = "ada", size: int = 10, at: datetime = AT, recorded: datetime = AT
) -> MessageMetadata:
    return MessageMetadata(user=user, id=name, received_at=at, recorded_at=recorded, bytes_used=size)


def sums(cloud: Cloud) -> dict[str, tuple[int, int]]:
    return {f"{row['pk']} {row['sk']}": (row["bytes_used"], row["messages"]) for row in there(cloud, ROLLUPS)}


RIGHT = {"ada day#2026-03-01": (20, 2), "ada week#2026-W09": (20, 2)}


def test_what_is_right_stays(go: Go, cloud: Cloud) -> None:
    before = there(cloud, ROLLUPS)
    assert go().counts == {"changed": 0}
    assert (there(cloud, ROLLUPS), sums(cloud)) == (before, RIGHT)


def test_what_was_loaded_later_is_counted_for_day_week_and_cycle(go: Go, cloud: Cloud, log: Lines) -> None:
    """Messages recorded before the rollup's watermark are in no later window."""
    put(cloud, message("m3", size=5), message("m1", "bob", 7))
    assert go().counts == {"changed": 2}
    assert sums(cloud) == {
        "ada day#2026-03-01": (25, 3),
        "ada week#2026-W09": (25, 3),
        "bob day#2026-03-01": (7, 1),
        "bob week#2026-W09": (7, 1),
    }
    assert one(cloud, CYCLES, "ada", "2026-03-01")["bytes_used"] == 25
    assert go().counts == {"changed": 0}


def test_a_day_that_was_changed_by_mistake_is_made_right(go: Go, cloud: Cloud) -> None:
    key = {"pk": {"S": "ada"}, "sk": {"S": "day#2026-03-01"}}
    cloud.dynamodb.update_item(
        TableName=cloud.names.table("rollups"),
        Key=key,
        UpdateExpression="SET bytes_used = :n",
        ExpressionAttributeValues=attributes.row({":n": 21}),
    )
    go()
    assert sums(cloud)["ada day#2026-03-01"] == (20, 2)


def test_the_rollup_adds_on_to_what_was_made_anew(go: Go, cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    put(cloud, message("m1", "bob", 7))
    go()
    clock.move(hours=1)
    put(cloud, message("m2", "bob", 1, recorded=clock.now() - timedelta(minutes=20)))
    rollup(cloud, log)
    assert sums(cloud)["bob day#2026-03-01"] == (8, 2)
    assert go().counts == {"changed": 0}


def test_it_is_planned_and_then_done_to_the_row(go: Go, cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    put(cloud, message("m3", size=5))
    job = BandwidthRebuild()
    tick = RunContext(job, Firing(job.name, DAY), cloud, "dry", clock.now(), log, dry=True)
    [line] = job.plan(tick)
    assert line == "ada: 20 bytes of 2 messages become 25 of 3"

    with draft.from_actions(job.actions(tick)) as drafted:
        made = plan.create(cloud, job, tick, drafted, "ada")
    clock.move(hours=1)
    rollup(cloud, log)
    assert go(made.id).counts == {"changed": 1}
    assert sums(cloud)["ada day#2026-03-01"] == (25, 3)


@pytest.mark.parametrize("closing", [True, False])
def test_it_keeps_away_while_the_rollup_writes_and_from_days_that_are_being_deleted(
    go: Go, cloud: Cloud, clock: VirtualClock, closing: bool
) -> None:
    if closing:
        watermark.pin(cloud, "bandwidth-rollup", watermark.read(cloud, "bandwidth-rollup"), "2026-03-02T12:00:00.000Z")
    else:
        clock.move(days=90)
    report = go()
    assert report.outcome == "failed"
    assert ("in the middle of a window" if closing else "are being deleted") in report.note
    assert sums(cloud) == RIGHT


def test_a_sum_that_the_rollup_changes_meanwhile_is_left_to_the_next_time(
    go: Go, cloud: Cloud, clock: VirtualClock, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cloud, message("m3", size=5))
    real = BandwidthRebuild._change

    def change(job: BandwidthRebuild, *given: Any) -> bool:
        clock.move(minutes=30)
        put(cloud, message("m4", size=100, recorded=NOON + timedelta(minutes=1)))
        rollup(cloud, log)
        return real(job, *given)

    monkeypatch.setattr(BandwidthRebuild, "_change", change)
    assert go().counts == {"changed": 0, "moved": 1}
    assert sums(cloud)["ada day#2026-03-01"] == (120, 3)
    monkeypatch.undo()
    go()
    assert sums(cloud)["ada day#2026-03-01"] == (125, 4)


def test_a_sum_that_was_loaded_is_made_anew_like_any_other(go: Go, cloud: Cloud) -> None:
    """No window was added to this sum."""
    put(cloud, Rollup(user="eve", id="day#2026-03-01", from_at=DAY, bytes_used=50, messages=3), message("m1", "eve", 7))
    assert go().counts == {"changed": 1}
    assert sums(cloud)["eve day#2026-03-01"] == (7, 1)
