"""The state of every job in one word, from one BatchGetItem.

For pages that show all jobs: the claim items of whole jobs, which of them have dead letters, and since when ticks are
expected. Targets are left out; a bad target makes the status of its job bad.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.dead_letters.letter import RETENTION
from shared.job import schedule
from shared.job.outcome import verdict_word
from shared.ledger import expected_since, ledger
from shared.run import pauses
from shared.run.claim_write import lease_expired, without_ended_pauses
from shared.store import keys
from shared.store.batch_get import batch_get_rows
from shared.store.keys import RowKey
from shared.tables import STATE, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.manifest import Entry

FAILING, LATE, RUNNING, PAUSED, FINE, NOT_RUN = KINDS = ("failing", "late", "running", "paused", "fine", "not run yet")
# Periods in which a tick is looked for that should have started, one after the other: a job may have one each minute.
LOOK_BACK = (timedelta(minutes=10), timedelta(hours=2), timedelta(hours=26))


@dataclass(frozen=True, slots=True)
class JobState:
    """One job as its rows show it."""

    name: str
    entry: Entry
    #: The claim item of the whole job; empty before its first run.
    item: Mapping[str, Any]
    now: datetime
    #: Timestamp of its last dead letter; None without any.
    last_dead_letter: datetime | None = None
    #: The newest tick that should have started and did not.
    overdue: datetime | None = None

    @property
    def status(self) -> Mapping[str, Any]:
        status: Mapping[str, Any] = self.item.get("status") or {}
        return status

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        if self.status and not self.status.get("ok", True):
            return FAILING
        if self.overdue and not self.paused:
            return LATE
        if "holder" in self.item:
            return RUNNING
        if self.paused or "partial_pauses" in self.item:
            return PAUSED
        return FINE if self.status else NOT_RUN

    @property
    def word(self) -> str:
        """The kind; for a failing job the verdict of its last run."""
        if self.kind == FAILING:
            return verdict_word(str(self.status.get("outcome", "failed")), ok=False)
        return f"running {self.progress} %" if self.kind == RUNNING else self.kind

    @property
    def paused(self) -> str:
        """Operator, reason and end of a pause of the whole job."""
        return pauses.note_of(self.item) if "paused" in self.item else ""

    @property
    def progress(self) -> int:
        return int(self.item.get("progress", 0))

    @property
    def interrupted(self) -> bool:
        """Whether a run holds the lease beyond its end."""
        return lease_expired(self.item, self.now)

    @property
    def since(self) -> str:
        """Timestamp since which it fails."""
        return str(self.status.get("failingSince") or self.status.get("at", ""))

    @property
    def streak(self) -> int:
        return int(self.status.get("streak", 0))

    @property
    def note(self) -> str:
        return str(self.status.get("note", ""))

    @property
    def last(self) -> str:
        """Timestamp of the end of the last run."""
        return str(self.status.get("at", ""))

    @property
    def last_good(self) -> str:
        return str(self.status.get("lastGood", ""))

    @property
    def upcoming(self) -> datetime | None:
        """The next tick; None where nothing is scheduled."""
        following = (next(schedule.read(text).after(self.now)) for text in self.entry["schedules"])
        return min(following, default=None)

    @property
    def order(self) -> tuple[int, str, str]:
        """Failing jobs first, those that failed longest before others."""
        return KINDS.index(self.kind), self.since if self.kind == FAILING else "", self.name

    def data(self) -> dict[str, Any]:
        """The state for JSON."""
        return {
            "job": self.name,
            "state": self.kind,
            "verdict": self.word,
            "note": self.note or None,
            "since": self.since if self.kind == FAILING else None,
            "last": self.last or None,
            "lastGood": self.last_good or None,
            "next": clock.iso(self.upcoming) if self.upcoming else None,
            "paused": self.paused or None,
        }


def read(cloud: Cloud, entries: Mapping[str, Entry]) -> list[JobState]:
    """Read the state of these jobs, failing ones first.

    One call for up to 49 jobs, and one for each further 50.
    """
    claims = {name: keys.claim(entry["key"]) for name, entry in entries.items()}
    letters = {name: keys.job_with_dead_letters(name) for name in entries}
    wanted = (*claims.values(), *letters.values(), keys.expected_since())
    rows = {RowKey(row["pk"], row["sk"]): row for row in batch_get_rows(cloud, STATE, wanted, patient=False)}
    now, expected = cloud.clock.now(), rows.get(keys.expected_since(), {})
    states = []
    for name, entry in entries.items():
        item = without_ended_pauses(rows.get(claims[name], {}), now)
        states.append(
            JobState(
                name,
                entry,
                item,
                now,
                _last_dead_letter(rows.get(letters[name]), now),
                _overdue(entry, item, expected_since.since(expected, name), now),
            )
        )
    return sorted(states, key=lambda state: state.order)


def _last_dead_letter(row: Mapping[str, Any] | None, now: datetime) -> datetime | None:
    """When the row was written: its expiry is a fixed time later."""
    if row is None or row[TTL] < now.timestamp():
        return None
    return now + timedelta(seconds=row[TTL] - now.timestamp()) - timedelta(days=1) - RETENTION


def _overdue(entry: Entry, item: Mapping[str, Any], since: datetime | None, now: datetime) -> datetime | None:
    """The newest settled tick, if it left no trace."""
    if since is None or "status" not in item or not entry["schedules"]:
        return None
    periods = (ledger.expected_ticks(entry, max(now - each, since), now - ledger.SETTLING_TIME) for each in LOOK_BACK)
    settled = next(filter(None, periods), None)
    if not settled:
        return None
    claimed = ledger.newest_claimed_tick(item)
    # A run that was refused by a gate leaves its status and claims nothing.
    seen = max(filter(None, (claimed, clock.parse(item["status"]["at"]))))
    return settled[-1] if settled[-1] > seen else None
