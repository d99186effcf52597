"""Plan of a simulation, from a seed or a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from proof.simulation.call_disturbances import CALLS
from proof.simulation.delivery_disturbances import DELIVERIES
from proof.simulation.disturbance import Chance, Disturbance
from proof.simulation.operator_disturbances import PEOPLE
from shared import clock

# Of the way in which a seed becomes a plan. A seed of another version stands for another plan.
VERSION = 1
KINDS: dict[str, type[Disturbance]] = {each.kind: each for each in (*CALLS, *DELIVERIES, *PEOPLE)}
# Starts: an ordinary day, the days before changes of the clock, a turn of the year, a leap day.
STARTS = (
    datetime(2026, 3, 2, 0, 30, tzinfo=UTC),
    datetime(2026, 3, 28, 12, 30, tzinfo=UTC),
    datetime(2026, 10, 24, 12, 30, tzinfo=UTC),
    datetime(2026, 12, 31, 6, 30, tzinfo=UTC),
    datetime(2028, 2, 28, 6, 30, tzinfo=UTC),
)
FEWEST, MOST = 3, 12
# Hours of a window, from and to.
SHORTEST, LONGEST = 0.1, 8.0
# Jobs of a plan, apart from those that watch the others.
FEWEST_JOBS, MOST_JOBS = 2, 6


class PlanError(ValueError):
    """The plan or seed cannot be used; the message has the reason."""


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """All that a simulation depends on, apart from the code."""

    seed: int
    start: datetime
    days: float
    #: Jobs whose ticks fire, apart from those that watch the others.
    jobs: tuple[str, ...]
    disturbances: tuple[Disturbance, ...]

    @classmethod
    def draw(cls, seed: int, days: float, candidates: Sequence[str], jobs: Sequence[str] = ()) -> SimulationPlan:
        """Draw a plan.

        candidates: jobs to choose from, unless `jobs` are given.
        """
        random = Random(f"{VERSION}/{seed}")
        start = random.choice(STARTS)
        number = random.randint(FEWEST_JOBS, MOST_JOBS)
        drawn = random.sample(sorted(candidates), min(number, len(candidates)))
        chosen = tuple(sorted(jobs or drawn))
        kinds = [*KINDS.values()]
        disturbances: list[Disturbance] = []
        for each in range(1, random.randint(FEWEST, MOST) + 1):
            kind = random.choice(kinds)
            begins = round(random.uniform(0, days * 24 * 0.8), 2)
            hours = round(SHORTEST * (LONGEST / SHORTEST) ** random.random(), 2)
            disturbances.append(kind.draw(Chance(each, begins, hours, random, chosen)))
        return cls(seed, start, days, chosen, tuple(disturbances))

    def keeping(self, numbers: Sequence[int]) -> SimulationPlan:
        """Return the plan with these disturbances alone. Raises PlanError."""
        known = {each.number for each in self.disturbances}
        if missing := sorted({*numbers} - known):
            raise PlanError(f"the plan has no disturbance {missing[0]}; it has 1 to {max(known, default=0)}")
        return replace(self, disturbances=tuple(each for each in self.disturbances if each.number in numbers))

    def data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "version": VERSION,
            "seed": self.seed,
            "start": clock.iso(self.start),
            "days": self.days,
            "jobs": list(self.jobs),
            "disturbances": [each.data() for each in self.disturbances],
        }

    @classmethod
    def parse(cls, data: Any, known: Sequence[str]) -> SimulationPlan:
        """Read JSON data. Raises PlanError. known: jobs that exist."""
        if not isinstance(data, Mapping) or data.get("version") != VERSION:
            version = data.get("version") if isinstance(data, Mapping) else None
            raise PlanError(f"the plan has version {version}, this code reads {VERSION}; use the commit that wrote it")
        try:
            disturbances = tuple(_disturbance(each) for each in data["disturbances"])
            plan = cls(
                int(data["seed"]), clock.parse(data["start"]), float(data["days"]), (*data["jobs"],), disturbances
            )
        except (KeyError, TypeError, ValueError) as error:
            raise PlanError(f"the plan cannot be read: {type(error).__name__}: {error}") from None
        subjects = {each.subject for each in disturbances if each.kind in {kind.kind for kind in PEOPLE}} - {""}
        if unknown := sorted({*plan.jobs, *subjects} - {*known}):
            raise PlanError(f"the plan has the job {unknown[0]!r}, which does not exist any more; draw a new plan")
        return plan

    @classmethod
    def read(cls, file: Path, known: Sequence[str]) -> SimulationPlan:
        """Read a plan file. Raises PlanError."""
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise PlanError(f"there is no {file}") from None
        except (OSError, ValueError) as error:
            raise PlanError(f"{file} cannot be read: {error}") from None
        return cls.parse(data, known)

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(self.data(), indent=1) + "\n", encoding="utf-8")


def parse_seed(text: str) -> int:
    """Read `7`, or `1:7` with the version of the plans. Raises PlanError."""
    version, colon, seed = text.rpartition(":")
    if not seed.isascii() or not seed.isdigit() or len(seed) > 9:
        raise PlanError(f"{text!r} is no seed; write a whole number, such as 7")
    if colon and version != str(VERSION):
        raise PlanError(f"the seed {text} is of version {version}, this code draws {VERSION}; use the commit of it")
    return int(seed)


def _disturbance(data: Mapping[str, Any]) -> Disturbance:
    values = dict(data)
    kind = values.pop("kind")
    if kind not in KINDS:
        raise PlanError(f"there is no disturbance {kind!r}; there are {', '.join(KINDS)}")
    return KINDS[kind](**values)
