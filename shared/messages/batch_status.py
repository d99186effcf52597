"""Publish a consumer's status, at most once a minute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from shared import clock
from shared.job.outcome import Done, Outcome, Skipped
from shared.run import status
from shared.store import keys, table
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.run.context import RunContext

# Milliseconds. A consumer that works all the time would pay as much for its status as for its work.
STATUS_INTERVAL = 60_000
# Counts of messages that wait on purpose, and of those whose attempt was answered before.
WAITING_COUNTS = ("paused", "put_off", "repeated")


@dataclass(slots=True)
class LastPublished:
    """The status that this process wrote last for a job.

    With it most batches make no call.
    """

    #: When it was written, in epoch milliseconds.
    at: int = 0
    #: Whether the batch ended well; None before the first write.
    ok: bool | None = None
    #: Messages handled since.
    done: int = 0
    #: Messages failed or rejected since.
    failed: int = 0
    #: Milliseconds that the oldest message since had waited.
    lag: int = 0


_published: WeakKeyDictionary[Cloud, dict[str, LastPublished]] = WeakKeyDictionary()


def publish(run: RunContext, outcome: Outcome, ms: int) -> None:
    """Write the status item, at most once a minute unless `ok` changed.

    A streak thus counts bad minutes.
    """
    now = clock.milliseconds(run.started)
    last = _published.setdefault(run.cloud, {}).setdefault(run.job.name, LastPublished())
    _count(last, run, outcome, now)
    if last.ok == outcome.ok and last.at >= now - STATUS_INTERVAL:
        return
    last.at, last.ok = now, outcome.ok
    if _write(run, last, outcome, ms):
        last.done = last.failed = last.lag = 0


def _write(run: RunContext, last: LastPublished, outcome: Outcome, ms: int) -> bool:
    """Write the status, unless another process just did.

    Nothing is written within a minute of a status with the same `ok`.
    """
    state = status.from_outcome(outcome, run.started, ms, {})
    values: dict[str, Any] = {
        ":status": state,
        ":now": last.at,
        ":before": last.at - STATUS_INTERVAL,
        ":ok": outcome.ok,
        ":lag": last.lag,
        ":done": last.done,
        ":failed": last.failed,
    }
    update = "SET #status = :status, shown = :now, #ok = :ok, #lag = :lag"
    # A closed gate or a pause is no result of the work.
    if not isinstance(outcome, Skipped):
        streak, streak_values = status.streak_update(outcome.ok, state["at"], state.get("note", ""))
        update, values = f"{update}, {streak}", {**values, **streak_values}
    return table.update_if(
        run.cloud,
        STATE,
        keys.claim(run.job.key),
        f"{update} ADD messages_done :done, messages_failed :failed",
        values,
        "attribute_not_exists(shown) OR shown < :before OR #ok <> :ok",
        names={"#status": "status", "#ok": "ok", "#lag": "lag"},
    )


def _count(last: LastPublished, run: RunContext, outcome: Outcome, now: int) -> None:
    """Count handled messages, and failed or rejected ones.

    Messages that wait on purpose or came twice are neither; a skipped batch has touched none.
    """
    if isinstance(outcome, Skipped):
        return
    counts = outcome.counts if isinstance(outcome, Done) else {}
    done, waiting = counts.get("handled", 0), sum(counts.get(name, 0) for name in WAITING_COUNTS)
    last.done += done
    last.failed += len(run.records) - done - waiting
    sent = [int(record.get("attributes", {}).get("SentTimestamp", now)) for record in run.records]
    last.lag = max(last.lag, now - min(sent, default=now))
