"""The deployment in memory behaves as Lambda where a function is stopped."""

from __future__ import annotations

from datetime import timedelta

from proof.world.world import World
from shared.job.registry import jobs
from tests.conftest import NOON

SETTINGS = {
    "NIGHTSHIFT_STAGE": "proof",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "proof",
    "AWS_SECRET_ACCESS_KEY": "proof",
}


def stopped() -> World:
    """A tick of a job whose function has a reserved concurrency of 0."""
    world = World(jobs(), NOON, SETTINGS)
    world.functions.stopped.add("session-cleanup")
    world.fire("session-cleanup", NOON)
    return world


def test_a_stopped_function_costs_fifteen_invocations_of_dispatch() -> None:
    world = stopped()
    world.run_until(NOON + timedelta(hours=3))
    # Of each event: the record that Lambda sends at once, and the start after a delay.
    assert world.invocations == 15
    assert not any(queue.messages for queue in world.sqs.queues.values())


def test_a_function_that_is_started_again_receives_its_tick() -> None:
    world = stopped()
    world.run_until(NOON + timedelta(minutes=5))
    world.functions.stopped.clear()
    world.run_until(NOON + timedelta(hours=1))
    done = [fields for _, message, fields in world.log.lines if message == "session-cleanup_complete"]
    assert [each["status"] for each in done] == ["done"]
