"""Two consumers and a rollover in any interleaving of their calls, each crashing anywhere, count the same sums.

Hypothesis draws the batches, their repeated deliveries and order, and which process makes the next call.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from functions.flags import _archive, _counters, _feature_rows, _meter_keys, _periods
from functions.flags._periods import SKEW
from functions.flags.usage import Usage
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.messages.tenant import Tenant
from shared.store import table
from shared.tables import METERS
from tests.conftest import NOON
from tests.functions.flags.conftest import World
from tests.functions.flags.test_usage import batch

MONTHS = ("2026-02", "2026-03")
# Hours before noon: ended hours and a day, and the last month.
AGES = (0, 1, 2, 3, 13, 37)
GATED = ("update_item", "query", "get_item", "transact_write_items")
Step = Callable[[], None]


class Crash(BaseException):
    """The process has ended."""


@dataclass
class Actor:
    """A process.

    The attribute `dies` is the number of the call at which it crashes; 0 is never. late: after the call, not before it.
    """

    name: str
    events: SimpleQueue[tuple[str, BaseException | None]]
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    on: bool = False
    dies: int = 0
    late: bool = False

    def act(self, steps: list[Step]) -> None:
        error: BaseException | None = None
        try:
            self._wait()
            for step in steps:
                step()
        except BaseException as raised:  # noqa: BLE001 - the test raises it
            error = raised
        self.events.put(("ended", error))

    def gate(self, client: Any, patch: pytest.MonkeyPatch) -> None:
        for name in GATED:
            patch.setattr(client, name, self._gated(getattr(client, name)))

    def _gated(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(**asked: Any) -> Any:
            if not self.on:
                return real(**asked)
            self._wait()
            self.dies -= 1
            if self.dies == 0 and not self.late:
                raise Crash
            answer = real(**asked)
            if self.dies == 0:
                raise Crash
            return answer

        return call

    def _wait(self) -> None:
        self.events.put(("waits", None))
        self.go.acquire()


def stage(actors: list[tuple[Actor, list[Step]]], events: SimpleQueue[Any], turns: Iterator[int]) -> None:
    """Let the actors make one call at a time, in the order of `turns`."""
    waiting = [actor for actor, _ in actors]
    for actor, steps in actors:
        actor.on = True
        threading.Thread(target=actor.act, args=(steps,), daemon=True).start()
        assert events.get(timeout=30) == ("waits", None)
    while waiting:
        chosen = waiting[next(turns, 0) % len(waiting)]
        chosen.go.release()
        what, error = events.get(timeout=30)
        if error:
            raise error
        if what == "ended":
            chosen.on = False
            waiting.remove(chosen)


@dataclass(frozen=True)
class History:
    """A history to play.

    batches: amount, feature, age. deliveries: for each consumer the batches, the call at which it crashes, and whether
    after it. closings: the same for the rollover. turns: the actor of each call.
    """

    batches: list[tuple[int, int, int]]
    deliveries: list[list[tuple[list[int], int, bool]]]
    closings: list[tuple[int, bool]]
    turns: list[int]


@st.composite
def histories(draw: st.DrawFn) -> History:
    size = draw(st.integers(1, 10))
    some = st.lists(st.integers(0, size - 1), min_size=1, max_size=6)
    dying = st.one_of(st.just(0), st.integers(1, 8))
    return History(
        draw(
            st.lists(
                st.tuples(st.integers(1, 9), st.integers(0, 3), st.sampled_from(AGES)), min_size=size, max_size=size
            )
        ),
        [draw(st.lists(st.tuples(some, dying, st.booleans()), min_size=1, max_size=3)) for _ in range(2)],
        draw(st.lists(st.tuples(dying, st.booleans()), max_size=2)),
        draw(st.lists(st.integers(0, 2), min_size=20, max_size=60)),
    )


@dataclass
class Play:
    world: World
    clouds: list[Cloud]
    events: SimpleQueue[tuple[str, BaseException | None]]
    actors: list[Actor]

    def consumer(self, number: int, batches: list[Any], deliveries: list[tuple[list[int], int, bool]]) -> list[Step]:
        """Run deliveries; after a crash with a new process and empty cache. Its messages come back in the last pass."""
        process: list[Job] = [Usage()]
        world = World(self.clouds[number], self.world.clock, self.world.log)

        def deliver(numbers: list[int], dies: int, late: bool) -> None:
            actor = self.actors[number]
            actor.dies, actor.late = dies, late
            try:
                world.deliver(process[0], *(batches[each] for each in numbers))
            except Crash:
                process[0] = Usage()

        return [lambda one=one: deliver(*one) for one in deliveries]  # type: ignore[misc]

    def rollover(self, tenant: Tenant, closings: list[tuple[int, bool]]) -> list[Step]:
        def close(dies: int, late: bool) -> None:
            actor = self.actors[2]
            actor.dies, actor.late = dies, late
            with suppress(Crash):
                close_months(self.clouds[2], tenant, self.world)

        return [lambda one=one: close(*one) for one in closings]  # type: ignore[misc]


def close_months(cloud: Cloud, tenant: Tenant, world: World) -> None:
    for month in MONTHS:
        key = _meter_keys.month(tenant, month)
        for row in [row["sk"] for row in table.query(cloud, METERS, "pk = :pk", {":pk": key.pk}, ConsistentRead=True)]:
            _archive.close(cloud, tenant, month, row, world.clock.now())


@pytest.fixture
def play(world: World, monkeypatch: pytest.MonkeyPatch) -> Play:
    # A month is split into rows at once.
    monkeypatch.setattr(_feature_rows, "MAX_FEATURES", 1)
    events: SimpleQueue[tuple[str, BaseException | None]] = SimpleQueue()
    clouds, actors = [], []
    for name in ("left", "right", "rollover"):
        # The guard of a tenant applies to all threads of a cloud, so each actor has its own cloud.
        cloud = Cloud(world.cloud.names, world.clock, environment={})
        actor = Actor(name, events)
        actor.gate(cloud.dynamodb, monkeypatch)
        clouds.append(cloud)
        actors.append(actor)
    return Play(world, clouds, events, actors)


def standing(world: World, org: str) -> tuple[Counter[str], Counter[str]]:
    """Read the counters of open months and archived periods, by `<period>#<feature>`."""
    going, closed = Counter[str](), Counter[str]()
    for row in world.rows("meters"):
        if row["pk"].startswith(f"{org}#month#"):
            going.update(_counters.counters(row))
        elif row["pk"].startswith(f"{org}#periods"):
            period = row["sk"].partition("#")[2]
            units = {name: value for name, value in row.items() if name.startswith(_archive.UNITS)}
            closed.update({f"{period}#{name.removeprefix(_archive.UNITS)}": value for name, value in units.items()})
    return going, closed


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # Without shrinking, which takes longer than a test may.
    phases=[Phase.explicit, Phase.generate],
)
@given(histories())
def test_any_interleaving_of_duplicates_crashes_and_redeliveries_counts_each_batch_once(
    play: Play, history: History
) -> None:
    world = play.world
    world.made += 1
    org = f"org_h{world.made}"
    world.organization(org)
    batches = [
        batch(number, amount, org, f"f{feature}", age) for number, (amount, feature, age) in enumerate(history.batches)
    ]
    left, right, rollover = play.actors
    stage(
        [
            (left, play.consumer(0, batches, history.deliveries[0])),
            (right, play.consumer(1, batches, history.deliveries[1])),
            (rollover, play.rollover(Tenant(org), history.closings)),
        ],
        play.events,
        iter(history.turns),
    )
    for start in range(0, len(batches), 10):
        world.deliver(Usage(), *batches[start : start + 10])
        world.deliver(Usage(), *reversed(batches[start : start + 10]))
    wanted = Counter[str]()
    for each in batches:
        for event in each.events:
            wanted.update({f"{_periods.name(kind, event.at)}#{event.feature}": event.amount for kind in _periods.KINDS})
    going, closed = standing(world, org)
    assert going + closed == wanted
    close_months(world.cloud, Tenant(org), world)
    going, closed = standing(world, org)
    assert going + closed == wanted
    over = {name for name in wanted if _periods.end(name.partition("#")[0]) + SKEW <= NOON}
    assert closed.keys() == over
