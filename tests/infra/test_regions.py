"""Regions that lack a service that the templates need."""

from __future__ import annotations

import pytest

from infra.regions import RegionError, check

URL = {"front": {"Resources": {"Address": {"Type": "AWS::Lambda::Url", "Properties": {}}}}}
TABLE = {"state": {"Resources": {"Rows": {"Type": "AWS::DynamoDB::Table", "Properties": {}}}}}


def test_a_region_without_function_urls_is_refused_at_synthesis() -> None:
    check(URL, "eu-central-1")
    check(TABLE, "eu-central-2")
    with pytest.raises(
        RegionError, match="eu-central-2: this region has no Function URLs, and 1 functions need one; deploy"
    ):
        check(URL, "eu-central-2")


def test_a_region_that_does_not_exist_is_refused() -> None:
    with pytest.raises(RegionError, match="eu-central-9: this region does not have dynamodb"):
        check(TABLE, "eu-central-9")


def test_an_unknown_region_is_not_checked() -> None:
    check(URL, None)
