"""A minimal job for tests of runs: it has no schedule, and its work is done at once."""

from __future__ import annotations

from shared.job import Done, Job, Outcome, RunContext, natural


class Sweep(Job):
    """Sweep due rows."""

    name = "sweep"
    timeout = 60
    idempotency = natural("a swept row is not found again")

    def work(self, run: RunContext) -> Outcome:
        return Done()
