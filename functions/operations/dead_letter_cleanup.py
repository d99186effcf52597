from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from shared import clock
from shared.archetypes.purge import Purge
from shared.aws.names import STATE
from shared.aws.permissions import delete_rows, read_rows
from shared.dead_letters import store
from shared.dead_letters.letter import RETRYING, UNKNOWN_JOB
from shared.job import manifest
from shared.job.duration import days
from shared.job.idempotency import natural
from shared.job.schedule import weekly
from shared.run.context import RunContext
from shared.store.age_index import Row
from shared.tables import STATE as TABLE


class DeadLetterCleanup(Purge):
    """Delete dead letters, with their payloads, that nobody has dealt with for 30 days."""

    schedule = weekly(day="sun", hour=4, minute=37)
    table = TABLE
    # The rows' own keys have them by age: `dead#<job>` / `<instant>#<mark>`.
    index = ""
    keep = days(30)
    # A bad day leaves hundreds of letters, and a month later they all go at once.
    few = 1000
    objects: ClassVar = {"payload": "dead/"}
    reads = ("diedAt", "state", "retryEnds")
    idempotency = natural("a letter once deleted is not found again, and its payload goes before it")
    permissions = (read_rows(STATE, "dead", "dead#*"), delete_rows(STATE, "dead#*"))
    needs_manifest = True

    def partitions(self, run: RunContext) -> Sequence[str]:
        # Also those of jobs that are gone.
        return [
            f"dead#{job}" for job in sorted({*manifest.load(), UNKNOWN_JOB, *store.jobs_with_dead_letters(run.cloud)})
        ]

    def spare(self, run: RunContext, row: Row) -> str:
        """A letter that was sent again is as old as its last death."""
        if row.item.get("diedAt", "") > clock.iso(self.cutoff(run)):
            return f"it died again at {row.item['diedAt']}"
        if row.item.get("state") == RETRYING and row.item.get("retryEnds", "") >= clock.iso(run.started):
            return "it is on its way again"
        return ""

    def describe(self, row: Row) -> str:
        at, _, mark = row.sk.partition("#")
        return f"{mark[:8]} of {row.pk.removeprefix('dead#')}, given up at {at}"
