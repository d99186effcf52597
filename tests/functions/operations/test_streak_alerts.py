"""Every streak and every recovery is alerted once, however many ended between two runs of the job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from functions.operations.job_monitoring import JobMonitoring
from shared import clock as clocks
from shared.aws.cloud import Cloud
from shared.job import manifest
from shared.job.manifest import Entry
from shared.job.outcome import Done, Outcome
from shared.messages.run_batch import run_batch
from shared.run import status, streaks
from shared.run.claim import Claim, Claims
from shared.run.context import RunContext
from shared.run.firing import Batch, Firing
from shared.run.run import run
from shared.store import keys, table
from shared.tables import STATE
from tests.conftest import NOON, Calls, Lines, VirtualClock
from tests.functions.operations.conftest import ENTRIES
from tests.functions.operations.test_job_monitoring import Failing, monitor
from tests.support.moto_backends import alerts
from tests.support.sweep_job import Sweep

Kinds = list[tuple[str, str]]


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> dict[str, Entry]:
    entries = dict(ENTRIES)
    monkeypatch.setattr(manifest, "load", lambda: entries)
    return entries


@pytest.fixture
def ticks(cloud: Cloud, log: Lines, clock: VirtualClock, entries: dict[str, Entry]) -> Callable[[str], None]:
    """Run the job once a minute: `x` fails, `.` is good."""
    job = Failing()

    def ticks(results: str) -> None:
        for result in results:
            clock.move(minutes=1)
            job.broken = result == "x"
            run(job, replace(Firing("sweep", clock.now()), retried=False), cloud, log)

    return ticks


def kinds(cloud: Cloud) -> list[tuple[str, int]]:
    return [(told["alert"], told["streak"]) for told in alerts(cloud)]


def item(cloud: Cloud, target: str = "-") -> dict[str, Any]:
    return table.get(cloud, STATE, keys.claim("sweep", target))


def test_a_streak_and_its_recovery_between_two_looks_are_both_alerted_once(
    ticks: Callable[[str], None], cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    monitor(cloud, log, clock)
    ticks(".xxx.")
    told = monitor(cloud, log, clock)
    assert told.counts.items() >= {"failing": 1, "recovered": 1}.items()
    monitor(cloud, log, clock)
    assert kinds(cloud) == [("JOB_FAILING", 3), ("JOB_RECOVERED", 3)]
    assert not {streaks.ENDED, "alerted"} & item(cloud).keys()


def test_a_recovery_has_first_error_failures_and_the_length_of_the_outage(
    ticks: Callable[[str], None], cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    ticks(".xxxx")
    monitor(cloud, log, clock)
    ticks("x.")
    monitor(cloud, log, clock)
    failing, recovered = alerts(cloud)
    assert (failing["streak"], failing["firstError"]) == (4, "ValueError: at 12:02")
    assert (
        recovered.items()
        >= {
            "alert": "JOB_RECOVERED",
            "job": "sweep",
            "streak": 5,
            "firstError": "ValueError: at 12:02",
            "failingSince": "2026-03-02T12:02:00.000Z",
            "lastGood": "2026-03-02T12:01:00.000Z",
            "recovered": "2026-03-02T12:08:00.000Z",
            "outage": "6 min",
        }.items()
    )


def test_every_streak_between_two_looks_is_alerted_in_order(
    ticks: Callable[[str], None], cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    ticks("xxx")
    monitor(cloud, log, clock)
    ticks(".xx.xxxx.xxxxx")
    monitor(cloud, log, clock)
    ticks("x.")
    monitor(cloud, log, clock)
    assert kinds(cloud) == [
        ("JOB_FAILING", 3),
        ("JOB_RECOVERED", 3),
        ("JOB_FAILING", 4),
        ("JOB_RECOVERED", 4),
        ("JOB_FAILING", 5),
        ("JOB_RECOVERED", 6),
    ]


def test_short_streaks_are_not_alerted_and_their_records_are_removed(
    ticks: Callable[[str], None], cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    monitor(cloud, log, clock)
    ticks("xx.x.")
    monitor(cloud, log, clock)
    assert kinds(cloud) == []
    assert streaks.ENDED not in item(cloud)
    calls = Calls(cloud)
    monitor(cloud, log, clock)
    # Claim, finish and history; owed alerts; and the items and uncertain effects of the only job.
    assert sorted(calls.made) == ["dynamodb:Query"] * 3 + ["dynamodb:UpdateItem"] * 3


def test_a_streak_of_a_host_that_ended_between_two_looks_is_alerted(
    cloud: Cloud, log: Lines, clock: VirtualClock, entries: dict[str, Entry]
) -> None:
    for minute, note in enumerate(("", "503", "timeout", "503", "")):
        at = clocks.iso(NOON + timedelta(minutes=minute))
        status.write_host(cloud, Sweep(), "shop.example", "t", {"ok": not note, "at": at, "note": note})
    clock.move(minutes=5)
    monitor(cloud, log, clock)
    monitor(cloud, log, clock)
    assert kinds(cloud) == [("JOB_FAILING", 3), ("JOB_RECOVERED", 3)]
    recovered = alerts(cloud)[1]
    assert (recovered["entityId"], recovered["firstError"], recovered["outage"]) == ("shop.example", "503", "3 min")


def test_a_streak_of_a_consumer_that_ended_between_two_looks_is_alerted(
    cloud: Cloud, log: Lines, clock: VirtualClock, entries: dict[str, Entry]
) -> None:
    class Letters(Failing):
        """A consumer of letters."""

        name = "sweep"
        queue = "demo:letters"

        def work(self, run: RunContext) -> Outcome:
            if self.broken:
                raise ValueError(f"at {run.at:%H:%M}")
            return Done()

    job = Letters()
    for result in "xxx.":
        job.broken = result == "x"
        run_batch(job, Batch("sweep", ()), cloud, log, 60)
        clock.move(seconds=61)
    monitor(cloud, log, clock)
    monitor(cloud, log, clock)
    assert kinds(cloud) == [("JOB_FAILING", 3), ("JOB_RECOVERED", 3)]


def test_a_record_that_a_run_writes_again_is_not_alerted_again(
    ticks: Callable[[str], None], cloud: Cloud, log: Lines, clock: VirtualClock
) -> None:
    ticks("xxx.x")
    clock.move(minutes=1)
    firing = Firing("sweep", clock.now())
    claims = Claims(cloud, Sweep(), "-")
    taken = claims.take(firing, "20260302T120600.000Z-aaaaaaaa", "r")
    assert isinstance(taken, Claim)
    # Between its claim, which read the record, and its end.
    monitor(cloud, log, clock)
    state = status.from_outcome(Done(), firing.at, 7, taken.before)
    claims.finish(taken, firing, state, None, success=True)
    assert [record["count"] for record in item(cloud)[streaks.ENDED]] == [3, 1]
    monitor(cloud, log, clock)
    assert kinds(cloud) == [("JOB_FAILING", 3), ("JOB_RECOVERED", 3)]
    assert streaks.ENDED not in item(cloud)


def test_a_streak_that_ends_while_it_is_alerted_is_alerted_as_recovered_by_the_next_look(
    ticks: Callable[[str], None], cloud: Cloud, log: Lines, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks("xxx")
    publish = cloud.sns.publish

    def recovers(**call: Any) -> Any:
        answer = publish(**call)
        ticks(".")
        return answer

    clock.move(minutes=1)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(cloud.sns, "publish", recovers)
        run(JobMonitoring(), Firing("job-monitoring", clock.now()), cloud, log)
    monitor(cloud, log, clock)
    monitor(cloud, log, clock)
    assert kinds(cloud) == [("JOB_FAILING", 3), ("JOB_RECOVERED", 3)]


def test_a_recovery_without_a_record_is_alerted_with_what_is_known(
    cloud: Cloud, log: Lines, clock: VirtualClock, entries: dict[str, Entry]
) -> None:
    good = {"ok": True, "outcome": "done", "at": "2026-03-02T12:00:01.000Z", "lastGood": "2026-03-02T12:00:00.000Z"}
    table.put(cloud, STATE, {**keys.claim("sweep").attributes, "status": good, "alerted": "never"})
    monitor(cloud, log, clock)
    monitor(cloud, log, clock)
    [told] = alerts(cloud)
    assert (told["alert"], told["recovered"], told["outage"]) == ("JOB_RECOVERED", "2026-03-02T12:00:00.000Z", "")


@pytest.mark.parametrize(
    ("target", "changed", "commands"),
    [
        (
            "-",
            {},
            ["why sweep", "runs sweep", "sweep", "pause sweep --reason 'JOB_FAILING alert'"],
        ),
        (
            "shop.example",
            {},
            [
                "why sweep --target shop.example",
                "runs sweep",
                "sweep --target shop.example",
                "pause sweep --target shop.example --reason 'JOB_FAILING alert'",
            ],
        ),
        (
            "-",
            {"queue": "demo:letters"},
            ["why sweep", "runs sweep", "dead list sweep", "pause sweep --reason 'JOB_FAILING alert'"],
        ),
        ("-", {"queue": "firings-dlq", "collector": True}, ["why sweep", "runs sweep", "dead list sweep"]),
    ],
)
def test_the_commands_of_an_alert_fit_the_kind_of_job(
    target: str,
    changed: dict[str, Any],
    commands: list[str],
    cloud: Cloud,
    log: Lines,
    clock: VirtualClock,
    entries: dict[str, Entry],
) -> None:
    entries["sweep"] = {**entries["sweep"], **changed}  # type: ignore[typeddict-item]
    key = keys.claim("sweep", target).attributes
    table.put(cloud, STATE, {**key, "status": {"ok": False, "note": "503"}, "streak": 3})
    monitor(cloud, log, clock)
    [failing] = alerts(cloud)
    assert failing["commands"] == [f"python jobs.py {words} --aws --stage test" for words in commands]
    table.put(cloud, STATE, {**key, "status": {"ok": True}, "streak": 0, "alerted": "never"})
    monitor(cloud, log, clock)
    assert alerts(cloud)[1]["commands"] == failing["commands"][:2]
