"""Watermarks: pinned before a window, moved after it, and fenced against another run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared import clock as clocks
from shared.aws.cloud import Cloud
from shared.store import watermark
from shared.store.fencing import Fenced
from shared.store.transaction import TransactionCancelled, write_together
from shared.store.watermark import Watermark
from tests.conftest import VirtualClock

FIRST, SECOND, THIRD = (f"2026-03-02T{hour}:00:00.000Z" for hour in (11, 12, 13))


def test_a_job_without_windows_has_no_watermark(cloud: Cloud) -> None:
    assert watermark.read(cloud, "rollup") == Watermark()
    assert watermark.closed(cloud, "rollup") is None


def test_a_window_is_pinned_then_closed(cloud: Cloud) -> None:
    pinned = watermark.pin(cloud, "rollup", Watermark(), FIRST)
    assert watermark.read(cloud, "rollup") == pinned == Watermark("", FIRST)
    assert watermark.close(cloud, "rollup", pinned, FIRST) == watermark.read(cloud, "rollup") == Watermark(FIRST)
    assert watermark.closed(cloud, "rollup") == clocks.parse(FIRST)


def test_a_second_window_follows_the_first_and_no_other(cloud: Cloud) -> None:
    watermark.close(cloud, "rollup", watermark.pin(cloud, "rollup", Watermark(), FIRST), FIRST)
    pinned = watermark.pin(cloud, "rollup", Watermark(FIRST), SECOND)
    assert watermark.close(cloud, "rollup", pinned, SECOND) == watermark.read(cloud, "rollup") == Watermark(SECOND)
    with pytest.raises(Fenced):
        watermark.pin(cloud, "rollup", Watermark(FIRST), THIRD)


def test_a_pinned_window_is_pinned_again_without_a_write(cloud: Cloud) -> None:
    pinned = watermark.pin(cloud, "rollup", Watermark(), FIRST)
    assert watermark.pin(cloud, "rollup", pinned, FIRST) == pinned


def test_a_repeated_write_recognises_its_own_result(cloud: Cloud) -> None:
    for _ in range(2):
        assert watermark.pin(cloud, "rollup", Watermark(), FIRST) == Watermark("", FIRST)


def test_a_run_that_another_one_overtook_is_fenced(cloud: Cloud) -> None:
    pinned = watermark.pin(cloud, "rollup", Watermark(), FIRST)
    watermark.close(cloud, "rollup", pinned, FIRST)
    with pytest.raises(Fenced, match="rollup: another run moved its watermark"):
        watermark.pin(cloud, "rollup", Watermark(), SECOND)
    with pytest.raises(Fenced):
        watermark.close(cloud, "rollup", Watermark("", SECOND), SECOND)
    assert watermark.read(cloud, "rollup") == Watermark(FIRST)


@pytest.mark.parametrize("mark", [Watermark(), Watermark(FIRST)])
def test_a_pinned_window_ahead_of_the_clock_is_set_back_with_its_mark(cloud: Cloud, mark: Watermark) -> None:
    if mark.upto:
        watermark.close(cloud, "rollup", Watermark(), mark.upto)
    pinned = watermark.pin(cloud, "rollup", mark, THIRD)
    assert watermark.is_ahead(cloud, pinned)
    assert watermark.closed(cloud, "rollup") == (clocks.parse(FIRST) if mark.upto else None)
    with pytest.raises(TransactionCancelled):
        write_together(cloud, [watermark.moved_back("rollup", mark, FIRST)])
    write_together(cloud, [watermark.moved_back("rollup", pinned, FIRST)])
    assert watermark.read(cloud, "rollup") == Watermark(FIRST)


@pytest.mark.parametrize("ahead_by", [timedelta(milliseconds=1), timedelta(hours=8)])
def test_a_mark_ahead_of_the_clock_closes_nothing(cloud: Cloud, clock: VirtualClock, ahead_by: timedelta) -> None:
    ahead = clocks.iso(clock.now() + ahead_by)
    watermark.close(cloud, "rollup", Watermark(), ahead)
    assert watermark.closed(cloud, "rollup") is None
    assert watermark.is_ahead(cloud, watermark.read(cloud, "rollup"))
    clock.move(hours=8)
    assert watermark.closed(cloud, "rollup") == clocks.parse(ahead)
