"""Secrets: asked for once, seen soon after they change."""

from __future__ import annotations

import pytest

from shared.aws import secrets
from shared.aws.cloud import Cloud
from tests.conftest import Calls, VirtualClock


def put(cloud: Cloud, value: str) -> None:
    name = cloud.names.secret("door")
    try:
        cloud.secrets.create_secret(Name=name, SecretString=value)
    except cloud.secrets.exceptions.ResourceExistsException:
        cloud.secrets.put_secret_value(SecretId=name, SecretString=value)


def test_a_value_is_asked_for_once_in_five_minutes(cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, "sesame")
    calls = Calls(cloud)
    assert [secrets.read(cloud, "door") for _ in range(3)] == ["sesame"] * 3
    put(cloud, "rotated")
    clock.move(minutes=4)
    assert secrets.read(cloud, "door") == "sesame"
    clock.move(minutes=1)
    assert secrets.read(cloud, "door") == "rotated"
    assert calls.made.count("secretsmanager:GetSecretValue") == 2


def test_a_secret_that_is_not_there_is_said_by_name(cloud: Cloud) -> None:
    with pytest.raises(secrets.NoSecret, match="nightshift/test/door has no value"):
        secrets.read(cloud, "door")


def test_a_secret_without_a_value_is_not_held_against_the_next_read(cloud: Cloud) -> None:
    cloud.secrets.create_secret(Name=cloud.names.secret("door"))
    with pytest.raises(secrets.NoSecret):
        secrets.read(cloud, "door")
    put(cloud, "sesame")
    assert secrets.read(cloud, "door") == "sesame"


def test_each_cloud_has_its_own(cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, "sesame")
    secrets.read(cloud, "door")
    put(cloud, "rotated")
    assert secrets.read(Cloud(cloud.names, clock, {}), "door") == "rotated"
