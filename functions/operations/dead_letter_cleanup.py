from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from shared import clock
from shared.archetypes.purge import Purge, Row
from shared.dead_letters import store
from shared.dead_letters.letter import RETRYING, UNKNOWN_JOB
from shared.job import RunContext, days, delete_rows, manifest, natural, read_rows, tables, weekly
from shared.store import keys


class DeadLetterCleanup(Purge):
    """Delete dead letters that were not resolved for 30 days.

    Their payloads are deleted with them.
    """

    schedule = weekly(day="sun", hour=4, minute=37)
    table = tables.STATE
    # The sort key begins with the timestamp: no index is needed.
    index = ""
    keep = days(30)
    # One bad day leaves hundreds of dead letters, which are all due on the same day a month later.
    few = 1000
    objects: ClassVar = {"payload": "dead/"}
    reads = ("diedAt", "state", "retryEnds")
    idempotency = natural("a deleted dead letter is not selected again, and its payload is deleted before it")
    permissions = (
        read_rows(tables.STATE.name, keys.jobs_with_dead_letters(), keys.dead_letters("*")),
        delete_rows(tables.STATE.name, keys.dead_letters("*")),
    )
    needs_manifest = True

    def partitions(self, run: RunContext) -> Sequence[str]:
        # Removed jobs included.
        jobs = {*manifest.load(), UNKNOWN_JOB, *store.jobs_with_dead_letters(run.cloud)}
        return [keys.dead_letters(job) for job in sorted(jobs)]

    def spare(self, run: RunContext, row: Row) -> str:
        """Return why a dead letter must stay, or "".

        It failed again after a redrive since the cutoff, or is being redriven.
        """
        if row.item.get("diedAt", "") > clock.iso(self.cutoff(run)):
            return f"it failed again at {row.item['diedAt']}"
        if row.item.get("state") == RETRYING and row.item.get("retryEnds", "") >= clock.iso(run.started):
            return "it is being redriven"
        return ""

    def describe(self, row: Row) -> str:
        at, _, letter_id = row.sk.partition("#")
        return f"{letter_id[:8]} of {row.pk.removeprefix(keys.dead_letters(''))}, failed at {at}"
