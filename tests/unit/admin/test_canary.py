"""A canary redrives a group of dead letters in waves, and stops while the failure persists."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared import clock as clocks
from shared.admin import audit, canary, redrive
from shared.admin.audit import ReasonMissing
from shared.admin.canary import CanaryReport
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.dead_letters.letter import DeadLetterRefused, RedriveInProgress, UnknownDeadLetter
from shared.job import manifest
from tests.conftest import NOON, Calls, Lines, VirtualClock, waiting
from tests.functions.operations.conftest import ENTRIES
from tests.functions.operations.world import INTAKE, World, tick


@pytest.fixture
def world(cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(manifest, "load", lambda: {**ENTRIES, "intake": INTAKE})
    cloud.sqs.create_queue(QueueName=cloud.names.queue("demo:intake"))
    return World(cloud, log)


@pytest.fixture
def running(world: World, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world that processes its queues during each wait."""
    at_work: list[float] = []

    def sleep(seconds: float) -> None:
        clock.move(seconds=seconds)
        if not at_work:
            at_work.append(seconds)
            world.settle()
            at_work.clear()

    monkeypatch.setattr(clock, "sleep", sleep)
    return world


def ids(first: int, last: int) -> list[str]:
    return [f"customer {number:02d}" for number in range(first, last + 1)]


def group(world: World) -> str:
    [found] = store.group_by_fingerprint(world.letters())
    return found.fingerprint


def retry(world: World, fingerprint: str = "", **given: Any) -> CanaryReport:
    return canary.redrive_group(world.cloud, fingerprint or group(world), "ada", "the table is back", **given)


def sent_again(world: World) -> list[str]:
    return [letter.id for letter in world.letters() if letter.retries]


def test_a_canary_without_failures_resolves_the_whole_group(running: World) -> None:
    running.reject(*ids(1, 25))
    running.intake.mended = {"*"}
    report = retry(running)
    assert (report.of, report.sent, report.resolved, report.stopped) == (25, 25, 25, "")
    assert report.ok
    assert {letter.state for letter in running.letters()} == {"resolved"}


@pytest.mark.parametrize(
    ("broken", "sent", "resolved"),
    [("customer 01", 1, 0), ("customer 02", 11, 10), ("customer 11", 11, 10), ("customer 12", 25, 24)],
)
def test_a_canary_stops_at_the_first_failure_with_the_same_fingerprint(
    running: World, broken: str, sent: int, resolved: int
) -> None:
    running.reject(*ids(1, 25))
    running.intake.mended = {*ids(1, 25)} - {broken}
    before = len(running.intake.taken)
    report = retry(running)
    assert (report.sent, report.resolved, report.repeated) == (sent, resolved, 1)
    assert "failed again with the same error: no such customer 4711" in report.stopped
    assert len(running.intake.taken) - before == len(sent_again(running)) == sent
    assert not report.ok


def test_the_last_wave_has_at_most_the_maximum_in_flight(running: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "MAX_IN_FLIGHT", 12)
    running.reject(*ids(1, 40))
    running.intake.mended = {*ids(1, 40)} - {"customer 15"}
    assert retry(running).sent == 1 + 10 + 12


def test_the_oldest_is_redriven_first(running: World) -> None:
    running.reject(*ids(1, 3))
    retry(running)
    assert running.intake.taken[3:] == ["customer 01"]


def other_fault(strikes: Callable[[str], bool]) -> Callable[[str], str]:
    return lambda text: "another fault altogether" if strikes(text) else ""


def test_a_wave_that_fails_with_another_error_stops_the_canary(running: World) -> None:
    running.reject(*ids(1, 13))
    fingerprint = group(running)
    running.intake.fault = other_fault(lambda _: True)
    report = retry(running, fingerprint)
    assert (report.sent, report.died, report.repeated) == (1, 1, 0)
    assert report.stopped == "none of the last 1 was resolved"


def test_one_failure_with_another_error_among_others_does_not_stop_the_canary(running: World) -> None:
    running.reject(*ids(1, 13))
    fingerprint = group(running)
    running.intake.fault = other_fault(lambda text: text == "customer 05")
    report = retry(running, fingerprint)
    assert (report.sent, report.resolved, report.died, report.stopped) == (13, 12, 1, "")


def test_ten_unresolved_in_a_row_stop_the_canary(running: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "MAX_IN_FLIGHT", 10)
    running.reject(*ids(1, 25))
    fingerprint = group(running)
    running.intake.fault = other_fault(lambda text: text > "customer 11")
    report = retry(running, fingerprint)
    assert (report.sent, report.resolved, report.repeated) == (21, 11, 0)
    assert report.stopped == "10 in a row were not resolved"


def flying(world: World) -> list[int]:
    """Record the number of dead letters in flight at each run."""
    seen: list[int] = []
    world.sweep.mended = {"*"}
    world.sweep.watched = lambda: seen.append(sum(letter.state == "retrying" for letter in world.letters()))
    return seen


def test_dead_letters_of_one_lease_are_redriven_one_after_the_other(running: World) -> None:
    for minute in range(5):
        running.kill(tick(at=NOON - timedelta(minutes=20 - minute)))
    seen = flying(running)
    report = retry(running)
    assert (report.sent, report.resolved) == (5, 5)
    assert seen == [1] * 5


def test_dead_letters_of_several_leases_are_redriven_concurrently(running: World) -> None:
    for number in range(11):
        running.kill(tick(number))
    seen = flying(running)
    retry(running)
    assert max(seen) == 10


def test_a_closed_gate_stops_the_canary_and_leaves_the_dead_letters_dead(running: World, cloud: Cloud) -> None:
    for number in range(5):
        running.kill(tick(number))
    cloud.environment = {"SWEEP_ENABLE": "false"}
    report = retry(running)
    assert (report.sent, report.kept_out) == (1, 1)
    assert report.stopped == "none of the last 1 was resolved"
    assert {letter.state for letter in running.letters()} == {"dead"}


def test_the_wait_ends_after_the_given_patience(world: World, clock: VirtualClock) -> None:
    world.reject(*ids(1, 5))
    before = clock.now()
    report = retry(world, patience=timedelta(seconds=30))
    assert (report.sent, report.unknown) == (1, 1)
    assert "has no result in time" in report.stopped
    assert timedelta(seconds=30) < clock.now() - before < timedelta(seconds=33)


def test_the_default_wait_covers_all_attempts_at_their_latest(world: World, clock: VirtualClock) -> None:
    world.kill(tick())
    before = clock.now()
    retry(world)
    assert clock.now() - before > redrive.time_limit(ENTRIES["sweep"])


def test_a_dead_letter_that_cannot_be_redriven_is_skipped_and_reported(running: World, cloud: Cloud) -> None:
    running.reject(*ids(1, 13))
    for letter in running.letters()[:2]:
        cloud.s3.delete_object(Bucket=cloud.names.bucket, Key=letter.payload)
    running.intake.mended = {"*"}
    report = retry(running)
    assert (report.sent, report.resolved, report.unfit, report.stopped) == (11, 11, 2, "")
    assert "is missing, and without it" in report.why_unfit
    assert not report.ok


def test_resolved_dead_letters_are_not_redriven(running: World) -> None:
    running.reject(*ids(1, 3))
    running.intake.mended = {"*"}
    retry(running)
    with pytest.raises(UnknownDeadLetter):
        retry(running)


@pytest.mark.parametrize("gone", ["0123456789ab", "", "x" * 500])
def test_an_unknown_fingerprint_is_refused(running: World, gone: str) -> None:
    running.reject(*ids(1, 3))
    with pytest.raises(UnknownDeadLetter, match="there is no dead letter of fingerprint"):
        canary.redrive_group(running.cloud, gone, "ada", "because")
    assert sent_again(running) == []
    assert list(audit.entries(running.cloud, 1)) == []


def test_a_group_of_a_removed_job_is_refused(running: World, monkeypatch: pytest.MonkeyPatch) -> None:
    running.kill(tick())
    monkeypatch.setattr(manifest, "load", lambda: {"intake": INTAKE})
    with pytest.raises(DeadLetterRefused, match="there is no such job"):
        retry(running)
    assert list(audit.entries(running.cloud, 1)) == []


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_nothing_is_redriven_without_a_reason(running: World, reason: str) -> None:
    running.reject(*ids(1, 3))
    with pytest.raises(ReasonMissing, match="--reason"):
        canary.redrive_group(running.cloud, group(running), "ada", reason)
    assert sent_again(running) == []


# Two operators


def test_a_second_operator_is_refused_while_the_first_canary_runs(running: World, cloud: Cloud) -> None:
    running.reject(*ids(1, 13))
    running.intake.mended = {"*"}
    fingerprint = group(running)
    [first, *_] = canary.select(cloud, fingerprint)
    redrive.send(cloud, redrive.prepare(cloud, first), "bob")
    with pytest.raises(RedriveInProgress, match="redriven by bob"):
        retry(running, fingerprint)
    assert sent_again(running) == [first.id]


def test_anyway_redrives_the_rest_of_an_abandoned_group(
    running: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.reject(*ids(1, 13))
    running.intake.mended = {"*"}
    [first, *_] = canary.select(cloud, group(running))
    with monkeypatch.context() as lost:
        lost.setattr(cloud.sqs, "send_message", lambda **_: None)
        redrive.send(cloud, redrive.prepare(cloud, first), "bob")
    report = retry(running, anyway=True)
    assert (report.of, report.sent, report.resolved) == (12, 12, 12)
    with pytest.raises(RedriveInProgress, match="1 of this group are being redriven"):
        retry(running, first.fingerprint, anyway=True)


def test_two_canaries_that_start_at_once_send_nothing_twice(
    running: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.reject(*ids(1, 13))
    running.intake.mended = {"*"}
    fingerprint, chosen = group(running), canary.select(cloud, group(running))
    monkeypatch.setattr(canary, "select", lambda *_, **__: list(chosen))
    reports = [retry(running, fingerprint)]
    reports.append(canary.redrive_group(cloud, fingerprint, "bob", "because"))
    assert [report.sent for report in reports] == [13, 0]
    assert "was changed since it was read" in reports[1].stopped
    assert len(running.intake.taken) == 26


def test_a_dead_letter_redriven_by_another_operator_stops_the_canary(running: World, cloud: Cloud) -> None:
    running.reject(*ids(1, 13))
    running.intake.mended = {"*"}
    letters = running.letters()

    def meanwhile(said: str) -> None:
        if said.startswith("1 of 13"):
            redrive.send(cloud, redrive.prepare(cloud, letters[5]), "bob")

    report = retry(running, progress=meanwhile)
    assert "was changed since it was read: it is retrying, redriven by bob" in report.stopped
    assert (report.sent, report.resolved) == (5, 5)


# The audit entry


def test_a_canary_is_audited_with_operator_reason_and_scope(running: World) -> None:
    running.reject(*ids(1, 13))
    running.intake.mended = {"*"}
    report = retry(running)
    [entry] = audit.entries(running.cloud, 1)
    assert (entry["what"], entry["who"], entry["reason"]) == ("dead retry", "ada", "the table is back")
    assert (entry["count"], entry["end"]) == (13, "done")
    assert entry["scope"] == {"fingerprint": report.fingerprint, "job": "intake"}
    assert len(entry["ids"]) == 16


def test_a_crashed_canary_leaves_its_audit_entry_and_the_redriven_dead_letters(
    running: World, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    running.reject(*ids(1, 13))
    running.intake.mended = {"*"}
    send, calls = cloud.sqs.send_message, []

    def die_at_the_fifth(**given: Any) -> Any:
        calls.append(given)
        if len(calls) == 5:
            raise Killed
        return send(**given)

    with monkeypatch.context() as crash:
        crash.setattr(cloud.sqs, "send_message", die_at_the_fifth)
        crash.setattr(audit.OperatorAuditEntry, "__exit__", lambda *_: None)
        with pytest.raises(Killed):
            retry(running)
    [entry] = audit.entries(cloud, 1)
    assert "ended" not in entry
    running.settle()
    fingerprint = running.letters()[0].fingerprint
    with pytest.raises(RedriveInProgress):
        retry(running, fingerprint)
    stuck = [letter for letter in running.letters() if letter.state == "retrying"]
    assert len(stuck) == 1
    clock.instant = clocks.parse(stuck[0].retry_ends) + timedelta(seconds=1)
    report = retry(running, fingerprint)
    assert (report.of, report.resolved) == (9, 9)
    assert sorted(running.intake.taken[13:]) == ids(1, 13)


def test_an_interrupt_is_audited_with_the_number_sent_so_far(
    running: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.reject(*ids(1, 13))
    running.intake.mended = {"*"}

    def interrupt(said: str) -> None:
        if said.startswith("11 of"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retry(running, progress=interrupt)
    [entry] = audit.entries(cloud, 1)
    assert (entry["count"], entry["end"]) == (11, "KeyboardInterrupt: ")


def test_audit_entries_of_earlier_months_are_read_and_stored_for_over_a_year(
    running: World, cloud: Cloud, clock: VirtualClock
) -> None:
    for days in (0, 40):
        clock.move(days=days)
        with audit.OperatorAuditEntry(cloud, "dead retry", "ada", f"after {days} days", {}) as entry:
            entry.add("x")
    assert [entry["reason"] for entry in audit.entries(cloud, 1)] == ["after 40 days"]
    assert [entry["reason"] for entry in audit.entries(cloud, 2)] == ["after 40 days", "after 0 days"]
    [row] = cloud.dynamodb.query(
        TableName=cloud.names.table("state"),
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=attributes.row({":pk": "audit#2026-03"}),
    )["Items"]
    assert int(row["expires"]["N"]) > (NOON + timedelta(days=365)).timestamp()


def test_a_secret_in_a_reason_is_redacted(running: World, cloud: Cloud) -> None:
    secret = "tok" + "en=hunter2hunter2"
    with audit.OperatorAuditEntry(cloud, "dead purge", "ada", f"leaked {secret}", {"reason": secret}):
        pass
    assert "hunter2" not in str(list(audit.entries(cloud, 1)))


# Calls


def test_the_results_of_a_hundred_dead_letters_are_one_read(running: World, cloud: Cloud) -> None:
    running.reject(*ids(1, 40))
    keys = [(letter.job, letter.key) for letter in running.letters()]
    calls = Calls(cloud)
    assert len(store.read(cloud, keys)) == 40
    assert calls.made == ["dynamodb:BatchGetItem"]


def test_selecting_a_group_sends_nothing(running: World, cloud: Cloud) -> None:
    running.reject(*ids(1, 3))
    assert len(canary.select(cloud, group(running))) == 3
    assert waiting(cloud, "demo:intake") == []
