"""Sample data of every group of jobs, written into a world."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.commands.seed import seed, seeded_groups
from proof.world.memory_cloud import MemoryCloud
from proof.world.process import Process

if TYPE_CHECKING:
    from proof.world.world import World

# Seconds for which the process that seeds may run: not limited.
UNLIMITED = 10**9


def write_samples(world: World, count: int, number: int = 1) -> None:
    """Seed each group, with the same data each time.

    The writes take no virtual time.
    """
    process = Process(world, "seed", UNLIMITED)
    world.processes.append(process)
    now = world.clock.now()
    try:
        for group in seeded_groups(world.jobs.values()):
            seed(group, MemoryCloud(world, process), count, number)
    finally:
        world.processes.pop()
    world.clock.instant = now
