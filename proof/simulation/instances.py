"""Warm instances of functions, each with its caches and its clock."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from proof.simulation.simulated_process import InstanceClock
from shared.job.definition import Job

if TYPE_CHECKING:
    from proof.simulation.simulated_world import SimulatedWorld
    from proof.world.memory_cloud import MemoryCloud

# Invocations of one instance after which Lambda may replace it.
REUSED = 50


@dataclass(slots=True)
class Instance:
    """One instance. It serves one event at a time."""

    job: Job
    clock: InstanceClock
    #: Number of the deployment whose settings it has.
    deployment: int
    #: The clients of its first process, which stay; None before it.
    cloud: MemoryCloud | None = None
    served: int = 0


class Instances:
    """Idle instances by job."""

    def __init__(self, world: SimulatedWorld, seed: str) -> None:
        self.world = world
        #: Seconds by which clocks of new instances differ at most.
        self.skew = 0.0
        self._random = Random(seed)
        self._idle: dict[str, list[Instance]] = {}
        self._deployment = 0

    def take(self, job: Job) -> Instance:
        """Return an idle instance, or a new one."""
        idle = self._idle.get(job.name, [])
        if idle:
            instance = idle.pop()
        else:
            skew = self._random.uniform(-self.skew, self.skew)
            instance = Instance(type(job)(), InstanceClock(self.world, skew), self._deployment)
        instance.served += 1
        return instance

    def give_back(self, instance: Instance) -> None:
        """Keep an instance whose process has not ended."""
        if instance.deployment == self._deployment and instance.served < REUSED:
            self._idle.setdefault(instance.job.name, []).append(instance)

    def replace_all(self) -> None:
        """Let all later events meet new instances."""
        self._deployment += 1
        self._idle.clear()
