"""A job as the manifest declares it has the attributes of its class."""

from __future__ import annotations

import pytest

from shared.job import manifest, registry
from shared.job.declared_job import DeclaredJob

JOBS = registry.jobs()


@pytest.mark.parametrize("name", sorted(JOBS))
def test_it_agrees_with_the_class(name: str) -> None:
    job, declared = JOBS[name], DeclaredJob(name, manifest.of(JOBS.values())[name])
    for attribute in ("id", "key", "queue", "shards", "lease_per_target", "collector", "timeout", "grace", "retention"):
        assert getattr(declared, attribute) == getattr(job, attribute)
    assert declared.retry == job.retry
    assert [str(each) for each in declared.schedules()] == [str(each) for each in job.schedules()]
    assert declared.catches_up() == job.catches_up()
    assert declared.allowance({}) is None
