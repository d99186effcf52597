"""Actions of operators in a simulation."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from proof.world.memory_cloud import MemoryCloud
from proof.world.process import Process
from shared.admin import pause
from shared.admin.pause import PauseRefused
from shared.run.pauses import WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proof.simulation.simulated_world import SimulatedWorld
    from shared.aws.cloud import Cloud

# Seconds for which an operator's process may run: not limited.
UNLIMITED = 10**9
OPERATOR, REASON = "ada", "simulation"


class OperatorActions:
    """Pauses and readings. They take no virtual time, and meet no disturbance."""

    def __init__(self, world: SimulatedWorld) -> None:
        self.world = world

    @contextmanager
    def cloud(self) -> Iterator[Cloud]:
        """Clients of an operator's process."""
        world = self.world
        process = Process(world, "operator", UNLIMITED)
        now, running = world.clock.now(), world.processes
        world.processes = [*world.alive, process]
        try:
            yield MemoryCloud(world, process)
        finally:
            world.processes = running
            world.clock.instant = now

    def pause(self, job: str) -> None:
        """Pause a job, unless it is paused."""
        with self.cloud() as cloud, suppress(PauseRefused):
            pause.pause(cloud, self.world.jobs[job], WHOLE, OPERATOR, REASON)

    def resume(self, job: str) -> None:
        """Resume a job, if it is paused."""
        with self.cloud() as cloud, suppress(PauseRefused):
            pause.resume(cloud, self.world.jobs[job], WHOLE, OPERATOR, REASON)
