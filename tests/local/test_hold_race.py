"""Owners release held mail while it is purged: it is released or purged, never partly."""

from __future__ import annotations

import threading
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from functions.mail.overflow_hold_expiry import OverflowHoldExpiry
from shared import clock
from shared.archetypes.purge import warnings
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.observability.log import Log
from shared.product import notifications
from shared.product.records.mail import Hold
from shared.run.firing import Firing
from shared.run.run import run
from shared.tables import HOLDS, NOTIFICATIONS, RAW, USERS
from tests.conftest import NOON, create

COUNT = 120
TAKERS = 4


@pytest.fixture
def engine(apart: Cloud) -> Cloud:
    """Messages on hold, whose owners were warned a day ago."""
    for table in (HOLDS, NOTIFICATIONS, USERS):
        create(apart, table)
    apart.sqs.create_queue(QueueName=apart.names.queue("firings"))
    for number in range(COUNT):
        hold = Hold(user="u1", id=f"h{number}", alias="a@b.c", raw=f"{RAW}h{number}", held_at=NOON - timedelta(days=30))
        item = hold.item()
        item |= {"aged": warnings.partition(item["aged"]), "since": clock.iso(NOON - timedelta(days=1))}
        apart.dynamodb.put_item(TableName=apart.names.table("holds"), Item=attributes.row(item))
        apart.s3.put_object(Bucket=apart.names.bucket, Key=hold.raw, Body=b"Subject: x")
        sk = notifications.row_id(f"{OverflowHoldExpiry.name}-{hold.id}-{clock.iso(hold.held_at)}")
        warned = {"pk": "u1", "sk": sk, "state": "sent", "sent_at": clock.iso(NOON - timedelta(days=2))}
        apart.dynamodb.put_item(TableName=apart.names.table("notifications"), Item=attributes.row(warned))
    return apart


def test_a_message_is_released_or_purged_as_a_whole(engine: Cloud) -> None:
    taken: set[str] = set()
    begin = threading.Event()

    def take(number: int) -> None:
        """The steps of docs/reference/records.md."""
        mine = [f"h{index}" for index in range(number, COUNT, TAKERS)]
        Random(number).shuffle(mine)
        begin.wait()
        for id_ in mine:
            try:
                engine.dynamodb.delete_item(
                    TableName=engine.names.table("holds"),
                    Key={"pk": {"S": "u1"}, "sk": {"S": id_}},
                    ConditionExpression="attribute_exists(pk) AND attribute_not_exists(going)",
                )
            except engine.ConditionalCheckFailed:
                continue
            taken.add(id_)

    takers = [threading.Thread(target=take, args=(number,)) for number in range(TAKERS)]
    for taker in takers:
        taker.start()
    begin.set()
    job = OverflowHoldExpiry()
    report = run(job, Firing(job.name, NOON), engine, Log(lambda _: None, engine.clock))
    for taker in takers:
        taker.join()
    counts: Any = report.counts
    assert report.outcome == "done", report.note
    left = engine.s3.list_objects_v2(Bucket=engine.names.bucket, Prefix=RAW).get("Contents", [])
    assert {each["Key"].removeprefix(RAW) for each in left} == taken
    assert counts["purged"] + len(taken) == COUNT
    assert 0 < len(taken) < COUNT
