"""Purges delete expired rows, keep the others, and delete no mail without a warning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest

from shared import clock as clocks
from shared.archetypes.purge import runner, warnings
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job.duration import days
from shared.run.context import RunContext
from shared.run.firing import Firing, parse_firing
from shared.run.report import RunReport
from shared.run.run import run
from shared.store import age_index, bulk_delete, keys, table
from shared.store.age_index import Row
from shared.tables import STATE
from tests.conftest import NOON, Calls, Lines, VirtualClock, create, waiting
from tests.support.holds import AGED, HOLDS, Holds, Warned, put, there

Go = Callable[..., RunReport]
DUE = NOON - timedelta(days=30)
SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)


@pytest.fixture
def go(cloud: Cloud, log: Lines) -> Go:
    create(cloud, HOLDS)

    def go(job: Holds, at: datetime | None = None, firing: Firing | None = None, **rest: Any) -> RunReport:
        firing = firing or Firing(job.name, at or cloud.clock.now(), correlation_id="c", **rest)
        return run(job, firing, cloud, log)

    return go


def test_a_row_goes_at_the_instant_it_is_old_enough_and_not_before(go: Go, cloud: Cloud) -> None:
    for key, since in {"before": DUE - SECOND, "at": DUE, "after": DUE + MILLISECOND, "late": DUE + SECOND}.items():
        put(cloud, key, since)
    assert go(Holds()).counts == {"purged": 2}
    assert there(cloud) == ["after", "late"]


def test_age_is_counted_in_the_ticks_time(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, "a", DUE + SECOND)
    clock.move(minutes=5)
    assert go(Holds(), NOON).counts == {"purged": 0}


def test_how_long_rows_are_kept_is_a_setting(go: Go, cloud: Cloud) -> None:
    put(cloud, "a", NOON - timedelta(days=7))
    cloud.environment = {"HOLDS_KEEP": "1w"}
    assert go(Holds()).note.startswith("SettingError: HOLDS_KEEP='1w': write a whole number and its unit")
    cloud.environment = {"HOLDS_KEEP": "7d"}
    assert go(Holds(), NOON + SECOND * 60).counts == {"purged": 1}


def test_the_same_again_finds_nothing_to_do(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, "a", DUE)
    assert go(Holds()).counts == {"purged": 1}
    clock.move(minutes=1)
    assert go(Holds()).counts == {"purged": 0}


@pytest.mark.parametrize(
    "since",
    [
        "",
        "soon",
        "2026-01-01",
        "2026-01-01T00:00:00+02:00",
        "2026-13-01T00:00:00.000Z",
        "2026-01-01T24:00:00.000Z",
        "2026-01-01T00:00:0\u0661.000Z",
        "20260101T000000Z",
    ],
)
def test_a_row_whose_age_cannot_be_told_stays_and_the_rest_goes_on(
    since: str, go: Go, cloud: Cloud, log: Lines
) -> None:
    put(cloud, "good", DUE)
    if since:
        put(cloud, "odd", since)
    else:
        item = attributes.row({"pk": "odd", "sk": "-", "aged": AGED.partition("odd")})
        cloud.dynamodb.put_item(TableName=cloud.names.table("held"), Item=item)
    assert go(Holds()).counts["purged"] == 1
    assert there(cloud) == ["odd"]
    assert all("is no timestamp" in line["note"] for line in log.said("holds_spared"))


def test_a_job_may_spare_rows_for_reasons_of_its_own(go: Go, cloud: Cloud, log: Lines) -> None:
    class Closed(Holds):
        """Purge closed rows."""

        name = "holds"
        reads = ("state",)

        def spare(self, run: RunContext, row: Row) -> str:
            return "" if row.item["state"] == "closed" else f"is {row.item['state']}"

    put(cloud, "a", DUE, state="closed")
    put(cloud, "b", DUE, state="open")
    assert go(Closed()).counts == {"purged": 1, "spared": 1}
    assert log.said("holds_spared")[0]["note"] == "is open"


def test_rows_of_a_kind_are_kept_for_their_own_time(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    class Kinds(Holds):
        """Keep some for longer."""

        name = "holds"
        kinds: ClassVar = {"critical": days(90)}

    put(cloud, "a", DUE)
    put(cloud, "b", DUE, "critical")
    put(cloud, "c", NOON - days(90), "critical")
    assert go(Kinds()).counts == {"purged": 2}
    assert there(cloud) == ["b"]
    cloud.environment = {"HOLDS_KEEP_CRITICAL": "30d"}
    clock.move(minutes=1)
    assert go(Kinds()).counts == {"purged": 1}


def test_rows_are_archived_before_they_go(go: Go, cloud: Cloud) -> None:
    class Careful(Holds):
        """Record the rows that exist while archiving."""

        name = "holds"

        def archive(self, run: RunContext, rows: Sequence[Row]) -> None:
            assert {row.pk for row in rows} <= set(there(run.cloud))
            super().archive(run, rows)

    job = Careful()
    for number in range(30):
        put(cloud, f"h{number}", DUE)
    assert go(job).counts == {"purged": 30}
    assert sorted(job.archived) == sorted(f"h{number}" for number in range(30))


def test_what_could_not_be_archived_stays(go: Go, cloud: Cloud) -> None:
    class Broken(Holds):
        """Fail to archive."""

        name = "holds"

        def archive(self, run: RunContext, rows: Sequence[Row]) -> None:
            raise OSError("the archive is full")

    for number in range(200):
        put(cloud, f"h{number}", DUE)
    report = go(Broken())
    assert (report.outcome, report.note) == ("failed", "OSError: the archive is full")
    assert len(there(cloud)) == 200


def test_a_hook_may_have_rows_in_full(go: Go, cloud: Cloud) -> None:
    seen: list[str] = []

    class Whole(Holds):
        """Archive rows with all attributes."""

        name = "holds"
        whole = True

        def archive(self, run: RunContext, rows: Sequence[Row]) -> None:
            seen.extend(row.item["owner"] for row in rows)

    for number in range(120):
        put(cloud, f"h{number}", DUE, owner=f"o{number}")
    assert go(Whole()).counts == {"purged": 120}
    assert len(seen) == 120


def test_the_cap_bounds_a_run_and_what_is_left_goes_on_at_once(go: Go, cloud: Cloud) -> None:
    cloud.environment = {"HOLDS_MAX_RUNS_PER_TICK": "30"}
    for number in range(70):
        put(cloud, f"h{number}", DUE)
    assert go(Holds()).counts == {"purged": 30}
    [sent] = waiting(cloud)
    assert sent["firing"]["part"] == 1
    assert go(Holds(), NOON, part=1, hop=3).counts == {"purged": 30}
    assert go(Holds(), NOON, part=2, hop=5).counts == {"purged": 10}
    assert there(cloud) == []
    assert len(waiting(cloud)) == 1


def test_a_run_stops_in_time_for_its_deadline(
    go: Go, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Holds):
        """Take a minute for each archive."""

        name = "holds"

        def archive(self, run: RunContext, rows: Sequence[Row]) -> None:
            clock.move(seconds=100)

    monkeypatch.setattr(runner, "CHUNK", 10)
    for number in range(70):
        put(cloud, f"h{number}", DUE)
    assert go(Slow()).counts == {"purged": 30}
    assert len(waiting(cloud)) == 1


def test_a_row_that_changed_since_it_was_read_stays(go: Go, cloud: Cloud) -> None:
    class Guarded(Holds):
        """Delete rows that are unchanged since they were read."""

        name = "holds"
        holds = ("since", "state")

        def archive(self, run: RunContext, rows: Sequence[Row]) -> None:
            put(run.cloud, "used", NOON)
            put(run.cloud, "opened", DUE, state="open")
            run.cloud.dynamodb.delete_item(
                TableName=run.cloud.names.table("held"), Key={"pk": {"S": "gone"}, "sk": {"S": "-"}}
            )

    for key in ("idle", "used", "opened", "gone"):
        put(cloud, key, DUE)
    assert go(Guarded()).counts == {"purged": 2, "moved": 2}
    assert there(cloud) == ["opened", "used"]


def test_no_batch_goes_out_before_it_is_full_and_no_page_is_read_twice(
    go: Go, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(age_index, "PAGE", 10)
    for number in range(103):
        put(cloud, f"h{number}", DUE)
    pages = dict.fromkeys(AGED.partitions(), 0)
    for number in range(103):
        pages[AGED.partition(f"h{number}")] += 1
    calls = Calls(cloud)
    go(Holds())
    assert calls.made.count("dynamodb:BatchWriteItem") == 5
    # Rows beyond the first pages are counted by further queries, a megabyte each.
    counted, usual = sum(size >= 10 for size in pages.values()), 1
    read = sum(size // 10 + 1 for size in pages.values())
    assert calls.made.count("dynamodb:Query") == read + counted + usual


def test_a_purge_that_finds_nothing_costs_a_query_for_each_partition(go: Go, cloud: Cloud) -> None:
    calls = Calls(cloud)
    go(Holds())
    assert sorted(calls.made) == ["dynamodb:Query"] * 4 + ["dynamodb:UpdateItem"] * 3


def test_what_the_table_does_not_take_is_sent_again(go: Go, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    write = cloud.bulk.batch_write_item

    def reluctant(RequestItems: Any) -> Any:  # noqa: N803 - boto's name
        [(table, requests)] = RequestItems.items()
        sent.append(len(requests))
        write(RequestItems={table: requests[:10]})
        return {"UnprocessedItems": {table: requests[10:]} if requests[10:] else {}}

    monkeypatch.setattr(cloud.bulk, "batch_write_item", reluctant)
    for number in range(25):
        put(cloud, f"h{number}", DUE)
    assert go(Holds()).counts == {"purged": 25}
    assert sent == [25, 15, 5]
    assert there(cloud) == []


def test_a_table_that_takes_nothing_fails_the_run(go: Go, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud.bulk, "batch_write_item", lambda **call: {"UnprocessedItems": call["RequestItems"]})
    put(cloud, "a", DUE)
    report = go(Holds())
    assert report.outcome == "failed"
    assert report.note.startswith("Throttled: 1 rows of nightshift-test-held were not deleted in 8 tries")


def test_a_crash_in_the_middle_is_made_good_by_the_next_tick(
    go: Go, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    class Dying(Holds):
        """Crash at the second chunk."""

        name = "holds"

        def archive(self, run: RunContext, rows: Sequence[Row]) -> None:
            if self.archived:
                raise Killed
            super().archive(run, rows)

    monkeypatch.setattr(runner, "CHUNK", 50)
    for number in range(120):
        put(cloud, f"h{number}", DUE)
    with pytest.raises(Killed):
        go(Dying())
    assert len(there(cloud)) >= 70
    clock.move(minutes=10)
    go(Holds())
    assert there(cloud) == []


def test_a_row_that_is_found_twice_does_not_spoil_its_batch(cloud: Cloud) -> None:
    create(cloud, HOLDS)
    put(cloud, "a", DUE)
    row = Row("a", "-", "00", "x", {})
    with bulk_delete.BulkDeleter(cloud, HOLDS) as erased:
        erased.add([row, row])
    assert erased.gone == 1


def test_a_shard_looks_at_its_own_partitions(go: Go, cloud: Cloud) -> None:
    class Sharded(Holds):
        """Purge in two shards."""

        name = "holds"
        shards = 2

    for number in range(40):
        put(cloud, f"h{number}", DUE)
    mine = [number for number in range(40) if int(AGED.partition(f"h{number}")) % 2]
    assert go(Sharded(), target="1").counts == {"purged": len(mine)}
    assert go(Sharded(), target="0").counts == {"purged": 40 - len(mine)}


class InShards(Holds):
    """Purge in up to four shards."""

    name = "holds"
    shards = 4
    shard_items = 10


@pytest.mark.parametrize(("rows", "shards"), [(0, 1), (10, 1), (11, 2), (30, 4), (45, 4), (200, 4)])
def test_the_number_of_shards_follows_the_backlog(go: Go, cloud: Cloud, rows: int, shards: int) -> None:
    for number in range(rows):
        put(cloud, f"h{number}", DUE)
    report = go(InShards())
    if shards == 1:
        assert (report.counts, waiting(cloud)) == ({"purged": rows}, [])
        return
    assert report.counts == {"shards": shards}
    sent = [parse_firing(body["firing"], NOON) for body in waiting(cloud)]
    assert sum(go(InShards(), firing=firing).counts["purged"] for firing in sent) == rows
    assert there(cloud) == []


def test_a_tick_of_many_shards_is_braked_as_a_whole(go: Go, cloud: Cloud) -> None:
    class Braked(InShards):
        """Purge few rows."""

        name = "holds"
        most, few = 40, 1

    for number in range(44):
        put(cloud, f"h{number}", DUE)
    assert go(Braked()).outcome == "refused"
    assert waiting(cloud) == []


def test_the_usual_size_of_a_purge_is_that_of_its_whole_ticks(go: Go, cloud: Cloud) -> None:
    for number in range(30):
        put(cloud, f"h{number}", DUE)
    go(InShards())
    for body in waiting(cloud):
        go(InShards(), firing=parse_firing(body["firing"], NOON))
    ledger = keys.ledger_day("holds", NOON.date())
    assert table.get(cloud, STATE, ledger)["largest"] == 30


def test_a_tables_own_key_will_do_where_it_begins_with_an_instant(go: Go, cloud: Cloud) -> None:
    class Letters(Holds):
        """Purge by the sort key."""

        name = "holds"
        index = ""

        def partitions(self, run: RunContext) -> Sequence[str]:
            return ("dead#a", "dead#b")

    for pk, sk in {
        ("dead#a", "2026-01-31T12:00:00.000Z#x1"),
        ("dead#b", "2026-01-31T12:00:00.001Z#x2"),
        ("dead#c", "2026-01-01T12:00:00.000Z#x3"),
    }:
        cloud.dynamodb.put_item(TableName=cloud.names.table("held"), Item=attributes.row({"pk": pk, "sk": sk}))
    assert go(Letters()).counts == {"purged": 1}
    assert there(cloud) == ["dead#b", "dead#c"]


def row(cloud: Cloud, key: str) -> dict[str, Any]:
    found = cloud.dynamodb.get_item(TableName=cloud.names.table("held"), Key={"pk": {"S": key}, "sk": {"S": "-"}})
    return attributes.plain(found.get("Item"))


def test_an_owner_is_warned_a_day_before_and_the_row_goes_a_day_after(
    go: Go, cloud: Cloud, clock: VirtualClock
) -> None:
    job = Warned()
    put(cloud, "a", DUE + timedelta(days=1) + SECOND, owner="ada")
    assert go(job, manual=True).counts == {"purged": 0}
    clock.move(seconds=1)
    assert go(job, manual=True).counts == {"purged": 0, "warned": 1}
    assert [message for _, message in job.told] == ["a of ada goes tomorrow"]
    clock.move(days=1, seconds=-1)
    assert go(job, manual=True).counts == {"purged": 0}
    clock.move(seconds=1)
    assert go(job).counts == {"purged": 1}
    assert there(cloud) == []
    assert len(job.told) == 1


def test_nothing_goes_without_a_warning_however_old_it_is(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    job = Warned()
    put(cloud, "a", DUE - timedelta(days=300), owner="ada")
    assert go(job).counts == {"purged": 0, "warned": 1}
    clock.move(hours=23)
    assert go(job).counts == {"purged": 0}
    clock.move(hours=1)
    assert go(job).counts == {"purged": 1}


def test_jitter_of_a_start_does_not_cost_an_hourly_job_an_hour(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    job = Warned()
    put(cloud, "a", DUE, owner="ada")
    clock.move(seconds=90)
    assert go(job, NOON).counts["warned"] == 1
    clock.move(days=1, seconds=-90)
    assert go(job, NOON + timedelta(days=1)).counts == {"purged": 1}


def test_a_tick_that_runs_hours_late_warns_as_of_now(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    job = Warned()
    put(cloud, "a", DUE, owner="ada")
    clock.move(hours=3)
    assert go(job, NOON).counts["warned"] == 1
    clock.move(hours=21)
    assert go(job).counts == {"purged": 0}
    clock.move(hours=3)
    assert go(job).counts == {"purged": 1}


def test_an_owner_who_cannot_be_warned_keeps_the_row_and_the_others_are_warned(
    go: Go, cloud: Cloud, clock: VirtualClock, log: Lines
) -> None:
    job = Warned()
    put(cloud, "a", DUE, owner="nobody")
    put(cloud, "b", DUE, owner="ada")
    report = go(job)
    assert (report.ok, report.counts) == (False, {"purged": 0, "warned": 1, "unwarned": 1})
    assert report.note == "1 warnings failed; their rows stay until a warning is sent"
    assert log.said("holds_unwarned")[0]["error"] == "nobody is no address"
    clock.move(days=2)
    go(job)
    assert there(cloud) == ["a"]


def test_a_crash_between_warning_and_mark_warns_by_the_same_key(
    go: Go, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Warned()
    put(cloud, "a", DUE, owner="ada")
    with monkeypatch.context() as patched:
        patched.setattr(warnings, "mark", lambda *_: (_ for _ in ()).throw(OSError("no route")))
        assert go(job).counts == {"purged": 0, "unwarned": 1}
    clock.move(hours=1)
    assert go(job).counts == {"purged": 0, "warned": 1}
    assert len(job.told) == 1


def test_the_owner_of_a_row_with_the_longest_keys_is_warned(go: Go, cloud: Cloud) -> None:
    item = {"pk": "ä" * 256, "sk": "ä" * 256, "aged": AGED.partition("a"), "since": clocks.iso(DUE), "owner": "ada"}
    cloud.dynamodb.put_item(TableName=cloud.names.table("held"), Item=attributes.row(item))
    assert go(Warned()).counts == {"purged": 0, "warned": 1}


def test_who_acts_on_a_warning_keeps_the_row(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    job = Warned()
    put(cloud, "a", DUE, owner="ada")
    go(job)
    clock.move(days=1)

    class Released(Warned):
        """Purge while the owner changes the row."""

        name = "holds"

        def archive(self, run: RunContext, rows: Sequence[Row]) -> None:
            put(run.cloud, "a", NOON, owner="ada")

    assert go(Released()).counts == {"purged": 0, "moved": 1}
    assert row(cloud, "a")["owner"] == "ada"


def test_a_row_kept_anew_is_warned_of_anew(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    job = Warned()
    put(cloud, "a", DUE, owner="ada")
    go(job)
    put(cloud, "a", NOON, owner="ada")
    clock.move(days=29)
    assert go(job).counts == {"purged": 0, "warned": 1}
    assert len({key for key, _ in job.told}) == 2


def test_what_leaves_no_time_to_warn_is_refused(go: Go, cloud: Cloud) -> None:
    cloud.environment = {"HOLDS_KEEP": "1d"}
    report = go(Warned())
    assert report.outcome == "failed"
    assert "leaves no time to warn" in report.note


def test_a_second_delivery_of_the_tick_purges_nothing_more(go: Go, cloud: Cloud) -> None:
    put(cloud, "a", DUE)
    job = Holds()
    first = Firing("holds", NOON, correlation_id="c")
    assert go(job).outcome == "done"
    put(cloud, "b", DUE)
    assert run(job, replace(first), cloud, Lines(cloud.clock)).outcome == "deduplicated"
    assert there(cloud) == ["b"]
