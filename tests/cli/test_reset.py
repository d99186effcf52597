"""`reset` takes a target only where targets have positions of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

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
        (("sharded", "--target", "2"), "sharded has no target '2'; it has 0, 1"),
    ],
)
def test_a_target_without_a_position_is_wrong_use(call: Call, jobs: Path, words: tuple[str, ...], reason: str) -> None:
    (jobs / "demo" / "sites.py").write_text(HEAD + SITES)
    answer = call("reset", *words)
    assert (answer.code, answer.err) == (2, f"{reason}\n")
