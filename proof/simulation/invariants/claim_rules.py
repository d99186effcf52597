"""Invariant: one holder at most, and fences that only grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proof.simulation.invariants.invariant import Invariant

if TYPE_CHECKING:
    from proof.simulation.simulated_process import SimulatedProcess
    from proof.simulation.simulated_world import Answer
    from proof.world.memory_lambda import PendingInvocation


class ClaimRules(Invariant):
    """Each write of a claim item, as `ClaimWatch` judges it."""

    name = "claims"

    def ended(self, process: SimulatedProcess, invocation: PendingInvocation, answer: Answer) -> None:
        claims = self.world.claims
        for text in claims.violations:
            self.violated(text)
        claims.violations.clear()

    def hourly(self) -> None:
        """Forget the owners whose processes have ended."""
        owners = self.world.claims.owners
        alive = {id(each) for each in self.world.alive}
        for run in [run for run, process in owners.items() if id(process) not in alive]:
            if not self._holds(run):
                del owners[run]

    def _holds(self, run: str) -> bool:
        # A day: no lease is longer, and a frozen process continues within it.
        return run[:8] >= f"{self.world.clock.now():%Y%m%d}" or bool(self.world.alive)
