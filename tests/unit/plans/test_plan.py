"""A plan is applied exactly, or refused with nothing done."""

from __future__ import annotations

import gzip
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.archetypes.purge import runner
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.names import Names
from shared.job.action import Action
from shared.plans import draft, plan
from shared.plans.draft import Draft
from shared.plans.plan import Plan, PlanRefused, UnknownPlan
from shared.run.apply_plan import firing_for
from shared.run.claim import Claim, Claims
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import NOON, Lines, VirtualClock, create, waiting
from tests.support.holds import HOLDS, Holds, Warned, put, there

DUE = NOON - timedelta(days=30)
Make = Callable[..., Plan]


@pytest.fixture
def make(cloud: Cloud, log: Lines) -> Make:
    """What `--dry-run` does."""
    create(cloud, HOLDS)

    def make(job: Holds, **rest: Any) -> Plan:
        firing = Firing(job.name, cloud.clock.now(), manual=True, **rest)
        tick = RunContext(job, firing, cloud, "dry", cloud.clock.now(), log, dry=True)
        with draft.from_actions(job.actions(tick)) as drafted:
            return plan.create(cloud, job, tick, drafted, "ada")

    return make


def apply(cloud: Cloud, job: Holds, firing: Firing | Plan) -> RunReport:
    return run(job, firing_for(firing) if isinstance(firing, Plan) else firing, cloud, Lines(cloud.clock))


def item(cloud: Cloud, made: Plan) -> dict[str, Any]:
    key = attributes.row({"pk": f"plan#{made.id}", "sk": "-"})
    return attributes.plain(cloud.dynamodb.get_item(TableName=cloud.names.table("state"), Key=key).get("Item"))


def test_a_plan_counts_and_samples_what_would_be_done_and_does_none_of_it(make: Make, cloud: Cloud) -> None:
    put(cloud, "old", DUE)
    for number in range(7):
        put(cloud, f"h{number}", DUE + timedelta(hours=1))
    put(cloud, "new", NOON)
    made = make(Warned())
    assert made.counts == {"send": 8}
    assert len(made.samples["send"]) == 5
    assert made.lines()[0] == "send 8, such as"
    assert len(there(cloud)) == 9
    assert (made.id.split(".")[:2], made.who, made.cutoff) == (["holds", "test"], "ada", "2026-01-31T12:00:00.000Z")


def test_a_plan_is_done_to_the_row(make: Make, cloud: Cloud, clock: VirtualClock) -> None:
    for number in range(60):
        put(cloud, f"h{number}", DUE)
    made = make(Holds())
    put(cloud, "later", DUE + timedelta(minutes=1))
    clock.move(hours=1)
    report = apply(cloud, Holds(), made)
    assert (report.outcome, report.counts) == ("done", {"purged": 60})
    assert there(cloud) == ["later"]
    assert item(cloud, made)["begun"] == report.run_id
    assert item(cloud, made)["applied"] == "2026-03-02T13:00:00.000Z"


def test_a_plan_of_many_is_kept_in_an_object_and_done_from_there(
    make: Make, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draft, "INLINE_ACTIONS", 10)
    for number in range(60):
        put(cloud, f"h{number}", DUE)
    made = make(Holds())
    [key] = made.listed.values()
    assert key == f"plans/holds/{made.id}.jsonl.gz"
    stored = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=key)
    lines = gzip.decompress(stored["Body"].read()).splitlines()
    assert "ServerSideEncryption" not in dict(stored), "the bucket decides: its key may be the account's"
    assert {json.loads(line)[1][0] for line in lines} == set(there(cloud))
    assert apply(cloud, Holds(), made).counts == {"purged": 60}
    assert there(cloud) == []


def test_warnings_of_a_plan_are_sent_and_its_rows_purged(make: Make, cloud: Cloud, clock: VirtualClock) -> None:
    job = Warned()
    put(cloud, "a", DUE, owner="ada")
    apply(cloud, job, make(job))
    clock.move(days=1)
    put(cloud, "b", DUE, owner="bob")
    made = make(job)
    assert made.counts == {"send": 1, "delete": 1}
    assert apply(cloud, job, made).counts == {"purged": 1, "warned": 1}
    assert [message for _, message in job.told] == ["a of ada goes tomorrow", "b of bob goes tomorrow"]
    assert there(cloud) == ["b"]


Move = Callable[[Cloud], Any]
MOVES: dict[str, Move] = {
    "more": lambda cloud: put(cloud, "another", DUE),
    "fewer": lambda cloud: cloud.dynamodb.delete_item(
        TableName=cloud.names.table("held"), Key=attributes.row({"pk": "a", "sk": "-"})
    ),
    "changed": lambda cloud: put(cloud, "a", DUE - timedelta(seconds=1)),
    "kept longer": lambda cloud: setattr(cloud, "environment", {"HOLDS_KEEP": "29d"}),
}


@pytest.mark.parametrize("move", MOVES)
def test_a_plan_is_refused_where_the_world_has_moved(move: str, make: Make, cloud: Cloud) -> None:
    for key in ("a", "b", "c"):
        put(cloud, key, DUE)
    made = make(Holds())
    MOVES[move](cloud)
    before = there(cloud)
    report = apply(cloud, Holds(), made)
    assert report.outcome == "refused"
    assert "settings now" in report.note or "the data has changed" in report.note
    assert there(cloud) == before
    assert "begun" not in item(cloud, made)


def test_the_version_of_a_row_is_a_part_of_the_plan(make: Make, cloud: Cloud) -> None:
    class Guarded(Holds):
        """Purge closed rows."""

        name = "holds"
        holds = ("state",)

    put(cloud, "a", DUE, state="closed")
    made = make(Guarded())
    put(cloud, "a", DUE, state="open")
    assert apply(cloud, Guarded(), made).outcome == "refused"
    assert there(cloud) == ["a"]


def test_a_plan_is_carried_out_once(make: Make, cloud: Cloud) -> None:
    put(cloud, "a", DUE)
    made = make(Holds())
    first = apply(cloud, Holds(), made)
    report = apply(cloud, Holds(), made)
    assert report.outcome == "refused"
    assert report.note.startswith(f"plan {made.id} was begun by run {first.run_id}, and applied at 2026-03-02T12")


def test_a_plan_larger_than_a_run_goes_on_where_that_stopped(
    make: Make, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.archetypes.purge import runner

    class Slow(Holds):
        """Take a while."""

        name = "holds"

        def archive(self, run: RunContext, rows: Any) -> None:
            clock.move(seconds=100)

    monkeypatch.setattr(runner, "CHUNK", 10)
    for number in range(50):
        put(cloud, f"h{number:02d}", DUE)
    made = make(Slow())
    firing = replace(firing_for(made), retried=True)
    assert apply(cloud, Slow(), firing).counts == {"purged": 30}
    [sent] = waiting(cloud)
    assert (sent["firing"]["plan"], sent["firing"]["part"]) == (made.id, 1)
    # Rows that are due later are no part of the plan; the rest of it stays valid.
    put(cloud, "another", DUE)
    assert apply(cloud, Slow(), firing.continuation()).counts == {"purged": 20}
    assert there(cloud) == ["another"]
    assert "applied" in item(cloud, made)


class Slow(Holds):
    """Take 100 s for each chunk."""

    name = "holds"

    def archive(self, run: RunContext, rows: Any) -> None:
        run.cloud.clock.sleep(100)


def _tick(cloud: Cloud) -> RunReport:
    return run(Holds(), Firing("holds", cloud.clock.now()), cloud, Lines(cloud.clock))


def _by_hand(cloud: Cloud) -> RunReport:
    return run(Holds(), Firing("holds", cloud.clock.now(), manual=True, id="m1"), cloud, Lines(cloud.clock))


@pytest.mark.parametrize("between", [lambda _: None, _tick, _by_hand], ids=["nothing", "a tick", "a manual run"])
def test_a_begun_plan_goes_on_where_it_ended_whatever_runs_in_between(
    between: Callable[[Cloud], object], make: Make, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "CHUNK", 10)
    for number in range(50):
        put(cloud, f"h{number:02d}", DUE)
    made = make(Slow())
    first = apply(cloud, Slow(), made)
    assert (first.counts, first.unfinished) == ({"purged": 30}, True)
    between(cloud)
    put(cloud, "another", cloud.clock.now())
    # As a new command does, which knows of no parts.
    again = apply(cloud, Slow(), made)
    assert (again.outcome, again.unfinished) == ("done", False)
    assert there(cloud) == ["another"]
    assert "applied" in item(cloud, made)
    assert apply(cloud, Slow(), made).outcome == "refused"


def test_a_plan_and_a_manual_run_leave_the_checkpoint_of_a_tick_alone(
    make: Make, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cloud, "a", DUE)
    made = make(Holds())
    claims = Claims(cloud, Holds(), "-")
    taken = claims.take(Firing("holds", NOON), "20260302T120000.000Z-aaaaaaaa", "r")
    assert isinstance(taken, Claim)
    claims.finish(taken, Firing("holds", NOON), {"outcome": "done", "ok": True}, {"next": 7}, success=True)
    apply(cloud, Holds(), made)
    _by_hand(cloud)
    later = claims.take(Firing("holds", NOON + timedelta(minutes=5)), "20260302T120500.000Z-bbbbbbbb", "r")
    assert isinstance(later, Claim)
    assert later.checkpoint == {"next": 7}


def test_a_plan_that_was_interrupted_is_resumed(make: Make, cloud: Cloud, clock: VirtualClock) -> None:
    class Killed(BaseException):
        pass

    class Dies(Holds):
        """Be killed after the plan was begun."""

        name = "holds"

        def archive(self, run: RunContext, rows: Any) -> None:
            raise Killed

    put(cloud, "a", DUE)
    made = make(Holds())
    with pytest.raises(Killed):
        apply(cloud, Dies(), made)
    clock.move(minutes=10)
    assert apply(cloud, Holds(), made).counts == {"purged": 1}


def test_warnings_and_deletions_cut_shortly_before_the_deadline_are_resumed_exactly(
    make: Make, cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cut(Warned):
        """Warn owners, slowly; all warnings take the time that is left of the first run."""

        name = "holds"

        def send(self, run: RunContext, message: Any, token: str) -> Any:
            with lock:
                sent.append(message)
                if len(sent) == 26:
                    clock.move(seconds=270)
            return super().send(run, message, token)

    lock, sent = threading.Lock(), list[Any]()
    for number in range(4):
        put(cloud, f"d{number}", DUE - timedelta(days=2), owner=f"d{number}")
    job = Warned()
    apply(cloud, job, make(job))
    clock.move(days=1, minutes=10)
    for number in range(40):
        put(cloud, f"w{number:02d}", DUE, owner=f"w{number}")
    made = make(job)
    assert made.counts == {"send": 40, "delete": 4}
    cut = Cut()
    first = apply(cloud, cut, made)
    assert first.unfinished
    assert "d0" in there(cloud)
    second = apply(cloud, cut, made)
    assert not second.unfinished
    assert Counter(first.counts) + Counter(second.counts) == {"warned": 40, "purged": 4}
    assert len(sent) == len({str(message) for message in sent}) == 40


def test_a_plan_keeps_a_tick_out_and_is_kept_out_by_one(make: Make, cloud: Cloud) -> None:
    from shared.run.claim import Claims

    put(cloud, "a", DUE)
    made = make(Holds())
    Claims(cloud, Holds(), "-").take(Firing("holds", NOON), "another", "r")
    assert apply(cloud, Holds(), made).outcome == "locked"
    assert there(cloud) == ["a"]


@pytest.mark.parametrize("unknown", ["", "x", "holds.test", "holds.test.00000000", "a.b.c.d", "#", "holds." * 300])
def test_a_plan_that_was_never_made_is_unknown(unknown: str, cloud: Cloud) -> None:
    with pytest.raises(UnknownPlan, match="there is no plan '") as error:
        plan.load(cloud, unknown)
    assert len(error.value.args[0]) < 200


def test_a_plan_of_another_environment_is_refused(make: Make, cloud: Cloud) -> None:
    put(cloud, "a", DUE)
    made = make(Holds())
    with pytest.raises(PlanRefused, match=r"was made for stage 'prod' and this is 'test'"):
        plan.load(cloud, made.id.replace(".test.", ".prod."))
    elsewhere = Cloud(Names("test", "210987654321", "us-east-1"), cloud.clock, {})
    elsewhere.__dict__["dynamodb"] = cloud.dynamodb
    with pytest.raises(PlanRefused, match="account 123456789012, us-east-1, stage test and this is account 2109"):
        plan.load(elsewhere, made.id)


def test_a_plan_expires_after_a_day(make: Make, cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, "a", DUE)
    made = make(Holds())
    clock.move(days=1)
    plan.load(cloud, made.id)
    clock.move(seconds=1)
    with pytest.raises(
        PlanRefused, match=r"expired at 2026-03-03T12:00:00\.000Z; `python jobs\.py holds --dry-run --aws --stage test`"
    ):
        plan.load(cloud, made.id)
    assert apply(cloud, Holds(), made).outcome == "refused"
    assert there(cloud) == ["a"]


def test_a_plan_of_another_job_or_target_is_refused(make: Make, cloud: Cloud) -> None:
    class Other(Holds):
        """Purge something else."""

        name = "other"

    put(cloud, "a", DUE)
    made = make(Holds())
    report = apply(cloud, Other(), replace(firing_for(made), job="other"))
    assert (report.outcome, "is of holds -, not of" in report.note) == ("refused", True)
    assert apply(cloud, Holds(), replace(firing_for(made), target="1")).outcome == "unknown_target"
    assert there(cloud) == ["a"]


def test_two_runs_of_one_plan_at_once_are_one(make: Make, cloud: Cloud, clock: VirtualClock) -> None:
    put(cloud, "a", DUE)
    made = make(Holds())
    inner: list[RunReport] = []
    tried: list[str] = []

    class Overtaken(Holds):
        """Lose the lease to another run of the same plan."""

        name = "holds"

        def actions(self, run: RunContext) -> Iterator[Action]:
            yield from super().actions(run)
            if run.run_id not in tried and len(tried) < 2:
                tried.append(run.run_id)
                clock.move(minutes=6)
                if len(tried) == 1:
                    inner.append(apply(cloud, Overtaken(), made))

    assert apply(cloud, Overtaken(), made).outcome == "lost"
    assert inner[0].outcome == "done"
    assert item(cloud, made)["begun"] == inner[0].run_id


def test_a_digest_is_of_what_is_in_it_and_not_of_its_order() -> None:
    first, second = Action("delete", ["a", "-"], ["00", "x"]), Action("delete", ["b", "-"], ["01", "x"])
    with (
        draft.from_actions([first, second]) as one,
        draft.from_actions([second, first]) as two,
        draft.from_actions([first, first]) as three,
    ):
        assert one.digest == two.digest != three.digest
    with draft.from_actions([first, first]) as twice, draft.from_actions([]) as none:
        assert twice.digest != none.digest
    with draft.from_actions([first]) as one, draft.from_actions([first._replace(verb="send")]) as two:
        assert one.digest != two.digest


def test_samples_are_redacted() -> None:
    with draft.from_actions([Action("send", "1", None, "a warning to ada@example.org")]) as drafted:
        assert "ada@" not in "".join(drafted.lines())


def test_few_actions_are_text_and_no_file() -> None:
    with Draft() as empty, pytest.raises(ValueError, match="a draft of few actions has no file"):
        empty.file()
