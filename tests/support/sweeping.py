"""Runs of sweeps over the product's tables, and the resulting rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from shared.store.record import Record
from tests.conftest import Lines


def go(job: Job, cloud: Cloud, log: Lines, at: datetime | None = None, **rest: Any) -> RunReport:
    """A tick (default: of the clock's minute)."""
    now = cloud.clock.now().replace(second=0, microsecond=0)
    return run(job, Firing(job.name, at or now, correlation_id="c", **rest), cloud, log)


def put(cloud: Cloud, *records: Record, **rest: Any) -> None:
    """Write rows. rest: other attributes; None removes one."""
    for record in records:
        item = attributes.row({**record.item(), **rest})
        cloud.dynamodb.put_item(TableName=cloud.names.table(record.table.name), Item=item)


def item(cloud: Cloud, record: Record) -> dict[str, Any]:
    """The current row, or empty."""
    key = attributes.row({record.table.pk: record.user, record.table.sk: record.id})
    found = cloud.dynamodb.get_item(TableName=cloud.names.table(record.table.name), Key=key, ConsistentRead=True)
    return attributes.plain(found.get("Item"))


def all_of(cloud: Cloud, table: str) -> list[dict[str, Any]]:
    """Every row of a table, in the order of their keys."""
    found = [attributes.plain(each) for each in cloud.dynamodb.scan(TableName=cloud.names.table(table))["Items"]]
    return sorted(found, key=lambda each: (each["pk"], each["sk"]))
