"""The period of ticks that one run of the reconciler judges."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.job import NO_TARGET, RunContext, manifest
from shared.ledger import daily, ledger
from shared.run import lost_runs

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ReconcileWindow:
    """Ticks from `since` on, before `until`."""

    since: datetime
    until: datetime
    #: Up to here ticks can be judged now.
    end: datetime
    #: The last job done, in the order of names.
    after: str = ""

    @classmethod
    def of(cls, run: RunContext) -> ReconcileWindow:
        """Return the window of a run, from the end of the last.

        That end follows from the reconciler's last tick. It is limited by the work cap, in hours. A run that continues
        an interrupted one keeps its window: all jobs see the same windows. A fresh deployment begins now.
        """
        end = _floor(run.at) - ledger.SETTLING_TIME
        checkpoint: dict[str, Any] = run.checkpoint or {}
        if checkpoint:
            since, until = clock.parse(checkpoint["since"]), clock.parse(checkpoint["until"])
            return cls(since, min(until, end), end, checkpoint["after"])
        last = ledger.tick_of(_last_position(run))
        since = min(last - ledger.SETTLING_TIME if last else end, end)
        return cls(max(since, end - daily.RETENTION), end, end).limited(run.cap)

    def limited(self, hours: int) -> ReconcileWindow:
        return replace(self, until=min(self.end, self.since + timedelta(hours=hours)))

    def following(self, hours: int) -> ReconcileWindow:
        return replace(self, since=self.until, after="").limited(hours)

    def checkpoint(self, after: str) -> dict[str, str]:
        return {"since": clock.minute(self.since), "until": clock.minute(self.until), "after": after}


def judged_until(cloud: Cloud) -> datetime:
    """Return up to when the ticks of all jobs are judged.

    It follows from the reconciler's claim item; EPOCH without one. Up to then the daily ledger has all whole periods
    (`ledger_period`).
    """
    item = lost_runs.claim_item(cloud, manifest.load()["reconciler"], NO_TARGET)
    checkpoint = str(item.get("checkpoint", ""))
    if checkpoint:
        # An unfinished run has judged some jobs up to its end, and all jobs up to its beginning only.
        return clock.parse(json.loads(checkpoint)["since"]) if checkpoint.startswith("{") else EPOCH
    last = ledger.tick_of(str(item.get("last", "")))
    return last - ledger.SETTLING_TIME if last else EPOCH


def _last_position(run: RunContext) -> str:
    if run.claim is not None:
        return run.claim.last
    entry = manifest.of([run.job])[run.job.name]
    return str(lost_runs.claim_item(run.cloud, entry, NO_TARGET).get("last", ""))


def _floor(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)
