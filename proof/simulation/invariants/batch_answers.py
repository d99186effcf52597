"""Invariant: a consumer that has time answers its batch."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from proof.simulation.invariants.invariant import Invariant

if TYPE_CHECKING:
    from proof.simulation.simulated_process import SimulatedProcess
    from proof.simulation.simulated_world import Answer
    from proof.world.memory_lambda import PendingInvocation

# Time before its limit in which a process may give up.
FINISHING = timedelta(seconds=10)


class BatchAnswers(Invariant):
    """No exception leaves the handler of a consumer that has time."""

    name = "batch answers"

    def ended(self, process: SimulatedProcess, invocation: PendingInvocation, answer: Answer) -> None:
        if not process.raised or not self.world.jobs[process.job].queue or process.thawed:
            return
        if self.world.clock.now() < process.stopped_at - FINISHING:
            self.violated(f"{process.job} did not answer its batch: {process.raised}")
