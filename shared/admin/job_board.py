"""The states of all jobs, from one BatchGetItem.

The claim items of whole jobs, which of them have dead letters, and since when ticks are expected. With targets, the
claim items of those too: one query more for each job whose items may be of any target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.admin.job_state import JobState
from shared.aws.names import NO_TARGET
from shared.dead_letters.letter import RETENTION
from shared.ledger import expected_since, ledger
from shared.observability.mutes import Mute
from shared.run import pauses, status_view
from shared.run.claim_write import without_ended_pauses
from shared.store import failure_index, keys
from shared.store.batch_get import batch_get_rows
from shared.store.keys import RowKey
from shared.tables import STATE, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.manifest import Entry

# Periods in which a tick is looked for that should have started, one after the other: a job may have one each minute.
LOOK_BACK = (timedelta(minutes=10), timedelta(hours=2), timedelta(hours=26))


# How far back failed messages of an organization are counted.
TENANT_PERIOD = timedelta(hours=24)


def read(cloud: Cloud, entries: Mapping[str, Entry]) -> list[JobState]:
    """Read the states of jobs without their targets, failing ones first.

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
        overdue = _overdue(entry, item, expected_since.since(expected, name), now)
        states.append(JobState(name, entry, item, now, _last_dead_letter(rows.get(letters[name]), now), overdue))
    return in_order(states)


def read_with_targets(cloud: Cloud, entries: Mapping[str, Entry]) -> list[JobState]:
    """Read the states of jobs, their targets and partial pauses.

    Failing ones first. One call for up to 99 jobs and shards, and one query for each job whose targets may have any
    name, or whose targets or organizations are paused.
    """
    items: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in entries}
    beside: dict[RowKey, dict[str, Any]] = {}
    for name, item in status_view.items(cloud, entries, (keys.expected_since(),), beside):
        items[name][str(item["sk"])] = item
    now, expected = cloud.clock.now(), beside.get(keys.expected_since(), {})
    states = []
    for name, entry in entries.items():
        own = items[name].pop(NO_TARGET, {})
        overdue = _overdue(entry, own, expected_since.since(expected, name), now)
        held = pauses.read(cloud, name) if "partial_pauses" in own else {}
        held.pop(pauses.WHOLE, None)
        states.append(JobState(name, entry, own, now, None, overdue, items[name], held))
    return in_order(states)


def of_tenant(cloud: Cloud, states: Iterable[JobState], tenant: str) -> list[JobState]:
    """The jobs with failed messages or a pause of an organization.

    Failing ones first. One query of an index.
    """
    errors: dict[str, list[str]] = {}
    for row in failure_index.of_tenant(cloud, tenant, cloud.clock.now() - TENANT_PERIOD):
        if failure_index.kind(row) == failure_index.RUN:
            errors.setdefault(row["job"], []).append(str(row.get("note", "")))
    found = (replace(state, tenant=tenant, tenant_errors=errors.get(state.name, ())) for state in states)
    return in_order(
        state
        for state in found
        if state.entry["queue"] and (state.tenant_errors or f"{pauses.TENANT}#{tenant}" in state.partial_pauses)
    )


def with_mutes(states: Iterable[JobState], mutes: Iterable[Mute]) -> list[JobState]:
    """The states with the mutes of their alerts."""
    by_job: dict[str, list[Mute]] = {}
    for mute in mutes:
        by_job.setdefault(mute.job, []).append(mute)
    return [replace(state, mutes=by_job.get(state.name, ())) for state in states]


def in_order(states: Iterable[JobState]) -> list[JobState]:
    """Failing jobs first, those that failed longest before others."""
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
