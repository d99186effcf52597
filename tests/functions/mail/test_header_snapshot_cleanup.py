"""Header snapshots are deleted with their message; remaining ones a day later, never before their message."""

from __future__ import annotations

from datetime import datetime, timedelta

from functions.mail.header_snapshot_cleanup import HeaderSnapshotCleanup
from shared.aws.cloud import Cloud
from shared.job.duration import days
from shared.product.records.mail import MessageMetadata, Snapshot
from tests.conftest import NOON, VirtualClock
from tests.support.purging import Facts, go, put, there


class TestHeaderSnapshotCleanup(Facts):
    job = HeaderSnapshotCleanup()
    keeps = days(90)

    def made(self, id_: str, age: timedelta, now: datetime = NOON) -> Snapshot:
        return Snapshot(user="u1", id=id_, recorded_at=now - age - days(1), body="e30=", key="k")

    def test_one_whose_message_is_still_there_stays_until_that_is_gone(self, cloud: Cloud, clock: VirtualClock) -> None:
        at = NOON - self.job.keep - days(10)
        message = MessageMetadata(user="u1", id="m120", received_at=at, recorded_at=at, bytes_used=1)
        put(cloud, message, *(self.made(f"m{number}", self.job.keep + days(9)) for number in range(130)))
        assert go(self.job, cloud).counts == {"purged": 129, "spared": 1}
        assert there(cloud, self.job.table) == ["m120"]
        cloud.dynamodb.delete_item(
            TableName=cloud.names.table("messages"), Key={"pk": {"S": "u1"}, "sk": {"S": "m120"}}
        )
        clock.move(minutes=1)
        assert go(self.job, cloud).counts == {"purged": 1}

    def test_it_keeps_them_for_as_long_as_messages_are_kept(self, cloud: Cloud) -> None:
        cloud.environment = {"MESSAGE_METADATA_CLEANUP_KEEP": "7d", "HEADER_SNAPSHOT_CLEANUP_KEEP": "1d"}
        put(cloud, self.made("a", days(7)), self.made("b", days(6)))
        assert go(self.job, cloud).counts == {"purged": 1}
        assert "HEADER_SNAPSHOT_CLEANUP_KEEP" not in {setting.name for setting in self.job.all_settings()}
