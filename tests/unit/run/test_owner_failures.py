"""A failing owner does not stop the others; it is logged, named in the outcome, and alerted once a day."""

from __future__ import annotations

import pytest

from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.idempotency import natural
from shared.job.outcome import Done, Outcome
from shared.job.setting import SettingError
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.owner_failures import KIND, NAMED, OwnerFailures
from shared.run.report import RunReport
from shared.run.run import run
from shared.store.fencing import Fenced
from shared.store.throttling import Throttled
from shared.tables import STATE
from tests.conftest import Lines, VirtualClock
from tests.support.stored_rows import there


class Digest(Job):
    """Send every organization its digest."""

    name = "digest"
    idempotency = natural("a digest that was sent is not found again")
    errors: dict[str, Exception] = {}  # noqa: RUF012 - set by a test
    owners: tuple[str, ...] = ("org_1", "org_2", "org_3")

    def work(self, run: RunContext) -> Outcome:
        failures, sent = OwnerFailures(run), 0
        for owner in self.owners:
            with failures.isolate(owner):
                if owner in self.errors:
                    raise self.errors[owner]
                sent += 1
        return failures.end(Done({"sent": sent}, note="digests"))


def go(cloud: Cloud, clock: VirtualClock, log: Lines, job: Digest) -> RunReport:
    return run(job, Firing("digest", clock.now()), cloud, log)


def alerted(cloud: Cloud) -> list[str]:
    rows = [row["alert"] for row in there(cloud, STATE) if row["pk"] == "owed#job-monitoring"]
    return [alert["fields"]["entityId"] for alert in rows if alert["kind"] == KIND]


def test_the_others_are_processed_and_the_outcome_names_the_failed_owner(
    cloud: Cloud, clock: VirtualClock, log: Lines
) -> None:
    job = Digest()
    job.errors = {"org_2": ValueError("the row is too large")}
    report = go(cloud, clock, log, job)
    assert (report.outcome, report.ok) == ("done", False)
    assert report.counts == {"sent": 2, "owners_failed": 1}
    assert report.note == "digests; 1 failed and will be tried again: org_2: ValueError: the row is too large"
    [line] = [line for line in log.lines if line.get("message") == "digest_owner_failed"]
    assert (line["entityId"], "Traceback" in line["stack"]) == ("org_2", True)
    assert alerted(cloud) == ["org_2"]


def test_an_owner_is_alerted_once_a_day(cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    job = Digest()
    job.errors = {"org_2": ValueError("too large")}
    days = []
    for _ in range(27):
        go(cloud, clock, log, job)
        days += [row["alert"]["at"][:10] for row in there(cloud, STATE) if row["pk"] == "owed#job-monitoring"]
        clock.move(hours=1)
    assert sorted(set(days)) == ["2026-03-02", "2026-03-03"]


def test_a_run_in_which_every_owner_succeeds_is_ok_and_alerts_nobody(
    cloud: Cloud, clock: VirtualClock, log: Lines
) -> None:
    report = go(cloud, clock, log, Digest())
    assert (report.ok, report.counts, alerted(cloud)) == (True, {"sent": 3}, [])


def test_few_of_many_failed_owners_are_named(cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    job = Digest()
    job.owners = tuple(f"org_{number}" for number in range(20))
    job.errors = dict.fromkeys(job.owners, ValueError("x"))
    report = go(cloud, clock, log, job)
    assert report.counts["owners_failed"] == 20
    assert "and 15 more" in report.note
    assert len(alerted(cloud)) == NAMED


@pytest.mark.parametrize("error", [Fenced("gone"), SettingError("X is wrong"), Throttled("slow")])
def test_an_error_of_the_whole_run_ends_it(error: Exception, cloud: Cloud, clock: VirtualClock, log: Lines) -> None:
    job = Digest()
    job.errors = {"org_1": error}
    report = go(cloud, clock, log, job)
    assert report.outcome in ("failed", "lost")
    assert alerted(cloud) == []
