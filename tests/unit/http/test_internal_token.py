"""The token of our Function URLs: current and previous are valid, a rotation is found, guesses cost no calls."""

from __future__ import annotations

import pytest

from shared.aws.cloud import Cloud
from shared.http.internal_token import CACHE_SECONDS, HEADER, RELOAD_SECONDS, Guard
from tests.conftest import Calls


class Seconds:
    """A monotonic clock that stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def guard(cloud: Cloud, seconds: Seconds) -> Guard:
    return Guard(cloud, seconds)


def rotate(cloud: Cloud, token: str) -> None:
    cloud.secrets.put_secret_value(SecretId=cloud.names.secret("internal-health-token"), SecretString=token)


def admitted(guard: Guard, *tokens: str) -> list[str]:
    return [token for token in tokens if guard.admits({HEADER: token})]


def test_the_current_and_the_previous_token_are_valid_and_older_ones_are_not(guard: Guard, cloud: Cloud) -> None:
    rotate(cloud, "second")
    rotate(cloud, "third")
    assert admitted(guard, "open sesame", "second", "third") == ["second", "third"]


def test_a_missing_or_empty_token_is_not_valid(guard: Guard) -> None:
    assert not guard.admits({})
    assert admitted(guard, "", "open sesam", "open sesame ", "\u00f6") == []


def test_a_token_rotated_since_it_was_read_is_found_without_waiting(
    guard: Guard, seconds: Seconds, cloud: Cloud
) -> None:
    assert admitted(guard, "open sesame")
    rotate(cloud, "second")
    seconds.now = RELOAD_SECONDS + 1.0
    assert admitted(guard, "second")


def test_a_retired_token_is_refused_once_the_cache_expires(guard: Guard, seconds: Seconds, cloud: Cloud) -> None:
    assert admitted(guard, "open sesame")
    rotate(cloud, "second")
    rotate(cloud, "third")
    seconds.now = CACHE_SECONDS + 1.0
    assert not admitted(guard, "open sesame")


def test_guessed_tokens_do_not_become_calls(guard: Guard, seconds: Seconds, cloud: Cloud) -> None:
    calls = Calls(cloud)
    assert not admitted(guard, *(f"guess {number}" for number in range(100)))
    assert calls.made.count("secretsmanager:GetSecretValue") == 2
    # The other calls send one alert, and none for the guesses after it.
    alert = len(calls.made) - 2
    seconds.now = RELOAD_SECONDS + 1.0
    assert not admitted(guard, *(f"guess {number}" for number in range(100)))
    assert calls.made.count("secretsmanager:GetSecretValue") == 4
    assert len(calls.made) == 4 + alert


def test_a_valid_token_is_checked_without_a_call(guard: Guard, seconds: Seconds, cloud: Cloud) -> None:
    assert admitted(guard, "open sesame")
    calls = Calls(cloud)
    seconds.now = CACHE_SECONDS - 1.0
    assert admitted(guard, *["open sesame"] * 100)
    assert calls.made == []
