"""See the catalogue, PF-06: a run that is killed cannot say so itself."""

from __future__ import annotations

from shared import backoff, corpse, manifest
from shared.idempotency import version_check
from shared.job import STATE, Job
from shared.outcome import Done, Outcome
from shared.permissions import read_rows, write_rows
from shared.schedule import every
from shared.tick import Tick


class Reconciler(Job):
    """Find runs whose lease ran out and mark them lost."""

    schedule = every(minutes=5, offset=3)
    timeout = 60
    # It tells of everybody's silence but its own.
    silent_after = 15 * 60
    retry = backoff.MAINTENANCE
    idempotency = version_check("a lease is only taken off the holder that it was read with")
    permissions = (read_rows(STATE, "*"), write_rows(STATE, "*"))
    needs_manifest = True

    def work(self, tick: Tick) -> Outcome:
        lost = 0
        for name, entry in manifest.load().items():
            for found in corpse.expired(tick.cloud, entry):
                note = f"no word since {found['started']}; its lease ran out"
                if corpse.bury(tick.cloud, name, entry, found, note):
                    lost += 1
                    tick.log.error(f"{name}_lost", lost=found["holder"], target=found["sk"], error=note)
                    tick.log.metric(name, {"Lost": 1})
        return Done({"lost": lost})

    def plan(self, tick: Tick) -> list[str]:
        return [
            f"mark {found['holder']} of {name} {found['sk']} lost"
            for name, entry in manifest.load().items()
            for found in corpse.expired(tick.cloud, entry)
        ]
