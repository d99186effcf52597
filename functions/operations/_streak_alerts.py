"""Alerts on streaks of failures, from the items of jobs and hosts.

`alerted` of an item is the streak that was alerted as JOB_FAILING and not yet as JOB_RECOVERED.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared import clock
from shared.advised_commands import advised
from shared.aws.cloud import Cloud
from shared.job import NO_TARGET, tables
from shared.job.manifest import Entry
from shared.observability.alerts import Alert
from shared.run.streaks import ENDED
from shared.store import table
from shared.store.keys import RowKey
from shared.text.human import duration_text

FAILING, RECOVERED = "JOB_FAILING", "JOB_RECOVERED"
NEVER = "never"
# Reason of the pause that an alert advises.
PAUSED_BY_ALERT = "JOB_FAILING alert"


@dataclass(frozen=True, slots=True)
class Streak:
    """Failures in a row of a job or a host."""

    count: int
    first_error: str
    #: Timestamp of the first failure; empty in items of earlier versions.
    since: str
    #: Timestamp of the last good run before it; empty if there was none.
    last_good: str
    #: Timestamp of the good run that ended it; empty if it goes on.
    until: str = ""

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Streak:
        texts = (str(record.get(name, "")) for name in ("firstError", "since", "lastGood", "until"))
        return cls(int(record["count"]), *texts)

    @classmethod
    def of_item(cls, item: Mapping[str, Any]) -> Streak:
        """Return the current streak; its count is 0 without one."""
        status = item.get("status") or {}
        # Items without a claim, of hosts and consumers, count in attributes of their own.
        counted = item if "streak" in item else status
        count = int(counted.get("streak", 0))
        first = str(counted.get("firstError") or status.get("note", "")) if count else ""
        return cls(count, first, *(str(counted.get(name) or "") for name in ("failingSince", "lastGood")))

    @property
    def id(self) -> str:
        return self.since or self.last_good or NEVER


@dataclass(frozen=True, slots=True)
class StreakAlerts:
    """The alerts that an item calls for, and its mark after them."""

    alerts: tuple[Alert, ...]
    #: The item's `alerted` after them; empty for none.
    alerted: str


class Subject:
    """A job, or a host or shard of it, with its item."""

    def __init__(self, cloud: Cloud, job: str, entry: Entry, item: Mapping[str, Any]) -> None:
        self.cloud = cloud
        self.job = job
        self.entry = entry
        self.item = item
        self.target = str(item["sk"])
        self.name = job if self.target == NO_TARGET else f"{job} {self.target}"

    def alerts(self, threshold: int) -> StreakAlerts:
        """Return the alerts on streaks of at least `threshold` failures.

        Each streak has one when it reaches that, and one when it has ended.
        """
        alerted, found = str(self.item.get("alerted", "")), list[Alert]()
        for streak in map(Streak.of_record, self.item.get(ENDED, ())):
            if streak.count >= threshold or alerted == streak.id:
                found += [] if alerted == streak.id else [self._failing(streak)]
                found.append(self._recovered(streak))
                alerted = "" if alerted == streak.id else alerted
        current = Streak.of_item(self.item)
        if alerted and (current.count == 0 or alerted != current.id):
            # Its record was left out: only the recovery is known.
            until = "" if current.count else current.last_good
            found.append(self._recovered(Streak(0, "", "", "", until), alerted))
            alerted = ""
        if current.count >= threshold and not alerted:
            found.append(self._failing(current))
            alerted = current.id
        return StreakAlerts(tuple(found), alerted)

    def mark(self, after: StreakAlerts) -> None:
        """Record that the alerts were sent, if they change anything.

        After them: the other order might never send them, and in this one a repeat deduplicates them.
        """
        before, records = self.item.get("alerted"), self.item.get(ENDED)
        if records is None and after.alerted == (before or ""):
            return
        sets = "SET alerted = :after" if after.alerted else ""
        removes = [ENDED] if after.alerted else [ENDED, "alerted"]
        conditions = [
            "attribute_not_exists(alerted)" if before is None else "alerted = :before",
            f"attribute_not_exists({ENDED})" if records is None else f"{ENDED} = :records",
        ]
        values = {":after": after.alerted or None, ":before": before, ":records": records}
        table.update_if(
            self.cloud,
            tables.STATE,
            RowKey(self.item["pk"], self.item["sk"]),
            f"{sets} REMOVE {', '.join(removes)}".strip(),
            {name: value for name, value in values.items() if value is not None},
            " AND ".join(conditions),
        )

    def _failing(self, streak: Streak) -> Alert:
        status = self.item.get("status") or {}
        # The last run belongs to no streak that has ended.
        last = {} if streak.until else {"lastError": status.get("note", ""), "lastRun": status.get("at", "")}
        fields = {**self._fields(streak), **last}
        return self._alert(FAILING, fields, [*self._commands()], f"failing#{self.name}#{streak.id}")

    def _recovered(self, streak: Streak, alerted: str = "") -> Alert:
        fields = {**self._fields(streak), "recovered": streak.until, "outage": _outage(streak)}
        return self._alert(RECOVERED, fields, [*self._commands()][:2], f"recovered#{self.name}#{alerted or streak.id}")

    def _alert(self, kind: str, fields: Mapping[str, Any], commands: list[str], alert_id: str) -> Alert:
        return Alert(kind, self.name, fields, commands, alert_id, clock.iso(self.cloud.clock.now()))

    def _fields(self, streak: Streak) -> dict[str, Any]:
        return {
            "job": self.job,
            "entityId": self.target,
            "streak": streak.count,
            "firstError": streak.first_error,
            "failingSince": streak.since,
            "lastGood": streak.last_good or NEVER,
        }

    def _commands(self) -> Iterator[str]:
        """Commands to act: first the two that only look."""
        stage = self.cloud.names.stage
        target = [] if self.target == NO_TARGET else ["--target", self.target]
        yield advised(stage, "why", self.job, *target)
        yield advised(stage, "runs", self.job)
        if self.entry["queue"]:
            # A consumer has no run of its own: its messages are redriven.
            yield advised(stage, "dead", "list", self.job)
        else:
            yield advised(stage, self.job, *target)
        if not self.entry["collector"]:
            yield advised(stage, "pause", self.job, *target, "--reason", PAUSED_BY_ALERT)


def _outage(streak: Streak) -> str:
    """Return how long it took, for people; empty where it is unknown."""
    if not streak.since or not streak.until:
        return ""
    return duration_text(clock.parse(streak.until) - clock.parse(streak.since))
