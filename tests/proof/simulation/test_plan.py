"""A plan follows from its seed, and is refused where it no longer fits."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from proof.simulation.disturbance import Chance
from proof.simulation.plan import KINDS, VERSION, PlanError, SimulationPlan, parse_seed

JOBS = ("auth", "docs", "pricing")


def test_a_seed_draws_the_same_plan_each_time() -> None:
    assert SimulationPlan.draw(7, 3, JOBS) == SimulationPlan.draw(7, 3, JOBS)
    assert len({SimulationPlan.draw(seed, 3, JOBS) for seed in range(20)}) == 20


def test_given_jobs_change_nothing_but_the_jobs_and_subjects() -> None:
    drawn, given = SimulationPlan.draw(7, 3, JOBS), SimulationPlan.draw(7, 3, JOBS, ("docs",))
    assert given.jobs == ("docs",)
    assert [(each.kind, each.begins, each.hours) for each in drawn.disturbances] == [
        (each.kind, each.begins, each.hours) for each in given.disturbances
    ]


def test_every_kind_of_disturbance_is_drawn_and_survives_a_file(tmp_path: Path) -> None:
    drawn = [kind.draw(Chance(1, 2.0, 3.0, Random(1), JOBS)) for kind in KINDS.values()]
    plan = SimulationPlan(7, SimulationPlan.draw(7, 3, JOBS).start, 3.0, JOBS, tuple(drawn))
    file = tmp_path / "plan.json"
    plan.write(file)
    assert SimulationPlan.read(file, JOBS) == plan


def test_a_part_of_the_disturbances_keeps_their_numbers() -> None:
    plan = SimulationPlan.draw(7, 3, JOBS)
    assert [each.number for each in plan.keeping([2]).disturbances] == [2]
    with pytest.raises(PlanError, match="no disturbance 99"):
        plan.keeping([99])


def test_a_plan_of_another_version_is_refused() -> None:
    data = {**SimulationPlan.draw(7, 3, JOBS).data(), "version": VERSION + 1}
    with pytest.raises(PlanError, match=f"has version {VERSION + 1}, this code reads {VERSION}"):
        SimulationPlan.parse(data, JOBS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"jobs": ["gone"]}, "the job 'gone', which does not exist any more"),
        ({"days": None}, "cannot be read"),
        ({"start": "yesterday"}, "cannot be read"),
        ({"disturbances": [{"kind": "comet", "number": 1}]}, "no disturbance 'comet'"),
        ({"disturbances": [{"kind": "kills", "weight": 1}]}, "cannot be read"),
        (
            {"disturbances": [{"kind": "pause", "number": 1, "begins": 0, "hours": 1, "subject": "gone"}]},
            "the job 'gone'",
        ),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        SimulationPlan.parse({**SimulationPlan.draw(7, 3, JOBS).data(), **change}, JOBS)


def test_a_file_that_is_no_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="there is no"):
        SimulationPlan.read(tmp_path / "missing", JOBS)
    (tmp_path / "text").write_text("seven")
    with pytest.raises(PlanError, match="cannot be read"):
        SimulationPlan.read(tmp_path / "text", JOBS)
    (tmp_path / "list").write_text(json.dumps([1]))
    with pytest.raises(PlanError, match="has version None"):
        SimulationPlan.read(tmp_path / "list", JOBS)


def test_a_seed_may_name_the_version_of_its_plans() -> None:
    assert parse_seed("7") == parse_seed(f"{VERSION}:7") == 7
    with pytest.raises(PlanError, match="is of version 9"):
        parse_seed("9:7")
    for text in ("", "-1", "x", "٣", "1" * 10):
        with pytest.raises(PlanError, match="is no seed"):
            parse_seed(text)
