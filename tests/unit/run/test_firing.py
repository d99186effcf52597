"""Events are parsed strictly: a malformed event changes no tick."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.run import firing as event
from shared.run.firing import Batch, Firing, MalformedEvent
from tests.conftest import NOON

CRON = {"source": "aws.events", "time": "2026-03-02T11:59:31Z", "id": "e1", "detail-type": "Scheduled Event"}


def test_a_rules_event_is_the_tick_of_its_minute() -> None:
    firing = event.parse("sweep", CRON, NOON)
    assert isinstance(firing, Firing)
    assert (firing.position, firing.id, firing.attempt, firing.manual) == ("2026-03-02T11:59Z#00", "e1", 1, False)
    assert firing.correlation_id


def test_a_schedules_event_is_a_tick_too() -> None:
    firing = event.parse("sweep", {"source": "nightshift.schedule", "time": "2026-03-02T11:59:00Z"}, NOON)
    assert isinstance(firing, Firing)
    assert firing.position == "2026-03-02T11:59Z#00"


def test_a_queues_event_is_a_batch() -> None:
    assert event.parse("sweep", {"Records": [{"messageId": "m"}]}, NOON) == Batch("sweep", ({"messageId": "m"},))


def test_a_firing_survives_its_journey() -> None:
    firing = Firing("sweep", NOON, 2, "shop.example", 3, 5, "id", True, False, "2026-03-02T11:00:00.000Z", "e", "c")
    assert event.parse("sweep", {"firing": firing.data()}, NOON) == firing


@pytest.mark.parametrize(
    "malformed",
    [
        None,
        [],
        "tick",
        {},
        {"source": "aws.s3", "time": "2026-03-02T11:59:00Z"},
        {**CRON, "time": None},
        {**CRON, "time": "yesterday"},
        {**CRON, "time": 1772452740},
        {"source": "aws.events"},
        {**CRON, "time": "2026-03-03T00:00:00Z"},
        {"firing": None},
        {"firing": {"job": "other", "at": "2026-03-02T12:00:00Z"}},
        {"firing": {"job": "sweep", "at": "2026-03-02T12:00:00Z", "part": -1}},
        {"firing": {"job": "sweep", "at": "2026-03-02T12:00:00Z", "part": 100}},
        {"firing": {"job": "sweep", "at": "2026-03-02T12:00:00Z", "attempt": True}},
        {"firing": {"job": "sweep", "at": "2026-03-02T12:00:00Z", "hop": 0}},
        {"firing": {"job": "sweep", "at": "2026-03-02T12:00:00Z", "redrive": -1}},
        {"firing": {"job": "sweep", "at": "2026-03-02T12:00:00Z", "redrive": 100}},
        {"firing": {"job": "sweep", "at": "2026-03-02T12:00:00Z", "letter": 7}},
        {"firing": {"job": "sweep", "at": "0999-03-02T12:00:00Z"}},
        {"firing": {"job": "sweep", "at": "2026-03-02T12:00:00Z", "target": ""}},
        {"Records": "none"},
    ],
)
def test_a_malformed_event_is_refused_with_the_jobs_name(malformed: Any) -> None:
    with pytest.raises(MalformedEvent, match="sweep"):
        event.parse("sweep", malformed, NOON)


def test_a_tick_ahead_of_the_clock_is_refused_as_it_would_supersede_the_real_ones() -> None:
    firing = Firing("sweep", NOON + timedelta(minutes=6))
    with pytest.raises(MalformedEvent, match="is ahead of the clock"):
        event.parse("sweep", {"firing": firing.data()}, NOON)


def test_marks_sort_as_attempts_and_redrives_are_made() -> None:
    made = [Firing("s", NOON, attempt=attempt, redrive=redrive) for redrive in (0, 1, 10, 99) for attempt in (1, 2, 7)]
    marks = [firing.dedup_key for firing in made]
    assert marks == sorted(marks)
    assert len(set(marks)) == len(marks)


def test_positions_sort_as_time_does() -> None:
    firings = [Firing("s", NOON + timedelta(minutes=n), part) for n in range(0, 3000, 700) for part in (0, 1, 10)]
    positions = [firing.position for firing in firings]
    assert positions == sorted(positions)
