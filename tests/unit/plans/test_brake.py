"""A purge beyond its usual size stops itself, alerts, and continues after an operator's approval."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.admin import pause
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.observability import alerts as sending
from shared.plans import brake, plan
from shared.run.apply_plan import firing_for
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import NOON, Calls, Lines, VirtualClock, create
from tests.support.holds import HOLDS, Holds, put, there
from tests.support.moto_backends import alerts

DUE = NOON - timedelta(days=30)
Go = Callable[..., RunReport]


@pytest.fixture
def go(cloud: Cloud, log: Lines, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Go:
    """The next minute's tick; ten rows a day are usual, and 50 the limit without approval."""
    create(cloud, HOLDS)
    monkeypatch.setattr(Holds, "few", 20)
    usually(cloud, [10] * 7)

    def go(job: Holds | None = None, **rest: Any) -> RunReport:
        clock.move(minutes=1)
        return run(job or Holds(), Firing("holds", clock.now(), correlation_id="c", **rest), cloud, log)

    return go


def usually(cloud: Cloud, sizes: list[int]) -> None:
    """The largest ticks of the days before today."""
    for number, size in enumerate(sizes, 1):
        day = f"{NOON - timedelta(days=number):%Y-%m-%d}"
        item = attributes.row({"pk": "ledger#holds", "sk": day, "largest": size, "h03": "r0"})
        cloud.dynamodb.put_item(TableName=cloud.names.table("state"), Item=item)


def due(cloud: Cloud, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        put(cloud, f"h{number}", DUE)


def state(cloud: Cloud, pk: str, sk: str = "-") -> dict[str, Any]:
    answer = cloud.dynamodb.get_item(TableName=cloud.names.table("state"), Key=attributes.row({"pk": pk, "sk": sk}))
    return attributes.plain(answer.get("Item"))


def resume(cloud: Cloud) -> None:
    """Remove the pause of the claim item."""
    cloud.dynamodb.update_item(
        TableName=cloud.names.table("state"),
        Key=attributes.row({"pk": "holds:last", "sk": "-"}),
        UpdateExpression="REMOVE paused",
        ConditionExpression="attribute_exists(paused)",
    )


def test_a_purge_of_ten_times_its_usual_size_stops_itself(go: Go, cloud: Cloud) -> None:
    due(cloud, 100)
    report = go()
    assert report.outcome == "refused"
    assert report.note.startswith("100 due, 10 is usual; it has paused itself. `python jobs.py apply holds.test.")
    assert len(there(cloud)) == 100
    assert state(cloud, "holds:last")["paused"] == "brake: 100 due, 10 is usual"
    assert state(cloud, "holds:last")["status"]["outcome"] == "refused"
    assert go().outcome == "paused"


def test_it_alerts_with_the_commands_to_approve(go: Go, cloud: Cloud) -> None:
    due(cloud, 100)
    go()
    [told] = alerts(cloud)
    assert (told["alert"], told["job"], told["why"]) == ("JOB_BRAKED", "holds", "100 due, 10 is usual")
    assert told["would"][0] == "delete 100, such as"
    assert told["commands"] == [
        f"python jobs.py apply {told['plan']} --aws --stage test",
        "python jobs.py resume holds --aws --stage test",
    ]
    assert plan.load(cloud, told["plan"]).counts == {"delete": 100}


def test_carrying_out_its_plan_does_it_and_takes_the_pause_off(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    due(cloud, 100)
    go()
    put(cloud, "later", NOON - timedelta(days=29))
    clock.move(days=3)
    firing = firing_for(plan.load(cloud, alerts(cloud)[0]["plan"]))
    assert run(Holds(), firing, cloud, Lines(clock)).counts == {"purged": 100}
    assert there(cloud) == ["later"]
    assert "paused" not in state(cloud, "holds:last")
    assert go().counts == {"purged": 1}


def test_to_resume_approves_what_it_was_pulled_for(go: Go, cloud: Cloud) -> None:
    due(cloud, 100)
    go()
    resume(cloud)
    due(cloud, 30, start=100)
    assert go().counts == {"purged": 130}
    due(cloud, 100)
    assert go().outcome == "refused"


def test_to_resume_approves_no_more_than_that(go: Go, cloud: Cloud) -> None:
    due(cloud, 100)
    go()
    resume(cloud)
    due(cloud, 51, start=100)
    assert go().outcome == "refused"
    assert len(alerts(cloud)) == 2


def test_an_approval_is_good_for_a_week(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    due(cloud, 100)
    go()
    resume(cloud)
    clock.move(days=7)
    assert go().outcome == "refused"


def test_a_pause_by_somebody_else_holds_for_a_plan_too(go: Go, cloud: Cloud) -> None:
    due(cloud, 100)
    go()
    cloud.dynamodb.update_item(
        TableName=cloud.names.table("state"),
        Key=attributes.row({"pk": "holds:last", "sk": "-"}),
        UpdateExpression="SET paused = :who",
        ExpressionAttributeValues=attributes.row({":who": "ada: index rebuild"}),
    )
    firing = firing_for(plan.load(cloud, alerts(cloud)[0]["plan"]))
    report = run(Holds(), firing, cloud, Lines(cloud.clock))
    assert (report.outcome, report.note) == ("paused", "ada: index rebuild")
    assert len(there(cloud)) == 100


@pytest.mark.parametrize(
    ("usual", "size", "outcome"),
    [
        ([10] * 7, 50, "done"),
        ([10] * 7, 51, "refused"),
        # One large day, and days with none, do not make it usual.
        ([10, 10, 1000, 10], 51, "refused"),
        # A size up to `few` is never unusual.
        ([1] * 7, 20, "done"),
        ([1] * 7, 21, "refused"),
        # Two days are too few for a usual size: the absolute limit holds.
        ([1, 1], 90, "done"),
        ([1, 1], 91, "refused"),
        # It holds for any usual size.
        ([1000] * 7, 91, "refused"),
    ],
)
def test_the_limit_is_five_times_the_usual_or_the_absolute_one(
    usual: list[int], size: int, outcome: str, go: Go, cloud: Cloud
) -> None:
    cloud.environment = {"HOLDS_MOST_ROWS": "90"}
    for number in range(1, 8):
        key = attributes.row({"pk": "ledger#holds", "sk": f"{NOON - timedelta(days=number):%Y-%m-%d}"})
        cloud.dynamodb.delete_item(TableName=cloud.names.table("state"), Key=key)
    usually(cloud, usual)
    due(cloud, size)
    assert go().outcome == outcome


def test_days_older_than_thirty_do_not_count(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    clock.move(days=28)
    due(cloud, 100)
    assert go().counts == {"purged": 100}


def test_the_largest_tick_of_a_day_is_kept_on_its_ledger(go: Go, cloud: Cloud) -> None:
    for size in (3, 7, 5):
        due(cloud, size)
        go()
    day = state(cloud, "ledger#holds", f"{NOON:%Y-%m-%d}")
    assert day["largest"] == 7
    assert day["expires"] >= (NOON + timedelta(days=30)).timestamp()


def test_a_usual_purge_reads_nothing_for_the_brake(go: Go, cloud: Cloud) -> None:
    due(cloud, 20)
    calls = Calls(cloud)
    go()
    assert calls.made.count("dynamodb:Query") == 4
    assert "dynamodb:GetItem" not in calls.made


def test_rows_that_stay_do_not_pull_it(go: Go, cloud: Cloud) -> None:
    for number in range(100):
        put(cloud, f"h{number}", "2025-13-01T00:00:00.000Z")
    due(cloud, 3, start=100)
    assert go().counts == {"purged": 3, "spared": 100}
    assert alerts(cloud) == []


def test_what_is_too_much_to_be_written_down_is_approved_by_resume(
    go: Go, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brake, "MAX_PLANNED_ACTIONS", 60)
    due(cloud, 100)
    note = "more than 50 due, 10 is usual; it has paused itself. `python jobs.py holds --dry-run --aws --stage test`"
    assert go().note.startswith(note)
    [told] = alerts(cloud)
    assert told["commands"] == [
        "python jobs.py holds --dry-run --aws --stage test",
        "python jobs.py resume holds --aws --stage test",
    ]
    resume(cloud)
    assert go().counts == {"purged": 100}


def test_the_end_of_an_operators_pause_is_no_approval(
    go: Go, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    due(cloud, 100)
    # An operator pauses the job for two minutes, between the alert of the brake and its pause.
    monkeypatch.setattr(
        sending,
        "send",
        lambda *_: pause.pause(cloud, Holds(), "job", "ada", "moving", clock.now() + timedelta(minutes=2)),
    )
    assert go().outcome == "refused"
    clock.move(minutes=2)
    assert go().outcome == "paused"
    assert state(cloud, "holds:last")["paused"] == "brake: 100 due, 10 is usual"
    assert len(there(cloud)) == 100


def test_a_crash_between_alert_and_pause_alerts_again_and_deletes_nothing(
    go: Go, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    due(cloud, 100)
    with monkeypatch.context() as patched:
        patched.setattr(brake, "_pause", die)
        with pytest.raises(Killed):
            go()
    clock.move(minutes=10)
    assert go().outcome == "refused"
    assert len(alerts(cloud)) == 2
    assert len(there(cloud)) == 100


def test_a_crash_between_pause_and_approval_needs_to_be_approved_twice(
    go: Go, cloud: Cloud, clock: VirtualClock
) -> None:
    due(cloud, 100)
    go()
    cloud.dynamodb.delete_item(
        TableName=cloud.names.table("state"), Key=attributes.row({"pk": "brake#holds", "sk": "-"})
    )
    resume(cloud)
    assert go().outcome == "refused"
    resume(cloud)
    assert go().counts == {"purged": 100}


def test_the_parts_of_one_tick_are_let_pass_as_one(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    cloud.environment = {"HOLDS_MAX_RUNS_PER_TICK": "40"}
    due(cloud, 50)
    clock.move(minutes=1)
    at = clock.now()
    first = run(Holds(), Firing("holds", at), cloud, Lines(clock))
    due(cloud, 60, start=100)
    cloud.environment = {}
    second = run(Holds(), Firing("holds", at, part=1, hop=3), cloud, Lines(clock))
    assert [first.counts, second.counts] == [{"purged": 40}, {"purged": 70}]
    assert state(cloud, "ledger#holds", f"{NOON:%Y-%m-%d}")["largest"] == 110
