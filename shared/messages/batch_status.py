"""Publish a consumer's counts per batch, its status per minute."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from shared import clock
from shared.job.outcome import Done, Outcome, Skipped
from shared.run import status, streaks
from shared.run.status import TRIES
from shared.store import keys, table
from shared.store.table import ConditionFailed
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.run.context import RunContext

# Milliseconds. A status is larger than the counts, and its streak counts minutes.
STATUS_INTERVAL = 60_000
# Batches that a status item remembers, to add each once.
SLOTS = 8
# Counts of messages that wait on purpose, and of those whose attempt was answered before.
WAITING_COUNTS = ("paused", "put_off", "repeated")


@dataclass(slots=True)
class LastPublished:
    """The status that this process wrote last for a job."""

    #: When it was written, in epoch milliseconds.
    at: int = 0
    #: Whether the batch ended well; None before the first write.
    ok: bool | None = None
    #: Milliseconds that the oldest message since had waited.
    lag: int = 0


_published: WeakKeyDictionary[Cloud, dict[str, LastPublished]] = WeakKeyDictionary()


def publish(run: RunContext, outcome: Outcome, ms: int) -> None:
    """Add the batch's counts to the status item, once.

    The status itself is written with them at most once a minute, unless `ok` changed.
    """
    now = clock.milliseconds(run.started)
    last = _published.setdefault(run.cloud, {}).setdefault(run.job.name, LastPublished())
    last.lag = max(last.lag, _lag(run, outcome, now))
    counted = _counts(run, outcome)
    if last.ok != outcome.ok or last.at < now - STATUS_INTERVAL:
        last.at, last.ok = now, outcome.ok
        if _write_status(run, last, outcome, ms, counted):
            last.lag = 0
            return
    if any(counted.values()):
        _update(run, *(("", {}) if outcome.ok else ("SET last_bad = :now", {":now": now})), counted, "", {})


def _write_status(run: RunContext, last: LastPublished, outcome: Outcome, ms: int, counted: Mapping[str, int]) -> bool:
    """Write status and counts, unless another process just wrote it.

    The streak counts bad minutes: bad batches of one minute count once, and a good batch ends the streak a minute after
    the last bad one. So a consumer of which some messages always fail has a streak.
    """
    state = status.from_outcome(outcome, run.started, ms, {})
    values: dict[str, Any] = {
        ":status": state,
        ":now": last.at,
        ":before": last.at - STATUS_INTERVAL,
        ":latest": last.at + 1000 * run.job.timeout,
        ":ahead": clock.milliseconds(run.cloud.clock.now() + clock.FURTHEST_AHEAD),
        ":ok": outcome.ok,
        ":lag": last.lag,
    }
    names = {"#status": "status", "#ok": "ok", "#lag": "lag"}
    update = "#status = :status, shown = :now, #ok = :ok, #lag = :lag"
    # Beside a status that began after this batch had to end, its result is out of date: the process was frozen.
    stale = "(attribute_not_exists(shown) OR shown < :before OR shown > :ahead OR (#ok <> :ok AND shown <= :latest))"
    # A closed gate or a pause is no result of the work.
    if isinstance(outcome, Skipped):
        return _update(run, f"SET {update}", values, counted, stale, names) is None
    since, minute = ("last_bad", update) if outcome.ok else ("bad_minute", f"{update}, last_bad = :now")
    quiet = f"{stale} AND (attribute_not_exists({since}) OR {since} < :before)"
    item: dict[str, Any] = {}
    started = clock.iso(run.started)
    for _ in range(TRIES):
        # Most items have no streak: the item is read, by a refusal, only to end one.
        streak = streaks.good(started, item) if outcome.ok else streaks.bad(started, state.get("note", ""))
        expression = streak.expression(minute if outcome.ok else f"{minute}, bad_minute = :now")
        refused = _update(run, expression, {**values, **streak.values}, counted, streak.under(quiet), names)
        if refused is None:
            return True
        if not outcome.ok or not streaks.changed(refused, item):
            break
        item = refused
    # Within a minute of a bad batch: neither the end of its streak, nor a second bad minute.
    return _update(run, f"SET {minute}", values, counted, stale, names) is None


def _update(
    run: RunContext,
    update: str,
    values: Mapping[str, Any],
    counted: Mapping[str, int],
    condition: str,
    names: Mapping[str, str],
) -> dict[str, Any] | None:
    """Update the status item, and add the counts exactly once.

    Returns the item as it stands if the condition does not hold, and None if the update was made.

    A call whose reply was lost is sent again by the SDK. So the item remembers the last batch of each of a few slots,
    and a batch that is there is not added again.
    """
    digest = hashlib.sha256(run.run_id.encode()).hexdigest()
    slot, mark = f"batch{int(digest[:4], 16) % SLOTS}", digest[4:16]
    sets, dot, removes = update.partition(" REMOVE ")
    sets = f"{sets}, #slot = :mark" if sets else "SET #slot = :mark"
    once = "(attribute_not_exists(#slot) OR #slot <> :mark)"
    try:
        table.update(
            run.cloud,
            STATE,
            keys.claim(run.job.key),
            f"{sets}{dot}{removes} ADD messages_done :done, messages_failed :failed",
            {**values, ":mark": mark, **{f":{name}": number for name, number in counted.items()}},
            condition=f"{condition} AND {once}" if condition else once,
            names={**names, "#slot": slot},
        )
    except ConditionFailed as refused:
        return refused.item
    return None


def _counts(run: RunContext, outcome: Outcome) -> dict[str, int]:
    """Count handled messages, and failed or rejected ones.

    Messages that wait on purpose or came twice are neither; a skipped batch has touched none.
    """
    if isinstance(outcome, Skipped):
        return {"done": 0, "failed": 0}
    counts = outcome.counts if isinstance(outcome, Done) else run.message_counts
    done, waiting = counts.get("handled", 0), sum(counts.get(name, 0) for name in WAITING_COUNTS)
    return {"done": done, "failed": len(run.records) - done - waiting}


def _lag(run: RunContext, outcome: Outcome, now: int) -> int:
    """Milliseconds that the oldest message of the batch had waited."""
    if isinstance(outcome, Skipped):
        return 0
    sent = [int(record.get("attributes", {}).get("SentTimestamp", now)) for record in run.records]
    return now - min(sent, default=now)
