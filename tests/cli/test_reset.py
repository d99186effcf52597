"""`reset` takes a target only where targets have positions of their own."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from shared import clock
from shared.aws.cloud import Cloud
from shared.store import keys, table
from shared.tables import STATE
from tests.cli.conftest import HEAD, Call

SITES = '''
class Sites(Job):
    """Look at sites, in one run."""
    idempotency = natural("looking changes nothing")
    lease_per_target = False
    shards = 2
    def work(self, run):
        return Done()
'''


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("sites", "--target", "1"), "sites has one position for all of its targets; leave --target out"),
        (("good", "--watermark", "04:00"), "good is no rollup and has no watermark; leave --watermark out"),
        (("sharded", "--target", "2"), "sharded has no target '2'; it has 0, 1"),
    ],
)
def test_a_target_without_a_position_is_wrong_use(call: Call, jobs: Path, words: tuple[str, ...], reason: str) -> None:
    (jobs / "demo" / "sites.py").write_text(HEAD + SITES)
    answer = call("reset", *words)
    assert (answer.code, answer.err) == (2, f"{reason}\n")


def test_a_preview_resets_nothing(call: Call, aws: Cloud) -> None:
    key, last = keys.claim("good", "-"), f"{clock.minute(aws.clock.now() + timedelta(days=365))}#00"
    table.put(aws, STATE, {**key.attributes, "last": last})
    answer = call("reset", "good", "--dry-run", "--json", "--aws", "--stage", "test")
    assert answer.json == {"job": "good", "target": "-", "was": last}
    assert table.get(aws, STATE, key)["last"] == last
    assert call("reset", "good", "--aws", "--stage", "test").code == 0
    assert table.get(aws, STATE, key)["last"] < last
    assert call("reset", "good", "--dry-run", "--aws", "--stage", "test").code == 4


ROLLUP = """
from shared import tables
from shared.archetypes.rollup import Rollup
from shared.job.idempotency import version_check

class Summed(Rollup):
    'Add up bytes per day.'
    schedule = hourly(minute=14)
    table = tables.MESSAGES
    when = "received_at"
    sums = ("bytes_used",)
    into = tables.ROLLUPS
    counted = "messages"
    idempotency = version_check("a sum stores its window")
"""


def test_a_watermark_is_previewed_and_set_back(call: Call, aws: Cloud, jobs: Path) -> None:
    (jobs / "demo" / "summed.py").write_text(HEAD + ROLLUP)
    ahead = clock.iso(aws.clock.now() + timedelta(days=365))
    table.put(aws, STATE, {**keys.watermark("summed").attributes, "upto": ahead})
    words = ("summed", "--watermark", "00:00", "--json", "--aws", "--stage", "test")
    planned = call("reset", *words, "--dry-run").json
    assert (planned["was"], planned["rows"]) == (ahead, 0)
    assert table.get(aws, STATE, keys.watermark("summed"))["upto"] == ahead
    assert call("reset", *words).json == planned
    assert table.get(aws, STATE, keys.watermark("summed"))["upto"] == planned["to"]
    assert call("reset", *words).code == 4
