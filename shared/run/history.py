"""Run history: one row per run or gap of missed ticks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.aws.names import NO_TARGET
from shared.job import retention
from shared.job.outcome import Done, Outcome
from shared.redaction import LONG, excerpt
from shared.run.claim_write import manual_label
from shared.run.firing import Firing
from shared.run.status import explanation
from shared.store import failure_index, keys, table
from shared.tables import STATE, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Condition of the rows that the run itself would write better: written only where no outcome is there.
NO_OUTCOME = "attribute_not_exists(outcome)"


def gap_id(first: datetime) -> str:
    """Return the id for the row of missed ticks from `first`."""
    return f"{first:%Y%m%dT%H%M%S}.000Z-missed"


def tick_label(firing: Firing) -> str:
    """Return the position, or the id of a manual run."""
    return manual_label(firing) if firing.manual else firing.position


def started_by(run: str) -> datetime:
    """Return the start of a run by its id, see `begin.run_id`."""
    return datetime.strptime(run[:19], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)


class History:
    """The history rows of one job."""

    def __init__(self, cloud: Cloud, job: str, kept: str) -> None:
        """`kept` is the job's declared retention, as text."""
        self.cloud = cloud
        self.job = job
        self.retention = retention.read(kept)

    def write(
        self,
        firing: Firing,
        run: str,
        started: datetime,
        outcome: Outcome,
        ms: int,
        artifact: str = "",
    ) -> None:
        """Write the row of a run. A repeat writes the same.

        A row with another outcome is left alone.
        """
        ended = started + timedelta(milliseconds=ms)
        values = {
            "job": self.job,
            "target": firing.target,
            "tick": tick_label(firing),
            "attempt": firing.attempt,
            "outcome": outcome.word,
            "ok": outcome.ok,
            "started": clock.iso(started),
            "ms": ms,
            "note": excerpt(explanation(outcome), LONG) or None,
            "counts": redaction.data(dict(outcome.counts)) if isinstance(outcome, Done) and outcome.counts else None,
            "artifact": artifact or None,
            "correlationId": firing.correlation_id or None,
            TTL: int((ended + self.retention.of(outcome.ok).expires).timestamp()),
            **({} if outcome.ok else failure_index.keys_of_run(self.job, run, started)),
        }
        self._set(run, values, f"{NO_OUTCOME} OR outcome = :word", {":word": outcome.word})

    def record_lost(self, run: str, target: str, note: str, tick: str = "", attempt: int = 0) -> None:
        """Write the row of a run that was interrupted.

        tick, attempt: of its firing, as far as they are known.
        """
        started = started_by(run)
        values = {
            "job": self.job,
            "target": target,
            "tick": tick or None,
            "attempt": attempt or None,
            "outcome": "lost",
            "ok": False,
            "started": clock.iso(started),
            "note": excerpt(note, LONG),
            TTL: self._expiry(),
            **failure_index.keys_of_run(self.job, run, started),
        }
        self._set(run, values, NO_OUTCOME, {})

    def record_finished(
        self, run: str, target: str, status: Mapping[str, Any], tick: str, attempt: int, correlation: str = ""
    ) -> bool:
        """Write the missing row of a finished run.

        False where it is there, or would have expired.

        status: the one that the run wrote to its claim item.
        """
        started, ended = started_by(run), clock.parse(status["at"])
        expires = ended + self.retention.of(status["ok"]).expires
        if expires <= self.cloud.clock.now():
            return False
        values = {
            "job": self.job,
            "target": target,
            "tick": tick or None,
            "attempt": attempt or None,
            "outcome": status["outcome"],
            "ok": status["ok"],
            "started": clock.iso(started),
            "ms": status["ms"],
            "note": status.get("note"),
            "correlationId": correlation or None,
            TTL: int(expires.timestamp()),
            **({} if status["ok"] else failure_index.keys_of_run(self.job, run, started)),
        }
        return self._set(run, values, NO_OUTCOME, {})

    def record_missed(self, first: datetime, to: datetime, count: int, note: str, covered: str) -> None:
        """Write one row for `count` consecutive ticks that left no trace.

        A longer gap from `first` replaces it.

        covered: position of the tick whose run stands for them; empty while none does.
        """
        values = {
            "job": self.job,
            "target": NO_TARGET,
            "outcome": "missed",
            "ok": False,
            "started": clock.iso(first),
            "from": clock.minute(first),
            "to": clock.minute(to),
            "count": count,
            "covered": covered or None,
            "note": excerpt(note, LONG),
            TTL: self._expiry(),
            **failure_index.keys_of_run(self.job, gap_id(first), first),
        }
        self._set(gap_id(first), values, f"{NO_OUTCOME} OR #to < :vto", {})

    def duplicate(self, winner: str, run: str, firing: Firing) -> None:
        """Count a second delivery on the winner's row.

        `run` makes a repeat of this very write count once.
        """
        # The winner may still be running: its row does not exist yet, and its own write adds to this one.
        values = {":one": 1, ":run": run, ":tick": tick_label(firing), ":expires": self._expiry()}
        table.update_if(
            self.cloud,
            STATE,
            keys.run(self.job, winner),
            "ADD duplicates :one SET duplicate = :run, tick = if_not_exists(tick, :tick), "
            "#expires = if_not_exists(#expires, :expires)",
            values,
            "attribute_not_exists(duplicate) OR duplicate <> :run",
            names={"#expires": TTL},
        )

    def _set(self, run: str, values: Mapping[str, Any], condition: str, extra: Mapping[str, Any]) -> bool:
        row = {name: value for name, value in values.items() if value is not None}
        return table.update_if(
            self.cloud,
            STATE,
            keys.run(self.job, run),
            "SET " + ", ".join(f"#{name} = :v{name}" for name in row),
            {**{f":v{name}": value for name, value in row.items()}, **extra},
            condition,
            names={f"#{name}": name for name in row},
        )

    def _expiry(self) -> int:
        return int((self.cloud.clock.now() + self.retention.failed.expires).timestamp())
