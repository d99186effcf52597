"""DynamoDB in memory answers as moto and the local engine do, or as AWS documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local.engine.embedded import embedded
from tests.conformance import dynamodb_cases, dynamodb_many_cases, dynamodb_request_cases
from tests.conformance.dynamodb_backends import RemoteDatabase, memory, named, outcomes
from tests.conformance.dynamodb_cases import Case
from tests.conformance.dynamodb_deviations import DEVIATIONS

CASES = [*dynamodb_cases.CASES, *dynamodb_request_cases.CASES, *dynamodb_many_cases.CASES]


@pytest.fixture(scope="module")
def clients() -> Iterator[dict[str, Any]]:
    import boto3
    from moto import mock_aws

    engine = embedded()
    at_engine = engine.client("dynamodb", engine.account())
    with mock_aws():
        session = boto3.Session("testing", "testing", region_name="us-east-1")
        yield {"moto": session.client("dynamodb"), "engine": at_engine}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fact)
def test_the_database_in_memory_gives_what_aws_documents(case: Case) -> None:
    assert outcomes(memory(), case.calls)[-1] == case.gives


@pytest.mark.parametrize("backend", ["moto", "engine"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fact)
def test_another_database_gives_the_same(case: Case, backend: str, clients: dict[str, Any]) -> None:
    other = RemoteDatabase(clients[backend], named(case.calls))
    given, expected = outcomes(other, case.calls), outcomes(memory(), case.calls)
    if case.fact in DEVIATIONS[backend]:
        assert given != expected, f"{backend} answers as AWS now; remove the fact from dynamodb_deviations.py"
    else:
        assert given == expected


def test_each_fact_has_one_case() -> None:
    facts = [case.fact for case in CASES]
    assert len(set(facts)) == len(facts)
    assert set.union(*DEVIATIONS.values()) <= set(facts)
