"""Sample failures: of the sample job alone, and as the platform itself records failures."""

from __future__ import annotations

import json

import pytest

from functions.operations.seed import seed
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET
from shared.dead_letters import store
from shared.job import manifest, registry
from shared.messages import queue_depth
from shared.run import claim_write, lost_runs
from shared.run.claim import Claim, Claims
from shared.run.firing import Firing
from tests.conftest import NOON, VirtualClock

CRASH = registry.jobs({})["crash"]


@pytest.fixture
def queued(cloud: Cloud) -> Cloud:
    for queue in map(queue_depth.dead_letter_queue, queue_depth.queues(manifest.load())):
        cloud.sqs.create_queue(QueueName=cloud.names.queue(queue or ""))
    return cloud


def test_the_sample_job_has_failed_in_a_row_and_its_last_run_was_interrupted(queued: Cloud) -> None:
    assert seed(queued, 1)["interrupted runs"] == 1
    entry = manifest.load()["crash"]
    item = lost_runs.claim_item(queued, entry, NO_TARGET)
    assert claim_write.lease_expired(item, NOON)
    assert (item["status"]["outcome"], item["status"]["streak"]) == ("failed", 5)
    # The position is free for the job's own ticks.
    assert "last" not in item


def test_a_run_in_progress_is_left_alone(queued: Cloud) -> None:
    assert isinstance(Claims(queued, CRASH, NO_TARGET).take(Firing("crash", NOON), "run-1", "r"), Claim)
    assert seed(queued, 1)["interrupted runs"] == 0
    assert lost_runs.claim_item(queued, manifest.load()["crash"], NO_TARGET)["holder"] == "run-1"


def test_dead_letters_have_payloads_and_can_be_redriven(queued: Cloud) -> None:
    assert seed(queued, 3)["dead letters"] == 3
    found = [*store.dead_letters(queued)]
    assert [letter.job for letter in found] == ["crash"] * 3
    for letter in found:
        body = queued.s3.get_object(Bucket=queued.names.bucket, Key=letter.payload)["Body"].read()
        assert json.loads(body)["dead"]["firing"]["job"] == "crash"


def test_a_second_time_adds_what_has_failed_since(queued: Cloud, clock: VirtualClock) -> None:
    seed(queued, 2)
    clock.move(minutes=5)
    assert seed(queued, 2)["dead letters"] == 2
    assert len([*store.dead_letters(queued)]) == 4
