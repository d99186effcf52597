"""A run whose process ended before it did: written down, and its attempt counted, since it could not do so itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import corpse, firings, manifest, status
from shared.event import Firing
from shared.outcome import Done

if TYPE_CHECKING:
    from shared.cloud import Cloud
    from shared.log import Log
    from shared.manifest import Entry


def told(cloud: Cloud, log: Log, name: str, entry: Entry, firing: Firing, request: str, note: str) -> str | None:
    """Write down that what served `request` died. The run's id, empty where none is known; None where it had not died:
    it had written how it ended, and left its process only then."""
    found = corpse.item(cloud, entry, firing.target)
    run: str = found.get("run", "")
    if found.get("invocation") != request:
        return run
    if "holder" in found:
        corpse.bury(cloud, name, entry, found, note, firing)
        log.error(f"{name}_lost", lost=found["holder"], error=note, status="lost")
        log.metric(name, {"Lost": 1})
    elif (found.get("status") or {}).get("outcome") != "lost":
        # Its row is what may be missing.
        status.History(cloud, name, entry["retention"]).recover(firing, run, found["status"])
        if firing.letter and found["status"]["outcome"] == Done.word:
            from shared.dead import end

            end.resolve(cloud, name, firing.letter, run, Done.word)
        return None
    return run


def follows(cloud: Cloud, log: Log, name: str, entry: Entry, firing: Firing, request: str, note: str) -> Firing | None:
    """The attempt after the one that died; safe to ask again.

    None where nothing follows: it had not died, nobody retries it, or its attempts are used up, which is a dead letter.
    """
    run = told(cloud, log, name, entry, firing, request, note)
    if run is None or not firing.retried:
        return None
    if manifest.policy(entry).delay(firing.attempt) is None:
        firings.send_dead(cloud, firing, run, f"all {firing.attempt} attempts used up", note)
        return None
    return firing.again(status.cut(note, status.LONG), cloud.clock.now())
