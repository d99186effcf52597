"""Status of runs, and status items of single hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.job.definition import Job
from shared.job.outcome import Done, Outcome
from shared.observability.artifacts import Pointer
from shared.redaction import SHORT, excerpt
from shared.run import streaks
from shared.store import keys, table
from shared.store.batch_get import Key, batch_get
from shared.store.table import ConditionFailed
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Fields of the streak, which a run that is neither good nor bad leaves as they are.
STREAK = ("streak", "firstError", "failingSince", "lastGood", streaks.RECENT)
# Attribute of a host's item: timestamp and ETag of `latest.json`.
LATEST = "latest"
# Tries of a write that ends a streak while others count in it.
TRIES = 3


def explanation(outcome: Outcome) -> str:
    """Return the error or note of an outcome."""
    return getattr(outcome, "error", "") or getattr(outcome, "note", "")


def from_outcome(
    outcome: Outcome,
    started: datetime,
    ms: int,
    before: Mapping[str, Any],
    *,
    counted: bool = False,
    unfinished: bool = False,
) -> dict[str, Any]:
    """Return the status map of a finished run.

    `before` is the last one: streak and first error continue it. The streak counts ticks: `counted`: this tick is in it
    already, by an earlier attempt or part. `unfinished`: the verdict of the tick follows with its next part, so a good
    part ends no streak. A run that was skipped or deferred is neither good nor bad. `recent` has the last results, for
    the strip of a list of jobs.
    """
    ended = clock.iso(started + timedelta(milliseconds=ms))
    status: dict[str, Any] = {"outcome": outcome.word, "ok": outcome.ok, "at": ended, "ms": ms}
    note = excerpt(explanation(outcome), SHORT)
    if note:
        status["note"] = note
    if isinstance(outcome, Done) and outcome.status_code is not None:
        status["statusCode"] = outcome.status_code
    if not outcome.ok:
        streak: int = before.get("streak", 0)
        status["streak"] = max(streak, 1) if counted else streak + 1
        status["firstError"] = before.get("firstError") or note
        # A streak of an earlier version has none.
        status["failingSince"] = before.get("failingSince") if streak else clock.iso(started)
        status["lastGood"] = before.get("lastGood")
        status[streaks.RECENT] = streaks.recent(before, ok=False)
    elif isinstance(outcome, Done) and not unfinished:
        status["lastGood"] = clock.iso(started)
        status[streaks.RECENT] = streaks.recent(before, ok=True)
    else:
        status |= {name: before.get(name) for name in STREAK}
    return {name: value for name, value in status.items() if value is not None}


def write_host(
    cloud: Cloud,
    job: Job,
    host: str,
    tick: str,
    status: Mapping[str, Any],
    started: datetime | None = None,
    pointer: Pointer | None = None,
) -> bool:
    """Write the status item of one host.

    False, and nothing written, where one of the same start or later stands, unless that is ahead of the clock.

    `streak` counts bad results in a row, and `firstError` is the note of the first. The item's `at` is the start of the
    run (default: that of the status). The condition on it keeps a repeated write from counting twice, and a run that
    ends late from overwriting a later one. pointer: that of the host's artifacts, which `pointer_of` returns later.
    """
    at = clock.iso(started) if started else status["at"]
    ahead = clock.iso(cloud.clock.now() + clock.FURTHEST_AHEAD)
    values: dict[str, Any] = {":status": dict(status), ":tick": tick, ":at": at, ":ahead": ahead}
    sets, names = "#status = :status, tick = :tick, #at = :at", {"#status": "status", "#at": "at"}
    if pointer is not None:
        sets, names, values = (
            f"{sets}, #latest = :latest",
            {**names, "#latest": LATEST},
            {**values, ":latest": [*pointer]},
        )
    item: dict[str, Any] = {}
    for _ in range(TRIES):
        # Most hosts have no streak: the item is read, by a refusal, only to end one.
        streak = streaks.good(at, item) if status["ok"] else streaks.bad(at, status.get("note", ""))
        try:
            table.update(
                cloud,
                STATE,
                keys.claim(job.key, host),
                streak.expression(sets),
                {**values, **streak.values},
                condition=streak.under("attribute_not_exists(#at) OR #at < :at OR #at > :ahead"),
                names=names,
            )
        except ConditionFailed as refused:
            if not streaks.changed(refused.item, item) or not status["ok"]:
                return False
            item = refused.item
        else:
            return True
    return False


def pointer_of(item: Mapping[str, Any]) -> Pointer | None:
    """The pointer of a host's artifacts, by its status item."""
    return Pointer(*item[LATEST]) if LATEST in item else None


def read_hosts(cloud: Cloud, job: Job, hosts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read the status items of hosts, by host.

    Without those that have none. Raises Throttled.
    """
    rows = batch_get(cloud, (Key(STATE.name, *keys.claim(job.key, host)) for host in hosts))
    return {key.sk: item for key, item in rows.items()}
