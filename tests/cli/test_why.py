"""`why` explains ticks in an account, simulated by moto."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cli.exit_codes import Exit
from shared import clock
from shared.admin.trace_reader import last_tick
from shared.aws.cloud import Cloud
from shared.job import registry
from shared.observability.log import Log
from shared.run.firing import Firing
from shared.run.run import run
from tests.cli.conftest import Call
from tests.support.deployed_function import deploy_function

AWS = ("--aws", "--stage", "test")


def fail(cloud: Cloud) -> str:
    """Run the last tick of `bad`, which fails; returns its minute."""
    from shared.job import manifest

    job = registry.find("bad")
    at = last_tick(manifest.of([job])["bad"], cloud.clock.now())
    assert at is not None
    assert run(job, Firing("bad", at), cloud, Log(lambda _: None)).outcome == "failed"
    return clock.minute(at)


def test_the_explanation_has_reasons_and_commands(call: Call, aws: Cloud) -> None:
    at = fail(aws)
    answer = call("why", "bad", *AWS)
    assert answer.code == Exit.DONE
    lines = answer.out.splitlines()
    assert lines[0] == f"bad: the tick of {at[:10]} {at[11:16]} UTC failed."
    assert "RuntimeError: the roof is on fire" in " ".join(answer.out.split())
    assert any(line.startswith("python jobs.py runs bad --aws --stage test ") for line in lines)


def test_the_explanation_as_json_is_one_document(call: Call, aws: Cloud) -> None:
    at = fail(aws)
    told = call("why", "bad", "--at", at, "--json", *AWS).json
    assert (told["job"], told["tick"][:16], told["verdict"]) == ("bad", at[:16], "failed")
    assert told["runs"][0]["note"] == "RuntimeError: the roof is on fire"
    assert told["reads"] <= 5
    assert {"command", "for"} == told["commands"][0].keys()
    assert told["says"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("badd",), "there is no job 'badd'; did you mean 'bad'?"),
        (("bad", "--at", "noon"), "--at 'noon' is not a time"),
        (("bad", "--at", "2999-01-01"), "is in the future"),
        (("bad", "--at", "24:01"), "--at '24:01' is not a time"),
        (("sharded", "--target", "7"), "sharded has no target '7'; it has 0, 1"),
    ],
)
def test_an_invalid_time_or_target_is_wrong_use(call: Call, aws: Cloud, words: tuple[str, ...], said: str) -> None:
    answer = call("why", *words, *AWS)
    assert answer.code == Exit.WRONG_USE
    assert said in answer.err


def test_a_tick_of_last_year_is_no_error(call: Call, aws: Cloud) -> None:
    at = aws.clock.now() - timedelta(days=400)
    told = call("why", "good", "--at", clock.minute(at), "--json", *AWS).json
    assert told["verdict"] == "unknown"


def deployed(aws: Cloud, job: str, variables: dict[str, str]) -> None:
    deploy_function(aws, aws.names.function(job), variables)


def test_the_explanation_uses_the_deployed_schedule_and_retries(call: Call, aws: Cloud) -> None:
    deployed(aws, "bad", {"BAD_SCHEDULE": "0 0 1 * *", "BAD_RETRY": "none"})
    told = call("why", "bad", "--json", *AWS).json
    assert told["tick"][8:16] == "01T00:00"


def test_the_environment_precedes_the_deployed_settings(
    call: Call, aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(aws, "bad", {"BAD_SCHEDULE": "0 0 1 * *"})
    monkeypatch.setenv("BAD_SCHEDULE", "off")
    assert call("why", "bad", "--json", *AWS).json["tick"] is None
