"""Message metadata is deleted after 90 days, headers first, and never before it was added up."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from functions.mail.bandwidth_rollup import BandwidthRollup
from functions.mail.message_metadata_cleanup import MessageMetadataCleanup
from shared import clock as clocks
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job.duration import days
from shared.product.records.mail import MessageMetadata, Snapshot
from shared.run.firing import Firing
from shared.run.run import run
from shared.store import watermark
from shared.tables import MESSAGES, SNAPSHOTS
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.purging import SECOND, Facts, go, put, there


class TestMessageMetadataCleanup(Facts):
    job = MessageMetadataCleanup()
    keeps = days(90)

    @pytest.fixture(autouse=True)
    def _summed(self, cloud: Cloud) -> None:
        watermark.close(cloud, "bandwidth-rollup", watermark.Watermark(), clocks.iso(NOON - timedelta(hours=1)))

    def made(self, id_: str, age: timedelta, now: datetime = NOON) -> MessageMetadata:
        # Received earlier: the age counts from the time of recording.
        received = now - age - timedelta(days=5)
        return MessageMetadata(user="u1", id=id_, received_at=received, recorded_at=now - age, bytes_used=1)

    def test_headers_go_along_and_before(self, cloud: Cloud) -> None:
        for id_, age in {"old": self.job.keep, "new": self.job.keep - SECOND}.items():
            at = NOON - age
            put(cloud, self.made(id_, age), Snapshot(user="u1", id=id_, recorded_at=at, body="e30=", key="k"))
        go(self.job, cloud)
        assert (there(cloud, self.job.table), there(cloud, SNAPSHOTS)) == (["new"], ["new"])

    def test_what_is_not_in_the_sums_yet_stays_however_old(self, cloud: Cloud) -> None:
        upto = NOON - timedelta(days=100)
        mark = watermark.read(cloud, "bandwidth-rollup")
        watermark.close(cloud, "bandwidth-rollup", mark, clocks.iso(upto))
        for id_, offset in {"before": -SECOND, "at": timedelta(0), "after": SECOND}.items():
            put(cloud, self.made(id_, NOON - upto - offset))
        assert go(self.job, cloud).counts == {"purged": 2}
        assert there(cloud, self.job.table) == ["after"]

    def test_how_long_is_a_setting(self, cloud: Cloud) -> None:
        cloud.environment = {"MESSAGE_METADATA_CLEANUP_KEEP": "7d"}
        put(cloud, self.made("a", timedelta(days=7)), self.made("b", timedelta(days=7) - SECOND))
        assert go(self.job, cloud).counts == {"purged": 1}


def test_where_nothing_was_ever_added_up_nothing_goes(cloud: Cloud) -> None:
    put(cloud, TestMessageMetadataCleanup().made("old", timedelta(days=900)))
    assert go(MessageMetadataCleanup(), cloud).counts == {"purged": 0}


def test_the_sums_are_exact_when_the_details_are_gone_also_of_what_came_late(cloud: Cloud, clock: VirtualClock) -> None:
    random = Random(7)
    wanted: Counter[str] = Counter()

    def write(count: int) -> None:
        """Messages recorded now, received on any of the last 120 days."""
        for _ in range(count):
            received = clock.now() - random.uniform(0, 120) * timedelta(days=1)
            size = random.randint(1, 10**6)
            wanted[f"day#{received:%Y-%m-%d}"] += size
            id_ = f"m{wanted.total()}"
            put(
                cloud,
                MessageMetadata(user="u1", id=id_, received_at=received, recorded_at=clock.now(), bytes_used=size),
            )

    def tick(job: Any) -> Any:
        report = run(job, Firing(job.name, clock.now(), correlation_id="c"), cloud, Lines(clock))
        assert report.outcome == "done", report.note
        return report.counts

    purged = 0
    for _ in range(4):
        write(8)
        # Some are not in the sums yet when the purge runs.
        clock.move(minutes=random.choice((5, 60)))
        tick(BandwidthRollup())
        clock.move(days=40)
        purged += tick(MessageMetadataCleanup())["purged"]
    tick(BandwidthRollup())
    clock.move(days=91)
    tick(BandwidthRollup())
    purged += tick(MessageMetadataCleanup())["purged"]
    assert (purged, there(cloud, MESSAGES)) == (32, [])
    found = cloud.dynamodb.scan(TableName=cloud.names.table("rollups"))["Items"]
    sums = {row["sk"]: row["bytes_used"] for row in map(attributes.plain, found) if row["sk"].startswith("day#")}
    assert sums == wanted
