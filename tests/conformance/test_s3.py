"""S3 in memory answers as moto and the local engine do, or as AWS documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from proof.world.memory_s3 import MemoryS3, RoleS3
from tests.conformance.s3_cases import CASES, Case, shown
from tests.conformance.s3_deviations import DEVIATIONS
from tests.conformance.service_backends import OTHERS, RemoteBackend, VirtualTime, outcomes, remote_clients, unique


class Memory(VirtualTime, MemoryS3):
    """S3 in memory at its own time."""

    def __init__(self) -> None:
        VirtualTime.__init__(self)
        MemoryS3.__init__(self, lambda: self.at)


def remote(client: Any) -> RemoteBackend:
    bucket = unique("bucket")
    client.create_bucket(Bucket=bucket)
    return RemoteBackend(client, lambda _, request: {"Bucket": bucket, **request})


@pytest.fixture(scope="module")
def clients() -> Iterator[Mapping[str, Any]]:
    yield from remote_clients("s3")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fact)
def test_s3_in_memory_gives_what_aws_documents(case: Case) -> None:
    assert outcomes(Memory(), case.calls, shown)[-1] == case.gives


@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fact)
def test_another_s3_gives_the_same(case: Case, backend: str, clients: Mapping[str, Any]) -> None:
    given = outcomes(remote(clients[backend]), case.calls, shown)[-1]
    if case.fact in DEVIATIONS[backend]:
        assert given != case.gives, f"{backend} answers as AWS now; remove the fact from s3_deviations.py"
    else:
        assert given == case.gives


def test_each_fact_has_one_case() -> None:
    facts = [case.fact for case in CASES]
    assert len(set(facts)) == len(facts)
    assert set().union(*DEVIATIONS.values()) <= set(facts)


@pytest.mark.parametrize(("operation", "code"), [("GetObject", "AccessDenied"), ("HeadObject", "403")])
def test_a_missing_object_is_denied_to_a_role_that_may_not_list(operation: str, code: str) -> None:
    """tests/local/test_refusals.py states it of the engine; moto has no roles."""
    s3 = RoleS3(Memory())
    with pytest.raises(ClientError) as denied:
        s3.call(operation, {"Key": "k"})
    assert (denied.value.response["Error"]["Code"], status_of(denied.value)) == (code, 403)
    s3.call("PutObject", {"Key": "k", "Body": b"x"})
    assert s3.call(operation, {"Key": "k"})["ContentLength"] == 1


def status_of(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]
