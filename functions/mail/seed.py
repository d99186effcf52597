"""Seed the mail product: sample users with rows for every job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from functions.mail import _due_person
from functions.mail._due_person import DuePerson
from functions.mail._sample_person import SUMMED
from functions.mail._sample_users import message, sample_person
from functions.mail.bandwidth_rollup import BandwidthRollup
from shared import clock
from shared.aws.cloud import Cloud
from shared.product import sample_rows
from shared.product.sample_rows import SampleRow
from shared.store import watermark
from shared.store.fencing import Fenced
from shared.store.watermark import Watermark
from shared.tables import MAIL


def seed(cloud: Cloud, count: int, number: int = 1) -> dict[str, int]:
    """Create the users 0 to count - 1 of a seed.

    The first user has a due row for each job. Existing rows stay. Returns the number of rows by table.
    """
    now = cloud.clock.now()
    # Older messages are in the sums already. Refused once bandwidth-rollup has run.
    with suppress(Fenced):
        watermark.close(cloud, BandwidthRollup.name, Watermark(), clock.iso(now - SUMMED))
    written = sample_rows.write(cloud, (row for each in range(count) for row in _rows(number, each, now)))
    return {table.name: 0 for table in MAIL} | written


def _rows(number: int, each: int, now: datetime) -> Iterator[SampleRow]:
    person = sample_person(number, each, now)
    for table, line in person.lines():
        yield SampleRow(table, line, _objects(line))
    if isinstance(person, DuePerson):
        table, line = person.warned_hold()
        yield SampleRow(table, line, _objects(line), now - _due_person.WARNED)


def _objects(line: dict[str, Any]) -> dict[str, bytes]:
    return {line["raw"]: message(line)} if "raw" in line else {}
