"""Plans that end in a known state have the verdict that they would have at their end."""

from __future__ import annotations

import pytest

from proof.crash.known_states import FRACTIONS
from proof.crash.prover import Prover
from proof.crash.verdict import Verdict
from shared.run import claim, claim_write

ALWAYS = "attribute_exists(pk) OR attribute_not_exists(pk)"


def verdicts(job: str, *, merges: bool, every: int = 1) -> tuple[dict[str, Verdict], int]:
    """Verdicts by crash point, and how many plans ended in a known state."""
    with Prover(merges=merges) as prover:
        expected, calls = prover.undisturbed(prover.jobs[job])
        points = [*prover.points(calls)][::every]
        return {str(point): prover.judge(prover.jobs[job], point, expected) for point in points}, prover.merged


@pytest.mark.parametrize(("job", "every"), [("usage", 1), ("welcome-email", 3), ("account-deletion", 31)])
def test_a_known_state_has_the_verdict_of_its_end(job: str, every: int) -> None:
    played, none = verdicts(job, merges=False, every=every)
    found, merged = verdicts(job, merges=True, every=every)
    assert none == 0
    assert merged > len(found) / 4
    assert found == played


def test_durations_do_not_make_another_state() -> None:
    artifact, row, message = '{"ms": 12, "ok": true}', '{"ms": {"N": "12"}, "ok": 1}', r'{"body": "{\"ms\": 12}"}'
    for text in (artifact, row, message):
        assert FRACTIONS.sub("", text) == FRACTIONS.sub("", text.replace("12", "7"))
    assert FRACTIONS.sub("", '{"forms": 12}') == '{"forms": 12}'


def test_a_lag_of_seconds_is_another_state() -> None:
    assert FRACTIONS.sub("", '{"lag": {"N": "12"}, "ok": 1}') == '{"ok": 1}'
    assert FRACTIONS.sub("", '{"lag": {"N": "1200"}, "ok": 1}') == '{"lag": {"N": "1200"}, "ok": 1}'
    assert FRACTIONS.sub("", '{"lag": 1200}') == '{"lag": 1200}'


def test_violations_are_found_in_known_states_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "HOLDS_LEASE", f"{claim_write.HOLDS_LEASE} OR {ALWAYS}")
    played, _ = verdicts("usage-aggregation", merges=False, every=13)
    found, _ = verdicts("usage-aggregation", merges=True, every=13)
    assert found == played
    assert any(verdict.faults() for verdict in found.values())
