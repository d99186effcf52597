"""What one run of the reconciler has to go through."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws.names import NO_TARGET
from shared.job import manifest
from shared.ledger import daily, ledger
from shared.run import lost_runs
from shared.run.context import RunContext

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """Ticks from `since` on, before `until`; `end` is where the schedule is settled now. after: the last job done."""

    since: datetime
    until: datetime
    end: datetime
    after: str = ""

    @classmethod
    def of(cls, run: RunContext) -> Span:
        """From where the last pass ended, which its own last tick tells; a fresh deployment has nothing behind it.

        It ends after as many hours as the work cap allows, and where an earlier run was cut short, where that would
        have ended: all jobs see the same spans.
        """
        end = _floor(run.at) - ledger.SETTLING_TIME
        left: dict[str, Any] = run.checkpoint or {}
        if left:
            since, until = clock.parse(left["since"]), clock.parse(left["until"])
            return cls(since, min(until, end), end, left["after"])
        before = ledger.tick_of(_last(run))
        since = min(before - ledger.SETTLING_TIME if before else end, end)
        return cls(max(since, end - daily.RETENTION), end, end).capped(run.cap)

    def capped(self, hours: int) -> Span:
        return replace(self, until=min(self.end, self.since + timedelta(hours=hours)))

    def onward(self, hours: int) -> Span:
        return replace(self, since=self.until, after="").capped(hours)

    def checkpoint(self, after: str) -> dict[str, str]:
        return {"since": clock.minute(self.since), "until": clock.minute(self.until), "after": after}


def settled(cloud: Cloud) -> datetime:
    """How far every job's ticks are judged and its rows folded, by the reconciler's own item; EPOCH where it has none.

    Folded are whole stretches up to then.
    """
    item = lost_runs.claim_item(cloud, manifest.load()["reconciler"], NO_TARGET)
    left = str(item.get("checkpoint", ""))
    if left:
        # A pass that was cut short has done some jobs up to its end, and all of them up to its beginning.
        return clock.parse(json.loads(left)["since"]) if left.startswith("{") else EPOCH
    before = ledger.tick_of(str(item.get("last", "")))
    return before - ledger.SETTLING_TIME if before else EPOCH


def _last(run: RunContext) -> str:
    if run.claim is not None:
        return run.claim.last
    entry = manifest.of([run.job])[run.job.name]
    return str(lost_runs.claim_item(run.cloud, entry, NO_TARGET).get("last", ""))


def _floor(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)
