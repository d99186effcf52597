"""Run history: one row a run, and one for each gap of missed ticks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.aws import attributes
from shared.aws.names import NO_TARGET, STATE
from shared.job import retention
from shared.job.outcome import Done, Outcome
from shared.redaction import LONG, excerpt
from shared.run.firing import Firing
from shared.run.status import words_of
from shared.tables import TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud


def history_key(job: str, run: str) -> dict[str, Any]:
    """Run ids begin with their start, so the row's day follows from the id."""
    return attributes.row({"pk": f"runs#{job}#{run[:4]}-{run[4:6]}-{run[6:8]}", "sk": run})


def gap_id(first: datetime) -> str:
    """In place of a run id, for the row of the ticks that were missed from `first` on."""
    return f"{first:%Y%m%dT%H%M%S}.000Z-missed"


def tick_of(firing: Firing) -> str:
    """What a row says that its run was for: a position, or what a run by hand is known by."""
    return redaction.text(firing.id) or "manual" if firing.manual else firing.position


class History:
    """The rows of one job; `kept` is its retention."""

    def __init__(self, cloud: Cloud, job: str, kept: str) -> None:
        self.cloud = cloud
        self.job = job
        self.retention = retention.read(kept)
        self.table = cloud.names.table(STATE)

    def write(
        self,
        firing: Firing,
        run: str,
        started: datetime,
        outcome: Outcome,
        ms: int,
        artifact: str = "",
    ) -> None:
        """One row a run. Writing it again writes the same; a row that already tells an outcome is left alone."""
        ended = started + timedelta(milliseconds=ms)
        values = {
            "job": self.job,
            "target": firing.target,
            "tick": tick_of(firing),
            "attempt": firing.attempt,
            "outcome": outcome.word,
            "ok": outcome.ok,
            "started": clock.iso(started),
            "ms": ms,
            "note": excerpt(words_of(outcome), LONG) or None,
            "counts": redaction.data(dict(outcome.counts)) if isinstance(outcome, Done) and outcome.counts else None,
            "artifact": artifact or None,
            "correlationId": firing.correlation_id or None,
            TTL: int((ended + self.retention.of(outcome.ok).age).timestamp()),
        }
        self._set(run, values, "attribute_not_exists(outcome) OR outcome = :word", {":word": outcome.word})

    def record_lost(self, run: str, target: str, note: str, tick: str = "", attempt: int = 0) -> None:
        """The row of a run that could not write its own. tick, attempt: what it ran for, as far as that is known."""
        started = datetime.strptime(run[:19], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
        values = {
            "job": self.job,
            "target": target,
            "tick": tick or None,
            "attempt": attempt or None,
            "outcome": "lost",
            "ok": False,
            "started": clock.iso(started),
            "note": excerpt(note, LONG),
            TTL: int((self.cloud.clock.now() + self.retention.failed.age).timestamp()),
        }
        self._set(run, values, "attribute_not_exists(outcome)", {})

    def record_recovered(self, firing: Firing, run: str, left: Mapping[str, Any]) -> None:
        """The row of a run that finished, left the status `left`, and died before it wrote its row."""
        ended = clock.parse(left["at"]) + timedelta(milliseconds=left["ms"])
        values = {
            "job": self.job,
            "target": firing.target,
            "tick": tick_of(firing),
            "attempt": firing.attempt,
            "outcome": left["outcome"],
            "ok": left["ok"],
            "started": left["at"],
            "ms": left["ms"],
            "note": left.get("note"),
            "correlationId": firing.correlation_id or None,
            TTL: int((ended + self.retention.of(left["ok"]).age).timestamp()),
        }
        self._set(run, values, "attribute_not_exists(outcome)", {})

    def record_missed(self, first: datetime, to: datetime, count: int, note: str, covered: str) -> None:
        """One row for so many ticks in a row that left no trace; a longer gap from the same tick replaces it.

        covered: the position of the tick whose run stands for them, empty where nothing does yet.
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
            TTL: int((self.cloud.clock.now() + self.retention.failed.age).timestamp()),
        }
        self._set(gap_id(first), values, "attribute_not_exists(outcome) OR #to < :vto", {})

    def duplicate(self, winner: str, run: str, firing: Firing) -> None:
        """Count a second delivery on the winner's row. `run` makes a repeat of this very write count once."""
        # The winner may still be running: then its row does not exist yet, and its own write adds to this one.
        expires = int((self.cloud.clock.now() + self.retention.failed.age).timestamp())
        values = {":one": 1, ":run": run, ":tick": tick_of(firing), ":expires": expires}
        try:
            self.cloud.dynamodb.update_item(
                TableName=self.table,
                Key=history_key(self.job, winner),
                UpdateExpression=(
                    "ADD duplicates :one SET duplicate = :run, tick = if_not_exists(tick, :tick), "
                    "#expires = if_not_exists(#expires, :expires)"
                ),
                ConditionExpression="attribute_not_exists(duplicate) OR duplicate <> :run",
                ExpressionAttributeNames={"#expires": TTL},
                ExpressionAttributeValues=attributes.row(values),
            )
        except self.cloud.ConditionalCheckFailed:
            return

    def _set(self, run: str, values: Mapping[str, Any], condition: str, extra: Mapping[str, Any]) -> None:
        given = {name: value for name, value in values.items() if value is not None}
        try:
            self.cloud.dynamodb.update_item(
                TableName=self.table,
                Key=history_key(self.job, run),
                UpdateExpression="SET " + ", ".join(f"#{n} = :v{n}" for n in given),
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{n}": n for n in given},
                ExpressionAttributeValues=attributes.row({**{f":v{n}": v for n, v in given.items()}, **extra}),
            )
        except self.cloud.ConditionalCheckFailed:
            return
