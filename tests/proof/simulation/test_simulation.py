"""Simulations hold, are repeatable, and find planted faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from proof.simulation.call_disturbances import Freezes, Kills, LostReplies
from proof.simulation.delivery_disturbances import Duplicates, Outage
from proof.simulation.disturbance import Disturbance
from proof.simulation.plan import STARTS, SimulationPlan
from proof.simulation.simulation import Simulation
from shared.run import history
from tests.support.planted_faults import early_release, key_with_the_attempt, missing_fence, unconditional_counter

DAYS = 0.15


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    with Simulation() as opened:
        yield opened


def plan(seed: int, jobs: tuple[str, ...], *disturbances: Disturbance) -> SimulationPlan:
    return SimulationPlan(seed, STARTS[0], DAYS, jobs, disturbances)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_disturbed_simulation_holds(seed: int, simulation: Simulation) -> None:
    result = simulation.run(SimulationPlan.draw(seed, DAYS, simulation.candidates()))
    assert [str(each) for each in result.violations] == []
    assert result.invocations > 100


def test_a_seed_has_one_trace(simulation: Simulation) -> None:
    drawn = SimulationPlan.draw(5, 0.1, simulation.candidates(), ("account-export", "export-expiry"))
    first, second = simulation.run(drawn), simulation.run(drawn)
    assert (first.digest, first.steps) == (second.digest, second.steps)
    other = SimulationPlan.draw(6, 0.1, simulation.candidates(), ("account-export", "export-expiry"))
    assert simulation.run(other).digest != first.digest


def unrecorded_lost_run(patch: pytest.MonkeyPatch) -> None:
    """Leave out the history row of an interrupted run."""
    patch.setattr(history.History, "record_lost", lambda *_, **__: None)


FREEZING = (Freezes(1, 0.2, 3, 0.05, "", 900), Duplicates(2, 0, 3, 0.5, "", 60))
PLANTS: list[tuple[Callable[[pytest.MonkeyPatch], None], tuple[Disturbance, ...], str]] = [
    (
        unconditional_counter,
        (Duplicates(1, 0, 3, 0.5, "", 60), LostReplies(2, 0, 3, 0.3, "dynamodb")),
        "exact counters",
    ),
    (missing_fence, FREEZING, "claims"),
    (early_release, FREEZING, "claims"),
    (key_with_the_attempt, (Kills(1, 0, 3, 0.03), Duplicates(2, 0, 3, 0.5, "", 60)), "effects once"),
    (unrecorded_lost_run, (Kills(1, 0, 3, 0.02),), "recorded runs"),
]


@pytest.mark.parametrize(
    ("plant", "disturbances", "invariant"), PLANTS, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_planted_fault_is_found_within_three_seeds(
    plant: Callable[[pytest.MonkeyPatch], None],
    disturbances: tuple[Disturbance, ...],
    invariant: str,
    simulation: Simulation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = ("account-export",)
    assert simulation.run(plan(1, jobs, *disturbances)).violations == ()
    plant(monkeypatch)
    found = {
        each.invariant for seed in (1, 2, 3) for each in simulation.run(plan(seed, jobs, *disturbances)).violations
    }
    assert invariant in found


def test_no_run_of_a_chain_of_lost_ones_is_missing(simulation: Simulation) -> None:
    assert simulation.run(plan(1, ("account-export",), Kills(1, 0, 3, 0.1))).violations == ()


def test_an_outage_of_four_hours_leaves_missed_ticks(simulation: Simulation) -> None:
    drawn = SimulationPlan(1, STARTS[0], 0.3, ("notification-delivery",), (Outage(1, 2, 4),))
    assert simulation.run(drawn).violations == ()
