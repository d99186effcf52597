"""The job `crash`: each kind of crash, in a run and in a separate process."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from functions.samples.crash import KINDS, Crash
from shared.aws.cloud import Cloud
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import NOON, Lines, letters, waiting

ROOT = Path(__file__).parents[3]
FIRED = Firing("crash", NOON, correlation_id="c-1")

ALONE = """
import sys
from functions.samples.crash import Crash
from shared.aws.cloud import Cloud
from shared.run.firing import Firing
from shared.aws.names import Names
from shared.run.context import RunContext
from shared.observability.log import Log
from shared.clock import Clock
from shared.deadline import DeadlineExceeded, within

job, kind = Crash(), sys.argv[1]
job.timeout = 1
cloud = Cloud(Names("test", "1", "us-east-1"), Clock(), {"SAMPLE_CRASH_KIND": kind})
now = cloud.clock.now()
try:
    with within(0.2):
        job.work(RunContext(job, Firing("crash", now), cloud, "r", now, Log()))
except DeadlineExceeded:
    print("deadline")
"""


def crash(cloud: Cloud, log: Lines, firing: Firing = FIRED, **settings: str) -> RunReport:
    cloud.environment = {"SAMPLE_CRASH_ENABLE": "true", **settings}
    return run(Crash(), firing, cloud, log)


def alone(kind: str, timeout: float = 20) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ALONE, kind]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=timeout, check=False)


def test_it_is_off_unless_it_is_asked_for(cloud: Cloud, log: Lines) -> None:
    assert run(Crash(), FIRED, cloud, log).outcome == "disabled"
    assert Crash.schedules() == ()


def test_its_attempts_end_as_a_dead_letter(cloud: Cloud, log: Lines) -> None:
    firing = FIRED
    for _ in range(2):
        assert crash(cloud, log, firing).outcome == "failed"
        (sent,) = waiting(cloud)
        firing = replace(FIRED, attempt=sent["firing"]["attempt"])
    crash(cloud, log, firing)
    (letter,) = letters(cloud, "firings-dlq")
    assert letter["dead"]["reason"] == "all 3 attempts used up"
    assert "crashed on purpose" in letter["dead"]["error"]


def test_a_kind_that_is_none_is_rejected_with_those_that_are(cloud: Cloud, log: Lines) -> None:
    report = crash(cloud, log, SAMPLE_CRASH_KIND="politely")
    assert "'politely' must be one of raise, exit, sleep, hang, memory" in report.note
    assert letters(cloud, "firings-dlq")[0]["dead"]["reason"] == "rejected"


def test_memory_is_taken_and_given_back(cloud: Cloud, log: Lines) -> None:
    assert "512 MB were allocated, of 128 declared" in crash(cloud, log, SAMPLE_CRASH_KIND="memory").note


def test_exit_leaves_no_word() -> None:
    done = alone("exit")
    assert (done.returncode, done.stdout) == (1, "")


def test_sleep_is_ended_by_the_inner_deadline() -> None:
    assert alone("sleep").stdout == "deadline\n"


def test_hang_is_reached_by_no_deadline_of_its_own() -> None:
    started = time.monotonic()
    assert "the run was not stopped within 2 s" in alone("hang").stderr
    assert time.monotonic() - started > 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_crashes_nothing(kind: str, cloud: Cloud, log: Lines) -> None:
    from shared.run.context import RunContext

    cloud.environment = {"SAMPLE_CRASH_KIND": kind}
    assert Crash().plan(RunContext(Crash(), FIRED, cloud, "-", NOON, log, dry=True)) == [f"crash by {kind}"]
