"""Secrets and parameters are read once in five minutes; a rotated value is used after that."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.aws import secrets
from shared.aws.cloud import Cloud
from tests.conftest import Calls, VirtualClock


def put(cloud: Cloud, value: str) -> None:
    name = cloud.names.secret("door")
    try:
        cloud.secrets.create_secret(Name=name, SecretString=value)
    except cloud.secrets.exceptions.ResourceExistsException:
        cloud.secrets.put_secret_value(SecretId=name, SecretString=value)


def test_a_value_is_read_once_in_five_minutes(cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, "sesame")
    calls = Calls(cloud)
    assert [secrets.read(cloud, "door") for _ in range(3)] == ["sesame"] * 3
    put(cloud, "rotated")
    clock.move(minutes=4)
    assert secrets.read(cloud, "door") == "sesame"
    clock.move(minutes=1, seconds=1)
    assert secrets.read(cloud, "door") == "rotated"
    assert calls.made.count("secretsmanager:GetSecretValue") == 2


def test_a_missing_secret_is_named(cloud: Cloud) -> None:
    with pytest.raises(secrets.NoSecret, match="nightshift/test/door has no value"):
        secrets.read(cloud, "door")


def test_a_missing_value_is_not_cached(cloud: Cloud) -> None:
    cloud.secrets.create_secret(Name=cloud.names.secret("door"))
    with pytest.raises(secrets.NoSecret):
        secrets.read(cloud, "door")
    put(cloud, "sesame")
    assert secrets.read(cloud, "door") == "sesame"


def test_each_cloud_has_its_own_cache(cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, "sesame")
    secrets.read(cloud, "door")
    put(cloud, "rotated")
    assert secrets.read(Cloud(cloud.names, clock, {}), "door") == "rotated"


def test_an_error_of_the_sdk_is_raised_as_it_is(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetSecretValue")

    monkeypatch.setattr(cloud.secrets, "get_secret_value", denied)
    with pytest.raises(ClientError, match="AccessDenied"):
        secrets.read(cloud, "door")


def test_a_parameter_is_decrypted_and_read_once_in_five_minutes(cloud: Cloud) -> None:
    cloud.parameters.put_parameter(Name="/nightshift/test/key", Value="sesame", Type="SecureString")
    read: list[Any] = []
    cloud.parameters.meta.events.register("before-call", lambda params, **_: read.append(params))
    assert [secrets.read_parameter(cloud, "key") for _ in range(2)] == ["sesame"] * 2
    assert len(read) == 1


def test_a_missing_parameter_is_named(cloud: Cloud) -> None:
    with pytest.raises(secrets.NoSecret, match="the parameter /nightshift/test/key has no value"):
        secrets.read_parameter(cloud, "key")
