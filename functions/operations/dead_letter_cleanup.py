from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared import clock, manifest
from shared.aged import Row
from shared.archetypes.purge import Purge
from shared.dead import store
from shared.dead.letter import RETRYING, UNKNOWN
from shared.idempotency import natural
from shared.job import STATE
from shared.permissions import delete_objects, delete_rows, read_rows
from shared.schedule import weekly
from shared.span import days
from shared.tables import STATE as TABLE
from shared.tick import Tick


class DeadLetterCleanup(Purge):
    """Delete dead letters, with their payloads, that nobody has dealt with for 30 days."""

    schedule = weekly(day="sun", hour=4, minute=37)
    table = TABLE
    # The rows' own keys have them by age: `dead#<job>` / `<instant>#<mark>`.
    index = ""
    keep = days(30)
    # A bad day leaves hundreds of letters, and a month later they all go at once.
    few = 1000
    reads = ("payload", "diedAt", "state", "retryEnds")
    idempotency = natural("a letter once deleted is not found again, and its payload goes before it")
    permissions = (read_rows(STATE, "dead", "dead#*"), delete_rows(STATE, "dead#*"), delete_objects("dead/*"))
    needs_manifest = True

    def partitions(self, tick: Tick) -> Sequence[str]:
        # Also those of jobs that are gone.
        return [f"dead#{job}" for job in sorted({*manifest.load(), UNKNOWN, *store.jobs(tick.cloud)})]

    def spare(self, tick: Tick, row: Row) -> str:
        """A letter that was sent again is as old as its last death."""
        if row.item.get("diedAt", "") > clock.iso(self.cutoff(tick)):
            return f"it died again at {row.item['diedAt']}"
        if row.item.get("state") == RETRYING and row.item.get("retryEnds", "") >= clock.iso(tick.started):
            return "it is on its way again"
        return ""

    def archive(self, tick: Tick, rows: Sequence[Row]) -> None:
        """The payloads: before the rows that name them, since without those nobody would find them any more."""
        objects: Any = [{"Key": row.item["payload"]} for row in rows if "payload" in row.item]
        if not objects:
            return
        answer = tick.cloud.s3.delete_objects(
            Bucket=tick.cloud.names.bucket, Delete={"Objects": objects, "Quiet": True}
        )
        failed = answer.get("Errors", [])
        if failed:
            raise OSError(f"{len(failed)} payloads were not deleted, {failed[0]['Key']}: {failed[0].get('Message')}")

    def describe(self, row: Row) -> str:
        at, _, mark = row.sk.partition("#")
        return f"{mark[:8]} of {row.pk.removeprefix('dead#')}, given up at {at}"
