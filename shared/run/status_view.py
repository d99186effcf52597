"""Status of all jobs, for people and the status route."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws.names import NO_TARGET
from shared.run import pauses
from shared.run.claim_write import without_ended_pauses
from shared.run.streaks import RECENT
from shared.store import keys, table
from shared.store.batch_get import batch_get_rows
from shared.store.keys import RowKey
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.manifest import Entry


def items(
    cloud: Cloud,
    entries: Mapping[str, Entry],
    also: Iterable[RowKey] = (),
    found: dict[RowKey, dict[str, Any]] | None = None,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each claim and status item with the name of its job.

    One BatchGetItem for all jobs, and one query for each job whose items may be of any target, such as a host that was
    removed from its setting. No scan. also: further rows that the same call reads into `found`.
    """
    declared = _items_of_declared_targets(cloud, entries, also)
    if found is not None:
        found |= {key: declared[key.pk].pop() for key in also if declared.get(key.pk)}
    for name, entry in entries.items():
        pk = keys.claims(entry["key"])
        if entry["named_targets"]:
            rows = table.query(cloud, STATE, "pk = :pk", {":pk": pk}, ConsistentRead=True)
        else:
            rows = iter(sorted(declared[pk], key=lambda item: str(item["sk"])))
        for item in rows:
            yield name, without_ended_pauses(item, cloud.clock.now())


def own_items(cloud: Cloud, entries: Mapping[str, Entry]) -> dict[str, dict[str, Any]]:
    """Read the items of whole jobs, by job, by one BatchGetItem.

    Without those of targets.
    """
    names = {keys.claim(entry["key"]): name for name, entry in entries.items()}
    items = batch_get_rows(cloud, STATE, names, patient=False)
    now = cloud.clock.now()
    return {names[RowKey(item["pk"], item["sk"])]: without_ended_pauses(item, now) for item in items}


def _items_of_declared_targets(
    cloud: Cloud, entries: Mapping[str, Entry], also: Iterable[RowKey]
) -> dict[str, list[dict[str, Any]]]:
    """Read the items of jobs whose only targets are shards, by partition."""
    wanted = (
        keys.claim(entry["key"], target)
        for entry in entries.values()
        if not entry["named_targets"]
        for target in (NO_TARGET, *map(str, range(entry["shards"] if entry["shards"] > 1 else 0)))
    )
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in batch_get_rows(cloud, STATE, (*wanted, *also), patient=False):
        found[item["pk"]].append(item)
    return found


def read(cloud: Cloud, entries: Mapping[str, Entry]) -> dict[str, dict[str, Any]]:
    """Return `{"pricing:last:shop.example": {"ok": true, ...}, "docs-registry:last": {...}}`."""
    shown = {}
    for name, item in items(cloud, entries):
        own = item["sk"] == NO_TARGET
        state = with_budget(view(item), item, cloud.clock.now())
        shown[item["pk"] if own else f"{item['pk']}:{item['sk']}"] = state
        if own and "partial_pauses" in item:
            state["pauses"] = {
                part: pause.note for part, pause in pauses.read(cloud, name).items() if part != pauses.WHOLE
            }
    return shown


def with_budget(shown: dict[str, Any], item: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The view with the hold of a used-up budget.

    A pause by an operator takes precedence.
    """
    if "spent" not in item or "paused" in item:
        return shown
    # Imported lazily: most jobs have no budget.
    from shared.run import budget_usage

    usage = budget_usage.last_recorded(item, now)
    return shown | ({"paused": usage.pause_reason} if usage and usage.used_up else {})


def _end(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that state how the last run ended."""
    if "at" not in status:
        return {}
    started = clock.parse(status["at"]) - timedelta(milliseconds=status.get("ms", 0))
    fields: dict[str, Any] = {"startedAt": clock.iso(started)}
    match status["state"]:
        case "COMPLETED":
            return fields | {"step": "finished", "progress": 100, "completedAt": status["at"]}
        case "FAILED":
            return fields | {"step": "error", "error": status.get("note", ""), "failedAt": status["at"]}
        case _:
            return fields | {"step": status.get("outcome", "")}


def view(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return last status and state of one item.

    The fields are those of PF-06 and PF-07, see docs/reference/status.md.
    """
    shown = dict(item.get("status") or {})
    shown.pop(RECENT, None)
    # An item without a status is of a job that has not run: a pause of one of its parts made it.
    ended = ("COMPLETED" if shown.get("ok") else "FAILED") if shown else "NEVER_RUN"
    shown["state"] = item.get("state") or ended
    if "holder" in item:
        shown |= {"runId": item["holder"], "startedAt": item.get("started", ""), "step": item.get("step", "started")}
        shown["progress"] = item.get("progress", 0)
    else:
        shown |= _end(shown)
    if "paused" in item:
        shown["paused"] = pauses.note_of(item)
        if "paused_until" in item:
            shown["pausedUntil"] = item["paused_until"]
    if item.get("streak"):
        shown["streak"] = item["streak"]
    return shown
