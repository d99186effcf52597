"""Bookkeeping writes are repeated while AWS fails, and only then."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from shared.store.transient import is_transient, persist
from tests.conftest import VirtualClock


def answered(status: int, code: str = "x") -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "UpdateItem")  # type: ignore[typeddict-item]


PASSING = [
    answered(500),
    answered(503),
    answered(400, "ThrottlingException"),
    answered(400, "ProvisionedThroughputExceededException"),
    ConnectionClosedError(endpoint_url="x"),
    ReadTimeoutError(endpoint_url="x"),
    ConnectionResetError(),
]
LASTING = [answered(400, "ValidationException"), answered(403, "AccessDeniedException"), ValueError(), KeyError()]


def failing(error: Exception, times: int) -> Callable[[], str]:
    left = [error] * times

    def call() -> str:
        if left:
            raise left.pop()
        return "written"

    return call


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_an_error_that_passes_is_waited_for(error: Exception, clock: VirtualClock) -> None:
    begun = clock.now()
    assert persist(failing(error, 4), clock, lambda: 60 - (clock.now() - begun).total_seconds()) == "written"
    assert (clock.now() - begun).total_seconds() == pytest.approx(0.2 + 0.4 + 0.8 + 1.6)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_an_error_that_stays_is_raised_at_once(error: Exception, clock: VirtualClock) -> None:
    assert not is_transient(error)
    begun = clock.now()
    with pytest.raises(type(error)):
        persist(failing(error, 1), clock, lambda: 60)
    assert clock.now() == begun


def test_it_ends_with_the_time(clock: VirtualClock) -> None:
    begun = clock.now()
    with pytest.raises(ConnectionResetError):
        persist(failing(ConnectionResetError(), 99), clock, lambda: 10 - (clock.now() - begun).total_seconds())
    assert (clock.now() - begun).total_seconds() <= 10
