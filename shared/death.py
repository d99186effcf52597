"""A run whose process ended before it did: written down, and its attempt counted, since it could not do so itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import corpse, firings, manifest, status
from shared.event import Firing

if TYPE_CHECKING:
    from shared.cloud import Cloud
    from shared.log import Log
    from shared.manifest import Entry


def follows(cloud: Cloud, log: Log, name: str, entry: Entry, firing: Firing, request: str, note: str) -> Firing | None:
    """The attempt after the one that died, which served `request`; safe to ask again.

    None where nothing follows: it had written how it ended, nobody retries it, or its attempts are used up, which is a
    dead letter.
    """
    found = corpse.item(cloud, entry, firing.target)
    if found.get("invocation") == request:
        if "holder" in found:
            corpse.bury(cloud, name, entry, found, note, firing)
            log.error(f"{name}_lost", lost=found["holder"], error=note, status="lost")
            log.metric(name, {"Lost": 1})
        elif (found.get("status") or {}).get("outcome") != "lost":
            # It had written how it ended, and left the process only then; its row is what may be missing.
            status.History(cloud, name, entry["retention"]).recover(firing, found["run"], found["status"])
            return None
    if not firing.retried:
        return None
    if manifest.policy(entry).delay(firing.attempt) is None:
        firings.send_dead(cloud, firing, found.get("run", ""), f"all {firing.attempt} attempts used up", note)
        return None
    return firing.again(status.cut(note, status.LONG), cloud.clock.now())
