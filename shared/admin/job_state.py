"""State of a job in one word, for command line and console."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.job import schedule
from shared.job.outcome import verdict_word
from shared.run import budget_usage, pauses, status_view
from shared.run.claim_write import lease_expired
from shared.run.streaks import RECENT
from shared.store import keys
from shared.text.human import counted

if TYPE_CHECKING:
    from shared.job.manifest import Entry
    from shared.observability.mutes import Mute
    from shared.run.pauses import Pause

FAILING, LATE, RUNNING, PAUSED, FINE, NOT_RUN = KINDS = ("failing", "late", "running", "paused", "fine", "not run yet")


@dataclass(frozen=True, slots=True)
class JobState:
    """One job as its rows show it."""

    name: str
    entry: Entry
    #: The claim item of the whole job; empty before its first run.
    item: Mapping[str, Any]
    now: datetime
    #: Timestamp of its last dead letter; None without any, and where it was not read.
    last_dead_letter: datetime | None = None
    #: The newest tick that should have started and did not.
    overdue: datetime | None = None
    #: Claim items by target; empty where they were not read. A bad target makes the status of its job bad.
    targets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Pauses of targets and organizations by part; empty where they were not read.
    partial_pauses: Mapping[str, Pause] = field(default_factory=dict)
    #: Mutes of its alerts; empty where they were not read.
    mutes: Sequence[Mute] = ()
    #: The organization that was asked for, and the errors of its failed messages, the newest first.
    tenant: str = ""
    tenant_errors: Sequence[str] = ()

    @property
    def status(self) -> Mapping[str, Any]:
        return _status(self.item)

    @property
    def bad_targets(self) -> list[str]:
        """The targets whose last run was not good."""
        return [target for target, item in self.targets.items() if not _status(item).get("ok", True)]

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        if not self.status.get("ok", True) or self.bad_targets or self.tenant_errors:
            return FAILING
        if self.overdue and not self.paused:
            return LATE
        if any("holder" in item for item in self._items):
            return RUNNING
        if any(item.keys() & {"paused", "partial_pauses"} for item in self._items) or self.paused:
            return PAUSED
        return FINE if any(map(_status, self._items)) else NOT_RUN

    @property
    def word(self) -> str:
        """The kind; for a failing job the verdict of its worst run."""
        if self.kind == FAILING:
            return verdict_word(str(self._worst.get("outcome", "failed")), ok=False)
        return f"running {self.progress} %" if self.kind == RUNNING else self.kind

    @property
    def paused(self) -> str:
        """Operator, reason and end of its pause, or its used-up budget."""
        if "paused" in self.item:
            return pauses.note_of(self.item)
        usage = self.budget_usage
        return usage.pause_reason if usage and usage.used_up else ""

    @property
    def budget_usage(self) -> budget_usage.BudgetUsage | None:
        """Usage of its budget in the current period, if it has one."""
        return budget_usage.last_recorded(self.item, self.now) if "spent" in self.item else None

    @property
    def progress(self) -> int:
        """Percentage of the run in progress, the least of several."""
        return min((int(item.get("progress", 0)) for item in self._items if "holder" in item), default=0)

    @property
    def interrupted(self) -> bool:
        """Whether a run holds the lease beyond its end."""
        return lease_expired(self.item, self.now)

    @property
    def since(self) -> str:
        """Timestamp since which it fails."""
        return str(self._worst.get("failingSince") or self._worst.get("at", ""))

    @property
    def recent(self) -> str:
        """The last results, one character each; see shared/run/streaks.py."""
        return str(self.status.get(RECENT, ""))

    @property
    def streak(self) -> int:
        """Number of failures in a row."""
        item = self.targets.get(self._worst_target, self.item)
        return int(item.get("streak") or _status(item).get("streak", 0))

    @property
    def note(self) -> str:
        """Reason of a failure, bad result or skip, with its target."""
        note = str(self._worst.get("note", ""))
        return f"{self._worst_target}: {note or 'no reason given'}" if self._worst_target else note

    @property
    def last(self) -> str:
        """Timestamp of the end of the last run."""
        return max((str(_status(item).get("at", "")) for item in self._items), default="")

    @property
    def last_good(self) -> str:
        own = str(self.status.get("lastGood", ""))
        return own or max((str(_status(item).get("lastGood", "")) for item in self._items), default="")

    @property
    def upcoming(self) -> datetime | None:
        """The next tick; None where nothing is scheduled."""
        following = (next(schedule.read(text).after(self.now)) for text in self.entry["schedules"])
        return min(following, default=None)

    @property
    def order(self) -> tuple[int, str, str]:
        """Failing jobs first, those that failed longest before others."""
        return KINDS.index(self.kind), self.since if self.kind == FAILING else "", self.name

    def notes(self) -> Iterator[str]:
        """Facts for an operator, the most urgent first."""
        if self.tenant_errors:
            messages = counted(len(self.tenant_errors), "message")
            yield f"{messages} of {self.tenant} failed in 24 h, the last with: {self.tenant_errors[0]}"
        if self.streak > 1:
            yield f"{self.streak} in a row"
        if self.note or (self.kind == FAILING and not self.tenant_errors):
            yield self.note or "no reason given"
        if self.kind == LATE and self.overdue:
            yield f"its tick of {self.overdue:%Y-%m-%d %H:%M} UTC has not started"
        if text := self.paused or next((pauses.note_of(item) for item in self._items if "paused" in item), ""):
            yield f"paused: {text}"
        for part, pause in self.partial_pauses.items():
            yield f"paused for {part.replace('#', ' ', 1)}: {pause.note}"
        for mute in self.mutes:
            yield f"alerts muted until {mute.until[:16].replace('T', ' ')} UTC by {mute.who}: {mute.why}"

    def views(self) -> dict[str, dict[str, Any]]:
        """The statuses as the status route returns them, by status key."""
        own = keys.claims(self.entry["key"])
        shown = {own: status_view.with_budget(status_view.view(self.item), self.item, self.now)} if self.item else {}
        if "partial_pauses" in self.item:
            shown[own]["pauses"] = {part: pause.note for part, pause in self.partial_pauses.items()}
        return shown | {
            f"{own}:{target}": status_view.with_budget(status_view.view(item), item, self.now)
            for target, item in self.targets.items()
        }

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

    @property
    def _items(self) -> list[Mapping[str, Any]]:
        return [item for item in (self.item, *self.targets.values()) if item]

    @property
    def _worst_target(self) -> str:
        """The first bad target, where the job's own status is not bad."""
        return next(iter(self.bad_targets), "") if self.status.get("ok", True) else ""

    @property
    def _worst(self) -> Mapping[str, Any]:
        return _status(self.targets.get(self._worst_target, self.item))


def _status(item: Mapping[str, Any]) -> Mapping[str, Any]:
    status: Mapping[str, Any] = item.get("status") or {}
    return status
