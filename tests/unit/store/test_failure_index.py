"""What failed is found by day and by organization; what went well is in no index."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from shared.aws.cloud import Cloud
from shared.job.outcome import Done, Enqueued, Failed, Lost, Outcome, Reason, Refused, Skipped, Snoozed
from shared.run.begin import run_id
from shared.run.firing import Firing
from shared.run.history import History
from shared.store import failure_index, table
from shared.store.keys import RowKey
from shared.tables import FAILURE_KEYS, STATE, TTL
from tests.conftest import NOON, Calls, VirtualClock

LATER = NOON + timedelta(hours=1)
Write = Callable[[History], object]


def written(cloud: Cloud, job: str, outcome: Outcome, at: datetime = NOON) -> str:
    own_id = run_id(at)
    History(cloud, job, "standard").write(Firing(job, at), own_id, at, outcome, 7)
    return own_id


def found(cloud: Cloud, since: datetime = NOON - timedelta(days=1)) -> list[str]:
    return [row["sk"] for row in failure_index.failed_runs(cloud, since)]


@pytest.mark.parametrize("outcome", [Failed("no disk"), Lost("killed"), Refused("too many"), Done(ok=False)])
def test_a_run_that_was_not_good_is_found(cloud: Cloud, outcome: Outcome) -> None:
    own_id = written(cloud, "sweep", outcome)
    assert found(cloud) == [own_id]
    [row] = failure_index.failed_runs(cloud, NOON)
    assert (row["job"], row["outcome"], row["ok"]) == ("sweep", outcome.word, False)
    assert failure_index.kind(row) == failure_index.RUN


@pytest.mark.parametrize("outcome", [Done(), Skipped(Reason.PAUSED), Snoozed(60), Enqueued("worker")])
def test_a_good_run_writes_no_key_of_an_index(cloud: Cloud, outcome: Outcome) -> None:
    written(cloud, "sweep", outcome)
    assert found(cloud) == []
    [item] = cloud.dynamodb.scan(TableName=cloud.names.table(STATE.name))["Items"]
    assert item.keys().isdisjoint(FAILURE_KEYS)


WRITES: dict[str, Write] = {
    "lost": lambda history: history.record_lost(run_id(NOON), "-", "its lease ran out"),
    "missed": lambda history: history.record_missed(NOON, LATER, 4, "no trace", ""),
    "finished": lambda history: history.record_finished(
        run_id(NOON), "-", {"outcome": "failed", "ok": False, "at": "2026-03-02T12:00:01.000Z", "ms": 7}, "", 1
    ),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_run_that_others_record_is_found_too(cloud: Cloud, name: str) -> None:
    WRITES[name](History(cloud, "sweep", "standard"))
    assert len(found(cloud)) == 1


def test_a_finished_run_that_was_good_is_not_found_where_others_record_it(cloud: Cloud) -> None:
    status = {"outcome": "done", "ok": True, "at": "2026-03-02T12:00:01.000Z", "ms": 7}
    assert History(cloud, "sweep", "standard").record_finished(run_id(NOON), "-", status, "", 1)
    assert found(cloud) == []


def test_failures_of_all_jobs_are_the_newest_first_over_shards_and_days(cloud: Cloud, clock: VirtualClock) -> None:
    clock.move(hours=13)
    times = [NOON + timedelta(minutes=11 * number) for number in range(70)]
    written_ids = [written(cloud, f"job-{number % 3}", Failed("no"), at) for number, at in enumerate(times)]
    assert len({day.date() for day in times}) == 2
    assert found(cloud) == written_ids[::-1]
    shards = {row["bad_day"] for row in failure_index.failed_runs(cloud, NOON)}
    assert {f"bad#2026-03-02#{number}" for number in range(4)} < shards
    calls = Calls(cloud)
    assert found(cloud, times[-3]) == written_ids[:-4:-1]
    assert calls.made == ["dynamodb:Query"] * 4


def test_an_expired_row_that_is_still_there_is_not_found(cloud: Cloud) -> None:
    own_id = written(cloud, "sweep", Failed("no"))
    [row] = failure_index.failed_runs(cloud, NOON)
    key = RowKey(row["pk"], own_id)
    table.update(cloud, STATE, key, "SET #ttl = :past", {":past": 1}, names={"#ttl": TTL})
    assert found(cloud) == []


def test_an_organization_has_its_failures_and_dead_letters_and_no_others(cloud: Cloud) -> None:
    for number, tenant in enumerate(["org_1", "org_2", "org_1", ""]):
        at = NOON + timedelta(minutes=number)
        run = {"pk": "runs#post#2026-03-02", "sk": f"r{number}"}
        table.put(cloud, STATE, {**run, **failure_index.keys_of_run("post", f"r{number}", at, tenant)})
        letter = {"pk": "dead#post", "sk": f"d{number}"}
        table.put(cloud, STATE, {**letter, **failure_index.keys_of_dead_letter("post", at, tenant)})
    calls = Calls(cloud)
    rows = list(failure_index.of_tenant(cloud, "org_1", NOON))
    assert calls.made == ["dynamodb:Query"]
    assert {row["sk"] for row in rows} == {"r0", "r2", "d0", "d2"}
    assert {row["sk"] for row in rows[:2]} == {"r2", "d2"}
    kinds = {"r": failure_index.RUN, "d": failure_index.DEAD_LETTER}
    assert all(failure_index.kind(row) == kinds[row["sk"][0]] for row in rows)
    assert {row["sk"] for row in failure_index.of_tenant(cloud, "org_1", NOON + timedelta(minutes=1))} == {"r2", "d2"}
    # Each dead letter is in the index of all, also one without an organization, and a run in that of its day.
    assert [row["sk"] for row in failure_index.dead_letters(cloud, queries=1)[0]] == ["d3", "d2", "d1", "d0"]
    assert found(cloud) == ["r3", "r2", "r1", "r0"]


def test_uncertain_effects_of_all_jobs_are_one_query(cloud: Cloud) -> None:
    for number, (job, tenant) in enumerate([("post", "org_1"), ("invoice", "")]):
        at = NOON + timedelta(minutes=number)
        row = {"pk": f"uncertain#{job}", "sk": "e", "job": job}
        table.put(cloud, STATE, {**row, **failure_index.keys_of_uncertain_effect(job, at, tenant)})
    calls = Calls(cloud)
    assert [row["job"] for row in failure_index.uncertain_effects(cloud)] == ["invoice", "post"]
    assert calls.made == ["dynamodb:Query"]


def test_dead_letters_are_read_in_as_many_queries_as_allowed(cloud: Cloud) -> None:
    for number in range(3):
        at = NOON + timedelta(minutes=number)
        # A query returns one megabyte.
        row = {"pk": "dead#post", "sk": f"d{number}", "error": "x" * 390_000}
        table.put(cloud, STATE, {**row, **failure_index.keys_of_dead_letter("post", at, "")})
    calls = Calls(cloud)
    rows, more = failure_index.dead_letters(cloud, queries=1)
    assert (len(calls.made), more, rows[0]["sk"]) == (1, True, "d2")
    calls.clear()
    rows, more = failure_index.dead_letters(cloud, queries=3)
    assert ([row["sk"] for row in rows], more, len(calls.made)) == (["d2", "d1", "d0"], False, 2)


def test_an_organization_is_found_by_the_name_that_its_sender_wrote(cloud: Cloud) -> None:
    """Names are redacted and cut in rows."""
    for name in ("ada@example.org", "o" * 3000):
        row = {"pk": "runs#post#2026-03-02", "sk": name[:9]}
        table.put(cloud, STATE, {**row, **failure_index.keys_of_run("post", name[:9], NOON, name)})
        assert [each["sk"] for each in failure_index.of_tenant(cloud, name, NOON)] == [name[:9]]
