"""Purges on an engine with parallel connections, which moto does not have."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared import clock
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.observability.log import Log
from shared.plans import draft, plan
from shared.run.apply_plan import firing_for
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.run import run
from tests.conftest import NOON, VirtualClock, create
from tests.support.holds import AGED, HOLDS, Holds, Warned, there

DUE = NOON - timedelta(days=30)


@pytest.fixture
def engine(apart: Cloud) -> Cloud:
    """A cloud with 303 due rows and 40 others."""
    create(apart, HOLDS)
    apart.sqs.create_queue(QueueName=apart.names.queue("firings"))
    ages = [DUE - timedelta(seconds=number % 7) for number in range(303)] + [NOON] * 40
    items = [
        {"pk": f"h{number}", "sk": "-", "aged": AGED.partition(f"h{number}"), "since": clock.iso(since), "owner": "ada"}
        for number, since in enumerate(ages)
    ]
    requests: Any = [{"PutRequest": {"Item": attributes.row(item)}} for item in items]
    for start in range(0, len(requests), 25):
        apart.bulk.batch_write_item(RequestItems={apart.names.table("held"): requests[start : start + 25]})
    return apart


def quiet(cloud: Cloud) -> Log:
    return Log(lambda _: None, cloud.clock)


def test_exactly_the_due_rows_are_deleted(engine: Cloud) -> None:
    assert run(Holds(), Firing("holds", NOON), engine, quiet(engine)).counts == {"purged": 303}
    assert len(there(engine)) == 40


def test_a_large_plan_is_stored_in_its_object(engine: Cloud) -> None:
    job = Holds()
    tick = RunContext(job, Firing("holds", NOON, manual=True), engine, "dry", NOON, quiet(engine), dry=True)
    with draft.from_actions(job.actions(tick)) as drafted:
        made = plan.create(engine, job, tick, drafted, "ada")
    assert "object" in made.listed
    assert run(job, firing_for(plan.load(engine, made.id)), engine, quiet(engine)).counts == {"purged": 303}
    assert len(there(engine)) == 40


def test_owners_are_warned_once_and_their_rows_deleted_a_day_later(engine: Cloud) -> None:
    job = Warned()
    engine.environment = {"HOLDS_MAX_RUNS_PER_TICK": "60"}
    assert run(job, Firing("holds", NOON), engine, quiet(engine)).counts == {"purged": 0, "warned": 60}
    assert len({token for token, _ in job.told}) == len(job.told) == 60
    later = NOON + timedelta(days=1)
    assert isinstance(engine.clock, VirtualClock)
    engine.clock.move(days=1)
    engine.environment = {}
    report = run(job, Firing("holds", later), engine, quiet(engine))
    assert (report.counts["purged"], report.counts["warned"]) == (60, 243)
    assert len(there(engine)) == 283
