"""A short storm on the local cloud: real processes are killed, and nothing is lost, doubled or silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from proof.storm import __main__ as command
from proof.storm import findings, storm_cloud
from proof.storm.receivers import Receivers
from proof.storm.small_disk import NoSmallDisk, fill, mounted
from proof.storm.storm_cloud import SWEEP
from proof.storm.storms import STORMS, Size, Storm
from proof.storm.work import ORGANIZATION, Work
from shared.aws import attributes
from shared.tables import METERS, STATE, TRAIL, Table
from tests.local.conftest import deployed_once

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("e2e")]
SIZE = Size(duplicates=12, kills=6, pieces=3)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deployed_once(tmp_path_factory, "whole", settings={})


@pytest.fixture(scope="module")
def storm(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storm]:
    folder = tmp_path_factory.mktemp("storm") / "cloud"
    with (
        Receivers() as receivers,
        storm_cloud.running(whole, folder, receivers.settings(), seed=1, visibility=8) as cloud,
    ):
        work = Work(cloud, receivers, seed=1)
        work.begin()
        yield Storm(cloud, work, SIZE, Random(1))


def test_a_short_storm_violates_nothing(storm: Storm) -> None:
    done = [STORMS[name](storm) for name in ("duplicates", "kills")]
    assert done == ["12 deliveries", "6 kills"]
    assert storm.settle(600)
    assert storm.violations == []
    assert findings.examine(storm.work).violations() == []


@contextmanager
def changed(storm: Storm, table: Table, chosen: Callable[[dict[str, Any]], bool], change: Any) -> Iterator[None]:
    """A row with an attribute removed or set, or without the row, while the block lasts."""
    row = next(each for each in storm.cloud.rows(table) if chosen(each))
    name, key = storm.cloud.names.table(table.name), {key: row[key] for key in (table.pk, table.sk)}
    storm.cloud.dynamodb.delete_item(TableName=name, Key=attributes.row(key))
    if change is not None:
        storm.cloud.put(table, change(row))
    yield
    storm.cloud.put(table, row)


# Invariant -> the row that is changed after the storm, and how; None deletes it.
PLANTED: dict[str, tuple[Table, Callable[[dict[str, Any]], bool], Any]] = {
    "lost": (TRAIL, lambda row: "id" in row, None),
    "twice": (
        METERS,
        lambda row: row["pk"].startswith(f"{ORGANIZATION}#month#"),
        lambda row: {name: value + 1 if "#exports" in name else value for name, value in row.items()},
    ),
    "stuck": (STATE, lambda row: row["pk"] == f"{SWEEP}:last", lambda row: {**row, "holder": "a run"}),
    "silent": (STATE, lambda row: row["pk"].startswith(f"runs#{SWEEP}#") and row["outcome"] == "done", None),
}


@pytest.mark.parametrize("invariant", PLANTED)
def test_each_violation_is_found(invariant: str, storm: Storm) -> None:
    with changed(storm, *PLANTED[invariant]):
        found = findings.examine(storm.work).violations()
    assert [text.partition(":")[0] for text in found] == [invariant]


def test_a_full_disk_refuses_further_bytes(tmp_path: Path) -> None:
    try:
        with mounted(tmp_path / "disk", 2):
            assert fill(tmp_path / "disk" / "filler") >= 1
            with pytest.raises(OSError, match="No space left"):
                (tmp_path / "disk" / "more").write_bytes(b"x" * 8192)
    except NoSmallDisk as reason:
        pytest.skip(f"this machine has no small disk: {reason}")


@pytest.mark.parametrize(("arguments", "says"), [(["hail"], "no storm 'hail'"), (["--kills", "0"], "at least 1")])
def test_wrong_use_is_refused(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(arguments) == command.WRONG_USE
    assert says in capsys.readouterr().err
