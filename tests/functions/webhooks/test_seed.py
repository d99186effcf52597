"""Sample webhooks: their receivers, and the organization of the sample event."""

from __future__ import annotations

from functions.webhooks.seed import seed
from shared.aws.cloud import Cloud
from shared.http.webhook import check_secret
from shared.product import sample_organization
from tests.support.sweeping import all_of


def test_receivers_are_below_the_url_of_the_setting(cloud: Cloud) -> None:
    cloud.environment = {"SAMPLE_RECEIVER_URL": "http://127.0.0.1:7783/"}
    assert seed(cloud, 2) == {"organizations": 8, "users": 2, "webhooks": 2, "deliveries": 4}
    hooks = all_of(cloud, "webhooks")
    assert [hook["url"] for hook in hooks] == [f"http://127.0.0.1:7783/w1-000000{each}" for each in range(2)]
    [receiver] = [row for row in all_of(cloud, "organizations") if row["sk"] == "receiver#r1"]
    assert receiver["url"] == "http://127.0.0.1:7783/org_demo"


def test_without_a_setting_their_host_can_never_exist(cloud: Cloud) -> None:
    seed(cloud, 1)
    [hook] = all_of(cloud, "webhooks")
    assert hook["url"] == "https://hooks.example/w1-0000000"


def test_secrets_are_valid_and_the_same_each_time() -> None:
    assert check_secret(sample_organization.secret("a")) == sample_organization.secret("a")
    assert sample_organization.secret("a") != sample_organization.secret("b")


def test_a_second_time_changes_nothing(cloud: Cloud) -> None:
    seed(cloud, 2)
    before = all_of(cloud, "deliveries")
    assert {*seed(cloud, 2).values()} == {0}
    assert all_of(cloud, "deliveries") == before
