"""`sums` adds up messages in files and compares the sums with the rollups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.commands.sums import Sum, differences, sums
from cli.exit_codes import CommandError
from functions.mail.bandwidth_rollup import BandwidthRollup
from shared.aws.cloud import Cloud
from shared.product.records.mail import MessageMetadata
from shared.run.firing import Firing
from shared.run.run import run
from tests.conftest import Lines
from tests.support.stored_rows import put

LINES: tuple[dict[str, Any], ...] = (
    {"user": "ada", "received_at": "2026-03-01T23:59:59.999Z", "bytes_used": 5},
    {"user": "ada", "received_at": "2026-03-02T00:00:00.000Z", "bytes_used": 7},
    # The same day, in another time zone and format.
    {"user": "ada", "received_at": "2026-03-03 00:30:00.000+01:00", "bytes_used": 1},
    {"user": "zoë", "received_at": "2027-01-03T10:00:00.000Z", "bytes_used": 0},
    {"user": "nobody", "received_at": None, "bytes_used": 5},
)
SUMS = [
    Sum("ada", "day#2026-03-01", 5, 1),
    Sum("ada", "day#2026-03-02", 8, 2),
    Sum("ada", "week#2026-W09", 5, 1),
    Sum("ada", "week#2026-W10", 8, 2),
    Sum("zoë", "day#2027-01-03", 0, 1),
    Sum("zoë", "week#2026-W53", 0, 1),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "messages.jsonl"
    made.write_text("".join(json.dumps({**line, "id": f"m{n}"}) + "\n" for n, line in enumerate(LINES)))
    return made


def test_days_and_iso_weeks_are_those_of_utc(file: Path) -> None:
    assert list(sums([file])) == SUMS
    assert next(iter(sums([file, file]))) == Sum("ada", "day#2026-03-01", 10, 2)


def test_a_file_without_messages_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text("user,bytes\n")
    with pytest.raises(CommandError, match="does not contain one message on each line"):
        list(sums([wrong]))


def test_only_sums_that_differ_from_the_rollups_are_returned(cloud: Cloud, log: Lines, file: Path) -> None:
    for number, line in enumerate(LINES[:2]):
        given = {**line, "id": f"m{number}", "recorded_at": "2026-03-02T10:00:00.000Z"}
        put(cloud, MessageMetadata.read(given))
    run(BandwidthRollup(), Firing("bandwidth-rollup", cloud.clock.now()), cloud, log)
    assert list(differences(cloud, sums([file]))) == [
        (SUMS[1], [7, 1]),
        (SUMS[3], [7, 1]),
        (SUMS[4], None),
        (SUMS[5], None),
    ]
