"""The demo site's two hosts, one healthy and one broken on purpose, and a web server with configured answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from local.demo import site
from local.demo.site import DemoSite
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import Lines, VirtualClock
from tests.support.web_server import Web

Fire = Callable[..., RunReport]


@pytest.fixture(scope="session")
def demo() -> Iterator[DemoSite]:
    made = site.start()
    yield made
    made.stop()


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as made:
        yield made


@pytest.fixture
def fire(cloud: Cloud, clock: VirtualClock, log: Lines) -> Fire:
    """Run a job at the clock's minute on the sites with these base URLs; further settings by name."""

    def fired(job: Job, urls: list[Any], firing: dict[str, Any] | None = None, **settings: str) -> RunReport:
        cloud.environment = {"BASE_URLS": json.dumps(urls), **settings}
        tick = Firing(job.name, clock.now(), correlation_id="c-1")
        return run(job, replace(tick, **(firing or {})), cloud, log)

    return fired


def item(cloud: Cloud, name: str) -> dict[str, Any]:
    """A status item by its whole name: `pricing:last:<host>`, or `docs-registry:last`."""
    key, _, host = name.partition(":last")
    found = cloud.dynamodb.get_item(
        TableName=cloud.names.table("state"),
        Key=attributes.row({"pk": f"{key}:last", "sk": host.removeprefix(":") or "-"}),
    )
    return attributes.plain(found.get("Item"))


def kept(cloud: Cloud, prefix: str) -> dict[str, Any]:
    """Artifacts by key."""
    listed = cloud.s3.list_objects_v2(Bucket=cloud.names.bucket, Prefix=prefix).get("Contents", [])
    return {
        thing["Key"]: json.loads(cloud.s3.get_object(Bucket=cloud.names.bucket, Key=thing["Key"])["Body"].read())
        for thing in listed
    }


def everything(cloud: Cloud, log: Lines) -> str:
    """All that was written anywhere, but the table of evaluations, as one text to look for canaries in."""
    items = cloud.dynamodb.scan(TableName=cloud.names.table("state"))["Items"]
    return json.dumps([items, kept(cloud, ""), log.lines])
