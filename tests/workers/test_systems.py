"""The same facts for every system that runs jobs: real workers, real brokers, this project's jobs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise

import pytest

from tests.support.web_server import Held, Reply, Web
from tests.workers.conftest import Place, newest_child, until
from tests.workers.systems import SYSTEMS, System

PRICES = Reply(200, "<p>9.90 EUR a month</p>")


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest, place: Place) -> Iterator[System]:
    """Its worker is not started yet."""
    made = SYSTEMS[request.param](place)
    with made.broker():
        yield made
        place.end()


def test_a_job_leaves_the_same_behind_as_where_it_runs_inline(
    system: System, deploy: Callable[[], Place], site: Web, minute: str
) -> None:
    site.answers["/pricing"] = PRICES
    here, there = deploy(), system.place
    # The same tick twice, as a crontab on two machines would have it.
    for place in (here, there):
        assert place.jobs("pricing", "--at", minute, times=2) == 0, place.said()
    assert [row["outcome"] for row in there.history("pricing")] == ["enqueued"] * 2
    assert there.item("pricing") == {}
    system.work()
    until(lambda: there.outcomes("pricing") and any(row.get("duplicates") for row in there.history("pricing")))
    assert there.outcomes("pricing") == [("done", 1)]
    assert there.end_state("pricing") == here.end_state("pricing")


def test_what_fails_is_tried_as_often_as_it_declares_and_is_then_a_dead_letter(system: System, minute: str) -> None:
    place = system.place
    assert place.jobs("crash", "--at", minute) == 0, place.said()
    system.work()
    [letter] = until(place.letters)
    assert letter["reason"] == "all 3 attempts used up"
    assert letter["error"] == "SampleCrash: attempt 3 crashed on purpose"
    assert letter["firing"]["by"] == system.name
    until(lambda: len(place.outcomes("crash")) > 2)
    assert place.outcomes("crash") == [("failed", 1), ("failed", 2), ("failed", 3)]
    began = [datetime.fromisoformat(row["started"]) for row in place.history("crash") if row["outcome"] == "failed"]
    waits = [(later - sooner).total_seconds() for sooner, later in pairwise(began)]
    assert waits[0] >= 1
    assert waits[1] >= 2
    until(lambda: place.left("firings") == place.left("work") == 0)


def test_a_killed_run_is_lost_and_its_retry_is_good(system: System, site: Web, minute: str) -> None:
    site.answers["/pricing"] = held = Held(PRICES)
    place = system.place
    assert place.jobs("pricing", "--at", minute) == 0, place.said()
    worker = system.work()
    assert held.asked.wait(40), place.said()
    item = place.item("pricing")
    assert item["state"] == "PROCESSING"
    os.kill(newest_child(worker), signal.SIGKILL)
    held.released.set()

    until(lambda: ("done", 2) in place.outcomes("pricing"))
    assert place.outcomes("pricing") == [("lost", 1), ("done", 2)]
    [lost] = [row for row in place.history("pricing") if row["outcome"] == "lost"]
    assert lost["sk"] == item["holder"]
    assert lost["note"]
    assert place.letters() == []


def test_a_run_whose_worker_is_stopped_without_waiting_is_done_by_another_one(
    system: System, site: Web, minute: str
) -> None:
    site.answers["/pricing"] = held = Held(PRICES)
    place = system.place
    assert place.jobs("pricing", "--at", minute) == 0, place.said()
    worker = system.work()
    assert held.asked.wait(40), place.said()
    item = place.item("pricing")
    for number in system.cold_stop:
        os.kill(worker, number)
        # RQ ignores a second signal within a second.
        time.sleep(1.1)
    held.released.set()
    system.work()

    # Much sooner than its lease ends.
    until(lambda: "done" in [outcome for outcome, _ in place.outcomes("pricing")])
    [lost] = [row for row in place.history("pricing") if row["outcome"] == "lost"]
    assert lost["sk"] == item["holder"]
    assert place.letters() == []
