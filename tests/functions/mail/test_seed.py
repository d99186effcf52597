"""Seed data: plausible, the same for the same number, and with due rows for every purge."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from functions.mail._sample_users import person
from functions.mail.bandwidth_rollup import BandwidthRollup
from functions.mail.seed import seed
from shared.archetypes.purge import Purge
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job import registry
from shared.product.records.by_table import KINDS
from shared.store import watermark
from shared.tables import MAIL
from tests.conftest import NOON, Lines
from tests.support.purging import objects
from tests.support.sweeping import go

PRODUCT = {table.name for table in MAIL}


def everything(cloud: Cloud) -> dict[str, list[Any]]:
    found = {}
    for table in MAIL:
        items = cloud.dynamodb.scan(TableName=cloud.names.table(table.name))["Items"]
        found[table.name] = sorted((attributes.plain(item) for item in items), key=lambda row: (row["pk"], row["sk"]))
    return found


def test_the_same_number_makes_the_same_people_and_another_one_others() -> None:
    one, again, other = (list(person(number, 7, NOON)) for number in (1, 1, 2))
    assert one == again
    assert one[0][1]["user"] != other[0][1]["user"]


def test_a_person_is_the_same_on_another_day_but_for_dates() -> None:
    def undated(lines: Any) -> Any:
        return [(kind, line["user"], line["id"]) for kind, line in lines if kind not in ("audit", "cycles", "rollups")]

    assert undated(person(1, 7, NOON)) == undated(person(1, 7, NOON + timedelta(days=40)))


def test_there_is_something_of_everything_and_all_of_it_is_valid() -> None:
    seen = set()
    for number in range(400):
        for kind, line in person(1, number, NOON):
            KINDS[kind].read(line, NOON)
            seen.add(kind)
    assert seen == set(KINDS)


def test_a_second_time_changes_nothing_and_more_users_come_on_top(cloud: Cloud) -> None:
    made = seed(cloud, 3)
    before = everything(cloud)
    assert {name: len(found) for name, found in before.items()} == made
    assert set(seed(cloud, 3).values()) == {0}
    assert everything(cloud) == before
    assert seed(cloud, 4)["users"] == 1


def test_what_a_row_names_lies_in_the_bucket(cloud: Cloud) -> None:
    seed(cloud, 5)
    named = [row["raw"] for found in everything(cloud).values() for row in found if "raw" in row]
    assert sorted(named) == objects(cloud)


def test_every_purge_of_the_product_has_something_to_do() -> None:
    ages: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    for number in range(100):
        for kind, line in person(1, number, NOON):
            aging = KINDS[kind].read(line, NOON).aging()
            if aging and not aging[0]:
                ages[kind].append(aging[1])
    jobs = [job for job in registry.jobs({}).values() if isinstance(job, Purge) and job.table.name in PRODUCT]
    assert len(jobs) >= 11
    for job in jobs:
        assert min(ages[job.table.name]) <= NOON - job.keep + (job.warn or timedelta(0)), job.name


def test_messages_before_the_watermark_are_in_the_sums_already(cloud: Cloud, log: Lines) -> None:
    seed(cloud, 3)
    wrong = ("u1-0000000", f"day#{NOON:%Y-%m-%d}")
    go(BandwidthRollup(), cloud, log)
    sums = {(row["pk"], row["sk"]): (row["bytes_used"], row["messages"]) for row in everything(cloud)["rollups"]}
    counted = dict[tuple[str, str], Counter[str]]()
    for row in everything(cloud)["messages"]:
        days = counted.setdefault((row["pk"], f"day#{row['received_at'][:10]}"), Counter())
        days.update(bytes_used=row["bytes_used"], messages=1)
    for key, expected in counted.items():
        if key != wrong:
            assert sums[key] == (expected["bytes_used"], expected["messages"])


def test_a_rollup_that_has_run_keeps_its_watermark(cloud: Cloud, log: Lines) -> None:
    go(BandwidthRollup(), cloud, log)
    before = watermark.read(cloud, BandwidthRollup.name)
    seed(cloud, 1)
    assert watermark.read(cloud, BandwidthRollup.name) == before
