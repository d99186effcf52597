"""Every call of a job is allowed by its role, and every statement of the role is used or has a reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proof.crash.prover import Prover
from proof.permissions.usage import RoleUsage, usages
from shared.aws.permissions import read_parameter
from shared.job import registry

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def prover() -> Iterator[Prover]:
    with Prover() as world:
        yield world


def usage(prover: Prover, job: str) -> RoleUsage:
    (found,) = usages(prover, [prover.jobs[job]])
    return found


@pytest.mark.parametrize("job", registry.discover({}).jobs)
def test_no_call_is_denied_and_no_statement_is_unused_without_a_reason(prover: Prover, job: str) -> None:
    found = usage(prover, job)
    assert found.denied == set()
    assert [line for line, why in found.unused().items() if not why] == []


def test_a_missing_grant_is_found(prover: Prover, monkeypatch: pytest.MonkeyPatch) -> None:
    job = type(prover.jobs["session-cleanup"])
    rest = [each for each in job.grants() if each.resource != "table/sessions"]
    monkeypatch.setattr(job, "grants", staticmethod(lambda: rest))
    denied = usage(prover, "session-cleanup").denied
    assert "dynamodb:Query" in {line.split()[0] for line in denied}
    assert all("table/nightshift-proof-sessions" in line for line in denied)


def test_a_grant_that_nothing_needs_is_found(prover: Prover, monkeypatch: pytest.MonkeyPatch) -> None:
    job = type(prover.jobs["session-cleanup"])
    more = [*job.grants(), read_parameter("unneeded")]
    monkeypatch.setattr(job, "grants", staticmethod(lambda: more))
    unused = usage(prover, "session-cleanup").unused()
    assert [line for line, why in unused.items() if not why] == [
        "ssm:GetParameter on parameter/nightshift/proof/unneeded"
    ]
