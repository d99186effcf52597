"""Tests of every purge of product rows, inherited by the test of each job."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.archetypes.purge import Purge
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.product.records.outgoing import Notification, SendState
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from shared.store.record import Record
from tests.conftest import NOON, Lines, VirtualClock

SECOND = timedelta(seconds=1)
MAIL = b"Subject: x\r\n\r\n"


class Killed(BaseException):
    """The process was killed."""


def put(cloud: Cloud, *records: Record) -> None:
    """Write the rows, and the objects of their messages."""
    for record in records:
        item = attributes.row(record.item())
        cloud.dynamodb.put_item(TableName=cloud.names.table(record.table.name), Item=item)
        raw = getattr(record, "raw", None)
        if raw:
            cloud.s3.put_object(Bucket=cloud.names.bucket, Key=raw, Body=MAIL)


def there(cloud: Cloud, table: Any) -> list[str]:
    """The ids of all rows."""
    found = cloud.dynamodb.scan(TableName=cloud.names.table(table.name))["Items"]
    return sorted(item["sk"]["S"] for item in found)


def item(cloud: Cloud, record: Record) -> dict[str, Any]:
    key = attributes.row({"pk": record.user, "sk": record.id})
    found = cloud.dynamodb.get_item(TableName=cloud.names.table(record.table.name), Key=key)
    return attributes.plain(found.get("Item"))


def objects(cloud: Cloud, folder: str = "mail/") -> list[str]:
    found = cloud.s3.list_objects_v2(Bucket=cloud.names.bucket, Prefix=folder).get("Contents", [])
    return [each["Key"] for each in found]


def notifications(cloud: Cloud) -> list[Notification]:
    found = cloud.dynamodb.scan(TableName=cloud.names.table("notifications"))["Items"]
    return [Notification.from_row(attributes.plain(each)) for each in found]


def deliver(cloud: Cloud) -> None:
    """Send the pending notifications."""
    sent = {"state": SendState.SENT, "sent_at": cloud.clock.now(), "attempts": 1, "next_attempt_at": None}
    put(cloud, *(each.model_copy(update=sent) for each in notifications(cloud) if each.state is SendState.QUEUED))


def go(job: Purge, cloud: Cloud, at: datetime | None = None) -> RunReport:
    return run(job, Firing(job.name, at or cloud.clock.now(), correlation_id="c"), cloud, Lines(cloud.clock))


class Facts:
    """keeps: the required retention, compared with the job's declaration."""

    job: Purge
    keeps: timedelta

    def made(self, id_: str, age: timedelta, now: datetime = NOON) -> Record:
        """A row of that age at `now`."""
        raise NotImplementedError

    def kept(self, now: datetime = NOON) -> Sequence[Record]:
        """Rows that are never deleted."""
        return ()

    def test_a_row_goes_at_its_instant_and_not_a_second_before(self, cloud: Cloud) -> None:
        ages = {"after": self.keeps + SECOND, "at": self.keeps, "before": self.keeps - SECOND}
        put(cloud, *(self.made(id_, age) for id_, age in ages.items()), *self.kept())
        assert go(self.job, cloud).counts["purged"] == 2
        assert there(cloud, self.job.table) == sorted(["before", *(record.id for record in self.kept())])

    def test_it_runs_once_a_day(self) -> None:
        [schedule] = self.job.schedules()
        assert re.fullmatch(r"\d+ \d+ \* \* \*", str(schedule))

    def test_a_run_says_in_its_log_how_many_rows_went_and_tells_nobody_else(self, cloud: Cloud, log: Lines) -> None:
        put(cloud, *(self.made(f"r{number}", self.job.keep) for number in range(3)))
        run(self.job, Firing(self.job.name, NOON, correlation_id="c"), cloud, log)
        [line] = log.said(f"{self.job.name}_complete")
        assert (line["result"], line["job"]) == ({"purged": 3}, self.job.name)
        assert notifications(cloud) == []

    def test_the_same_tick_and_the_next_one_find_nothing_more(self, cloud: Cloud, clock: VirtualClock) -> None:
        put(cloud, self.made("old", self.job.keep))
        assert go(self.job, cloud, NOON).counts["purged"] == 1
        assert go(self.job, cloud, NOON).outcome == "deduplicated"
        clock.move(minutes=1)
        assert go(self.job, cloud).counts == {"purged": 0}

    def test_a_crash_in_the_middle_is_made_good_by_the_next_run(
        self, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(cloud, *(self.made(f"r{number:02}", self.job.keep) for number in range(30)))
        done: list[Any] = []

        def die(**_: Any) -> Any:
            raise Killed

        with monkeypatch.context() as patched:
            write = cloud.bulk.batch_write_item

            def once(**asked: Any) -> Any:
                if done:
                    raise Killed
                done.append(asked)
                return write(**asked)

            patched.setattr(cloud.bulk, "batch_write_item", once)
            patched.setattr(cloud.bulk, "delete_item", die)
            with pytest.raises(Killed):
                go(self.job, cloud)
        clock.move(minutes=30)
        assert go(self.job, cloud).outcome == "done"
        assert there(cloud, self.job.table) == []
        assert objects(cloud) == []

    def test_a_row_that_cannot_be_dated_stays_and_the_rest_goes(self, cloud: Cloud) -> None:
        put(cloud, self.made("good", self.job.keep))
        broken = {**self.made("odd", self.job.keep).item(), "since": "0"}
        cloud.dynamodb.put_item(TableName=cloud.names.table(self.job.table.name), Item=attributes.row(broken))
        counts = go(self.job, cloud).counts
        assert (counts["purged"], counts["spared"]) == (1, 1)
        assert there(cloud, self.job.table) == ["odd"]
