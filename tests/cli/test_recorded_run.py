"""`run` shows one run with what belongs to it; `replay` runs its tick again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.admin import run_chain
from shared.aws.cloud import Cloud
from shared.job import registry
from shared.run.begin import run_id
from shared.run.claim import Claims
from shared.run.firing import Firing
from shared.run.history import History
from tests.cli.conftest import HEAD, Call
from tests.cli.test_dead import TICK, only, world
from tests.cli.test_effects import SENDER
from tests.cli.test_looking import failed, logged
from tests.functions.operations.world import World

AWS = ("--aws", "--stage", "test")
FIXTURES = (world,)
MENDED = '''
import os
class Mended(Job):
    """Fail until it is mended."""
    schedule = every(minutes=5)
    idempotency = natural("nothing is done")
    def work(self, run):
        if "MENDED" not in os.environ:
            raise RuntimeError("the disk is full")
        return Done({"mended": 1})
'''


def minute(ago: int = 1) -> str:
    return f"{datetime.now(UTC) - timedelta(minutes=ago):%Y-%m-%dT%H:%MZ}"


def test_a_run_is_shown_with_its_counts_artifact_and_log(call: Call, aws: Cloud) -> None:
    run = call("good", "--json", *AWS).json["run_id"]
    logged(aws, (0, f'{{"jobId": "{run}", "message": "good_complete"}}'), (0, "of another run"))
    shown = call("run", run, "--json", *AWS).json
    assert (shown["job"], shown["outcome"], shown["trigger"]) == ("good", "done", "an operator, or the API")
    assert shown["row"]["counts"] == {"counted": 3}
    assert shown["artifact"]["record"]["kind"] == "demo"
    assert shown["artifact"]["url"] == f"s3://{aws.names.bucket}/{shown['row']['artifact']}"
    lines = call("run", run, *AWS).out.splitlines()
    assert lines[0] == "good: done, started by an operator, or the API"
    assert '  counts: {"counted": 3}' in lines
    assert "  kind: demo" in lines
    assert call("run", run, "--lines", "0", "--json", *AWS).json["log"] == []


def test_the_attempts_of_a_tick_are_listed_and_the_command_to_replay_it(call: Call, aws: Cloud) -> None:
    at = minute()
    first = call("bad", "--at", at, "--json", *AWS).json["run_id"]
    second = call("bad", "--at", at, "--json", *AWS).json["run_id"]
    shown = call("run", first, "--json", *AWS).json
    assert [(each["run"], each["attempt"]) for each in shown["attempts"]] == [(first, 1), (second, 2)]
    assert shown["trigger"] == "its schedule"
    out = call("run", first, *AWS).out
    assert f"python jobs.py replay {first} --aws --stage test" in out
    assert "RuntimeError: the roof is on fire" in out


def test_a_missing_artifact_is_shown_as_expired(call: Call, aws: Cloud) -> None:
    shown = call("good", "--json", *AWS).json
    aws.s3.delete_object(Bucket=aws.names.bucket, Key=shown["artifact"])
    assert call("run", shown["run_id"], "--json", *AWS).json["artifact"]["record"] is None
    assert "  record: expired" in call("run", shown["run_id"], *AWS).out


def test_a_run_in_progress_is_shown_by_its_claim(call: Call, aws: Cloud) -> None:
    now = aws.clock.now()
    claims = Claims(aws, registry.find("good"), "-")
    claim = claims.take(Firing("good", now), run_id(now), "request")
    claims.progress(claim, "counting", 40)  # type: ignore[arg-type]
    holder = call("runs", "good", "--json", *AWS).json[0]["run_id"]
    shown = call("run", holder, "--json", *AWS).json
    assert (shown["outcome"], shown["trigger"], shown["row"]) == ("running", "counting, 40 %", None)
    answer = call("replay", holder, *AWS)
    assert (answer.code, "has not ended; nothing was done" in answer.err) == (4, True)


def test_a_failed_message_is_shown_and_not_replayed(call: Call, aws: Cloud) -> None:
    run = failed(aws, "mailbox", aws.clock.now(), "org_7", note="full")
    shown = call("run", run, "--json", *AWS).json
    assert (shown["row"]["tenant"], shown["trigger"]) == ("org_7", "messages of demo:letters")
    answer = call("replay", run, *AWS)
    assert (answer.code, "SQS delivers failed ones again" in answer.err) == (4, True)


def test_an_uncertain_effect_of_the_run_is_shown(call: Call, aws: Cloud, jobs: Path) -> None:
    (jobs / "demo" / "sender.py").write_text(HEAD + SENDER)
    run = call("sender", "--json", *AWS).json["run_id"]
    call("sender", *AWS)
    assert [each["key"] for each in call("run", run, "--json", *AWS).json["effects"]] == ["ada"]
    assert "python jobs.py effects sender --aws --stage test" in call("run", run, *AWS).out


def test_a_run_whose_dead_letter_is_stored_is_redriven_and_not_replayed(
    call: Call, world: World, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (jobs / "demo" / "sweep.py").write_text(HEAD + SWEEP)
    world.kill(TICK)
    letter = only(world)
    run = letter.row["jobId"]
    shown = call("run", run, "--json", *AWS).json
    assert shown["dead_letter"]["id"] == letter.id
    answer = call("replay", run, *AWS)
    assert answer.code == 4
    assert f"python jobs.py dead retry {letter.id} --aws --stage test" in answer.err


@pytest.mark.parametrize("command", ["run", "replay"])
@pytest.mark.parametrize(
    "run", ["nonsense", "20260302T120000.000Z-00000000", "", "2" * 300, "20260302T120000.000Z\x1b["]
)
def test_an_unknown_id_is_wrong_use(call: Call, aws: Cloud, command: str, run: str) -> None:
    answer = call(command, run, *AWS)
    assert (answer.code, answer.out) == (2, "")
    assert "python jobs.py runs JOB --aws --stage test" in answer.err


def test_a_replay_runs_the_next_attempt_of_the_tick(
    call: Call, aws: Cloud, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (jobs / "demo" / "mended.py").write_text(HEAD + MENDED)
    run = call("mended", "--at", minute(), "--json", *AWS).json["run_id"]
    assert call("replay", run, *AWS).code == 1
    monkeypatch.setenv("MENDED", "yes")
    answer = call("replay", run, "--json", *AWS)
    assert (answer.code, answer.json["outcome"], answer.json["counts"]) == (0, "done", {"mended": 1})
    # The tick is done: it is not run twice, unless an operator asks for it.
    assert call("replay", run, "--json", *AWS).json["outcome"] == "deduplicated"
    assert call("replay", run, "--manual", "--json", *AWS).json["outcome"] == "done"


def test_missed_ticks_are_replayed_by_their_first(call: Call, aws: Cloud) -> None:
    now = aws.clock.now().replace(second=0, microsecond=0)
    first, to = now - timedelta(minutes=40), now - timedelta(minutes=10)
    History(aws, "good", "standard").record_missed(first, to, 3, "no trace", "")
    row = call("runs", "good", "--outcome", "missed", "--json", *AWS).json[0]
    assert call("run", row["run_id"], "--json", *AWS).json["trigger"] == "nothing: the tick was missed"
    answer = call("replay", row["run_id"], "--json", *AWS)
    assert (answer.json["outcome"], answer.json["tick"][:16]) == ("done", f"{first:%Y-%m-%dT%H:%M}")


def test_a_row_that_only_counts_duplicates_is_no_run(call: Call, aws: Cloud) -> None:
    now = aws.clock.now()
    winner = run_id(now)
    History(aws, "good", "standard").duplicate(winner, run_id(now), Firing("good", now))
    assert call("run", winner, *AWS).code == 2
    assert run_chain.read(aws, "good", {}, winner) is None  # type: ignore[typeddict-item]


SWEEP = '''
class Sweep(Job):
    """Sweep."""
    schedule = every(minutes=5)
    by_name = True
    idempotency = natural("nothing is done")
    def work(self, run):
        return Done()
'''
