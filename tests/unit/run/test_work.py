"""The job's code is called in one place, and its exceptions become outcomes."""

from __future__ import annotations

from typing import Any

import pytest

from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Failed, Lost, Outcome, Rejected
from shared.run.begin import begin
from shared.run.context import RunContext
from shared.run.firing import Batch, Firing
from shared.run.work import perform
from shared.store.fencing import Fenced
from tests.conftest import NOON, Lines, waiting


class Sharded(Job):
    """Work in two shards."""

    name = "sharded"
    shards = 2
    idempotency = natural("nothing to do")

    def work(self, run: RunContext) -> Outcome:
        return Done({"worked": 1})


class Raising(Job):
    """Raise an error."""

    name = "raising"
    idempotency = natural("nothing to do")

    def __init__(self, error: Exception) -> None:
        self.error = error

    def work(self, run: RunContext) -> Outcome:
        raise self.error


def perform_once(job: Job, cloud: Cloud, log: Lines, **rest: Any) -> Outcome:
    return perform(job, begin(job, Firing(job.name, NOON), cloud, log, **rest))


@pytest.mark.parametrize(
    ("error", "kind", "final"),
    [(ValueError("no"), "ValueError", False), (Rejected("never"), "Rejected", True)],
)
def test_an_exception_is_a_failure_and_final_where_no_retry_can_help(
    error: Exception, kind: str, final: bool, cloud: Cloud, log: Lines
) -> None:
    outcome = perform_once(Raising(error), cloud, log)
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.final) == (kind, final)
    assert "Raising" not in outcome.error
    assert "raise self.error" in outcome.stack


def test_a_run_without_its_lease_is_lost(cloud: Cloud, log: Lines) -> None:
    assert perform_once(Raising(Fenced("taken")), cloud, log) == Lost("taken")


def test_a_tick_of_a_sharded_job_is_sent_as_its_shards(cloud: Cloud, log: Lines) -> None:
    assert perform_once(Sharded(), cloud, log) == Done({"shards": 2})
    assert [body["firing"]["target"] for body in waiting(cloud)] == ["0", "1"]


def test_a_batch_is_not_sharded(cloud: Cloud, log: Lines) -> None:
    assert perform_once(Sharded(), cloud, log, batch=Batch("sharded", ())) == Done({"worked": 1})
    assert waiting(cloud) == []
