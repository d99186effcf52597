"""Pipelines: requests pass their steps piece by piece; an incomplete declaration is an error at class creation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from shared import tables
from shared.archetypes.pipeline import Continue, Pipeline, RequestRefused, StepDone
from shared.archetypes.rollup import Rollup
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.job.effect import NotPerformed
from shared.job.idempotency import natural
from shared.job.retry import NO_RETRY
from shared.job.setting import SettingError, span
from shared.job.validation import DeclarationError
from shared.product.records.accounts import Export
from shared.run.context import RunContext
from shared.run.firing import Firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import NOON, Lines, VirtualClock
from tests.support.stored_rows import one, put

Go = Callable[..., RunReport]
SECOND = timedelta(seconds=1)


class Errands(Pipeline):
    """Run errands."""

    name = "errands"
    table = tables.EXPORTS
    record = "shared.product.records.accounts.Export"
    steps: ClassVar[Mapping[str, int]] = {"going": 50, "coming": 100}
    idempotency = natural("a piece that is done again does the same")

    def __init__(self) -> None:
        self.did: list[str] = []
        self.raises: dict[str, Exception] = {}
        self.meanwhile: Callable[[], None] = lambda: None

    def going(self, _: RunContext, item: Export) -> Continue | StepDone:
        if item.id in self.raises:
            raise self.raises[item.id]
        self.did.append(f"{item.id}:{item.cursor}")
        self.meanwhile()
        done = len(item.cursor)
        return Continue(f"{item.cursor}x", (done + 1) / 4) if done < 3 else StepDone(cursor="home")

    def coming(self, run: RunContext, item: Export) -> Continue | StepDone:
        self.did.append(f"{item.id}:{item.cursor}")
        if item.cursor == "home":
            return Continue("late", at=run.cloud.clock.now() + timedelta(hours=1))
        return StepDone({"archive": "mark"})


@pytest.fixture
def job() -> Errands:
    return Errands()


@pytest.fixture
def go(cloud: Cloud, clock: VirtualClock, log: Lines, job: Errands) -> Go:
    def go() -> RunReport:
        report = run(job, Firing(job.name, clock.now()), cloud, log)
        clock.move(minutes=1)
        return report

    return go


def asked(name: str = "a", **rest: Any) -> Export:
    return Export.model_validate({"user": "u", "id": name, "requested_at": NOON, "due_on": NOON, **rest})


def test_pieces_follow_each_other_then_the_next_step_and_it_waits_where_a_step_says_so(
    go: Go, cloud: Cloud, clock: VirtualClock, job: Errands, log: Lines
) -> None:
    put(cloud, asked())
    assert go().counts == {"put_by": 1}
    assert job.did == ["a:", "a:x", "a:xx", "a:xxx", "a:home"]
    assert [line["percentage"] for line in log.said("errands_in_progress")] == [12, 25, 37, 50, 50]
    row = one(cloud, tables.EXPORTS, "u", "a")
    assert (row["state"], row["step"], row["progress"], row["due_at"]) == (
        *("processing", "coming", 50),
        "2026-03-02T13:00:00.000Z",
    )
    for at, counts in ((timedelta(hours=1) - SECOND, {"due": 0}), (timedelta(hours=1), {"completed": 1})):
        clock.instant = NOON + at
        assert run(job, Firing(job.name, clock.now()), cloud, log).counts == counts
    row = one(cloud, tables.EXPORTS, "u", "a")
    assert (row["state"], row["progress"], row["archive"], row["cursor"], "due" in row) == (
        *("completed", 100, "mark", ""),
        False,
    )


def test_a_piece_that_fails_is_tried_again_at_its_instants_and_the_others_go_on(
    go: Go, cloud: Cloud, clock: VirtualClock, job: Errands
) -> None:
    job.raises["a"] = OSError("the disk is full")
    put(cloud, asked("a"), asked("b"))
    assert go().counts == {"put_off": 1, "put_by": 1}
    reports = []
    for minutes in (1, 5, 30, 120):
        due = clock.now() - timedelta(minutes=1) + timedelta(minutes=minutes)
        row = one(cloud, tables.EXPORTS, "u", "a")
        assert (row["due_at"], row["error"]) == (f"{due:%Y-%m-%dT%H:%M:%S}.000Z", "OSError: the disk is full")
        clock.instant = due
        reports.append(go())
    assert reports[-1].ok is False
    assert one(cloud, tables.EXPORTS, "u", "a")["state"] == "failed"


def test_what_is_refused_fails_at_once(go: Go, cloud: Cloud, job: Errands) -> None:
    job.raises["a"] = RequestRefused("there is nobody there")
    put(cloud, asked())
    assert go().counts == {"failed": 1}
    assert one(cloud, tables.EXPORTS, "u", "a")["error"] == "there is nobody there"


def test_a_piece_may_leave_the_row_as_it_is(go: Go, cloud: Cloud, clock: VirtualClock) -> None:
    """A step that deletes the rows it finds needs no cursor."""

    class Emptying(Errands):
        """Empty a basket."""

        name = "emptying"

        def going(self, _: RunContext, item: Export) -> Continue | StepDone:
            self.did.append("")
            return Continue("basket") if len(self.did) < 4 else StepDone()

    put(cloud, asked())
    job = Emptying()
    assert run(job, Firing(job.name, clock.now()), cloud, Lines(clock)).counts == {"completed": 1}
    assert len(job.did) == 5


@pytest.mark.parametrize("spoilt", ["what it notes", "what it tells"])
def test_a_request_whose_end_cannot_be_written_is_put_off_and_the_others_go_on(
    spoilt: str, cloud: Cloud, clock: VirtualClock
) -> None:
    class Clumsy(Errands):
        """Get one of two right."""

        name = "clumsy"

        def coming(self, _: RunContext, item: Export) -> Continue | StepDone:
            return StepDone({"size": -1} if item.id == "a" and spoilt == "what it notes" else {})

        def finished(self, _: RunContext, item: Export) -> Sequence[Any]:
            if item.id == "a" and spoilt == "what it tells":
                raise LookupError("nobody is there to be told")
            return ()

    put(cloud, asked("a"), asked("b"))
    report = run(Clumsy(), Firing("clumsy", clock.now()), cloud, Lines(clock))
    assert (report.outcome, report.counts) == ("done", {"put_off": 1, "completed": 1})
    row = one(cloud, tables.EXPORTS, "u", "a")
    assert (row["state"], row["step"], row["due_at"]) == ("processing", "coming", "2026-03-02T12:01:00.000Z")
    assert ("size" if spoilt == "what it notes" else "LookupError") in row["error"]


def test_a_request_that_somebody_else_has_written_since_is_theirs(go: Go, cloud: Cloud, job: Errands) -> None:
    put(cloud, asked())

    def meanwhile() -> None:
        cloud.dynamodb.update_item(
            TableName=cloud.names.table("exports"),
            Key=attributes.row({"pk": "u", "sk": "a"}),
            UpdateExpression="SET due_at = :later",
            ExpressionAttributeValues=attributes.row({":later": "2026-03-09T00:00:00.000Z"}),
        )

    job.meanwhile = meanwhile
    assert go().counts == {"moved": 1}
    assert job.did == ["a:"]
    assert one(cloud, tables.EXPORTS, "u", "a")["cursor"] == ""


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"steps": {"going": 50}}, "must increase and end at 100"),
        ({"steps": {"going": 60, "coming": 50}}, "must increase and end at 100"),
        ({"steps": {"going": 50, "staying": 100}}, "a method for at least one of its steps"),
        ({"table": tables.USERS}, "has no index `due`"),
        ({"timeout": 30}, "timeout is 30 s"),
        ({"persistent": True, "delays": NO_RETRY}, "is persistent and has no delays"),
    ],
)
def test_a_pipeline_that_cannot_work_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        type("Errands", (Errands,), {"__doc__": "Run errands.", "name": "errands", **wrong})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sums": ("alias",)}, "does not include all of them"),
        ({"index": "due"}, "has no index 'due'"),
        ({"settle": timedelta(seconds=1)}, "give it at least a minute"),
        ({"into": tables.EXPORTS}, "has indexes besides the one by age"),
    ],
)
def test_a_rollup_that_cannot_work_is_refused(wrong: dict[str, Any], said: str) -> None:
    right = {"table": tables.MESSAGES, "into": tables.ROLLUPS, "when": "received_at", "sums": ("bytes_used",)}
    declared = {"__doc__": "Add up.", "name": "sums-of-all", "idempotency": natural("nothing is added twice here")}
    type("Right", (Rollup,), {**declared, **right})
    with pytest.raises(DeclarationError, match=said):
        type("Wrong", (Rollup,), {**declared, **right, **wrong})


def test_a_pipeline_without_delays_fails_with_the_first_piece_that_does(
    go: Go, cloud: Cloud, job: Errands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Errands, "delays", NO_RETRY)
    job.raises["a"] = ValueError("no")
    put(cloud, asked())
    assert go().counts == {"failed": 1}


@pytest.mark.parametrize("error", [SettingError("ERRANDS_KEEP='soon'"), NotPerformed("the bucket is away")])
def test_a_failure_of_our_own_is_no_attempt_of_a_request(
    error: Exception, go: Go, cloud: Cloud, clock: VirtualClock, job: Errands
) -> None:
    job.raises["a"] = error
    put(cloud, asked("a"), asked("b"))
    report = go()
    assert (report.counts, report.ok) == ({"put_off": 1, "put_by": 1}, False)
    for _ in range(8):
        clock.move(hours=3)
        go()
        row = one(cloud, tables.EXPORTS, "u", "a")
        assert (row["state"], row["attempts"], str(error) in row["error"]) == ("processing", 0, True)
    del job.raises["a"]
    clock.move(hours=1)
    assert go().counts["put_by"] >= 1


def test_a_run_with_an_invalid_setting_touches_no_request(
    go: Go, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Errands, "settings", (span("ERRANDS_KEEP", timedelta(days=1), "How long"),))
    cloud.environment = {"ERRANDS_KEEP": "soon"}
    put(cloud, asked())
    before = one(cloud, tables.EXPORTS, "u", "a")
    report = go()
    assert (report.outcome, "ERRANDS_KEEP='soon'" in report.note) == ("failed", True)
    assert one(cloud, tables.EXPORTS, "u", "a") == before
