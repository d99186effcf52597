"""Sample data for every group of jobs that can be seeded."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING

from proof.world.memory_cloud import MemoryCloud
from proof.world.process import Process

if TYPE_CHECKING:
    from proof.world.world import World

# Seconds for which the process that seeds may run: not limited.
UNLIMITED = 10**9


def write_samples(world: World, count: int) -> None:
    """Call `functions.<group>.seed.seed` of each group, with the same data each time."""
    process = Process(world, "seed", UNLIMITED)
    world.processes.append(process)
    now = world.clock.now()
    try:
        for group in sorted({job.group for job in world.jobs.values()}):
            name = f"functions.{group}.seed"
            if importlib.util.find_spec(name) is not None:
                importlib.import_module(name).seed(MemoryCloud(world, process), count, 1)
    finally:
        world.processes.pop()
    # The writes took no time.
    world.clock.instant = now
