"""Pause and resume a job, or one target or tenant of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from math import ceil
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.admin import audit
from shared.advised_commands import advised
from shared.aws.names import DEAD, FIRINGS, NO_TARGET
from shared.job.definition import Job
from shared.plans import BRAKE
from shared.run import status_view
from shared.run.pauses import WHOLE, Pause, in_force, part
from shared.store import keys, table
from shared.store.transaction import Delete, Put, TransactionCancelled, Update, Write, write_together
from shared.tables import STATE, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.manifest import Entry
    from shared.run.budget_usage import BudgetUsage

# DynamoDB's limit for one TransactWriteItems.
MAX_TRANSACTION_ITEMS = 100
# Characters of the operator's name, so that part of the reason fits into `redaction.SHORT`.
OPERATOR_LENGTH = 40
# Greater, as text, than each timestamp.
FOREVER = "~"
# Bytes of the random `partial_pauses` marker.
MARKER_BYTES = 4
# Attributes of claim items that pauses set.
HOLDS = ("paused", "paused_until", "partial_pauses", "partial_pauses_until")
# Attributes of claim items, one of which at least a pause of the job or of a part of it has set.
PAUSED = ("paused", "partial_pauses")

Claims = Mapping[str, Mapping[str, Any]]


class PauseRefused(Exception):
    """The pause or resumption is not possible; nothing was done.

    The job is paused already, is not paused, cannot be paused, or was changed concurrently.
    """


def has_tenants(job: Job) -> bool:
    """Whether the job's work belongs to organizations that can be paused.

    Only messages name their organization; firings and dead letters are those of jobs.
    """
    return job.queue not in (None, FIRINGS, DEAD)


def of_jobs(cloud: Cloud, entries: Mapping[str, Entry]) -> list[Pause]:
    """The pauses of jobs, those of their parts included.

    The claim items of all jobs are read at once; they show which jobs have pauses to read.
    """
    claims: dict[str, dict[str, dict[str, Any]]] = {}
    for name, item in status_view.items(cloud, entries):
        claims.setdefault(name, {})[item["sk"]] = item
    paused = (name for name, items in claims.items() if any(item.keys() & PAUSED for item in items.values()))
    return [pause for name in paused for pause in in_force(cloud, name, claims[name]).values()]


def pause(cloud: Cloud, job: Job, of: str, operator: str, reason: str, until: datetime | None = None) -> Pause:
    """Pause the job or a part of it. Raises PauseRefused.

    until: when it ends by itself (default: when it is resumed).
    """
    now = cloud.clock.now()
    if until is not None and until <= now:
        raise PauseRefused(f"a pause until {clock.iso(until)} would be over: it is {clock.iso(now)}; nothing was done")
    if job.collector:
        raise PauseRefused(f"{job.name} stores the dead letters of all jobs and cannot be paused; nothing was done")
    # The claim items before the pause rows: a change between the two reads shows in the `partial_pauses` marker.
    claims = _claims(cloud, job)
    before = in_force(cloud, job.name, claims)
    if of in before:
        raise PauseRefused(f"nothing was done: {before[of].sentence}")
    new = _new_pause(cloud, job.name, of, operator, reason, until)
    if new.text.startswith(BRAKE):
        raise PauseRefused(f"{operator!r} is reserved for pauses by the brake; use another --who; nothing was done")
    attributes = {"text": new.text, "who": new.who, "why": new.why, "since": new.since, "until": new.until or None}
    expires = {TTL: ceil(until.timestamp())} if until else {}
    row = Put(
        STATE,
        {**keys.pause(job.name, of).attributes, **attributes, **expires},
        # The row of a pause that has ended stays until the TTL deletes it.
        condition="attribute_not_exists(pk) OR #until <= :now",
        values={":now": clock.iso(now)},
        names={"#until": "until"},
    )
    _write(cloud, new, [row, _audit(cloud, new, "pause"), *_changes(job, claims, before, {**before, of: new})])
    return new


def resume(cloud: Cloud, job: Job, of: str, operator: str, reason: str) -> Pause:
    """Delete one pause and return it; others stay. Raises PauseRefused.

    A job that no operator has paused and whose budget is used up is granted its budget once more.
    """
    claims = _claims(cloud, job)
    before = in_force(cloud, job.name, claims)
    new = _new_pause(cloud, job.name, of, operator, reason)
    used_up = _used_up_budgets(cloud, job, of, claims)
    if of not in before and used_up:
        return _grant_budget(cloud, job, new, claims, used_up)
    if of not in before:
        others = "; ".join(other.sentence for other in before.values())
        raise PauseRefused(f"{new.subject} is not paused{f', but {others}' if others else ''}; nothing was done")
    row = Delete(STATE, keys.pause(job.name, of))
    after = {each: other for each, other in before.items() if each != of}
    _write(cloud, new, [row, _audit(cloud, new, "resume", before[of].text), *_changes(job, claims, before, after)])
    return replace(before[of], budget_hold=next((usage.pause_reason for usage in used_up.values()), ""))


def _used_up_budgets(cloud: Cloud, job: Job, of: str, claims: Claims) -> dict[str, BudgetUsage]:
    """Return the budgets that are used up, by claim item."""
    allowed, now = job.allowance(cloud.environment), cloud.clock.now()
    if allowed is None:
        return {}
    from shared.run import budget_usage

    usages = {sk: budget_usage.from_item(allowed, item, now) for sk, item in claims.items() if of in (WHOLE, part(sk))}
    return {sk: usage for sk, usage in usages.items() if usage.used_up}


def _grant_budget(cloud: Cloud, job: Job, new: Pause, claims: Claims, used_up: Mapping[str, BudgetUsage]) -> Pause:
    # In an attribute that runs never write: a running one does not overwrite it with what it has spent.
    before = replace(new, text=next(iter(used_up.values())).pause_reason, who="", why="", since="")
    updates = (_update(job, sk, claims[sk], {"granted": usage.grant}) for sk, usage in used_up.items())
    _write(cloud, new, [_audit(cloud, new, "resume", before.text), *updates])
    return before


def _new_pause(cloud: Cloud, job: str, of: str, operator: str, reason: str, until: datetime | None = None) -> Pause:
    who, why = redaction.excerpt(operator, OPERATOR_LENGTH), redaction.excerpt(reason, redaction.LONG)
    text, since = redaction.excerpt(f"{who}: {why}", redaction.SHORT), clock.iso(cloud.clock.now())
    return Pause(job, of, text, who, why, since, clock.iso(until) if until else "")


def _claims(cloud: Cloud, job: Job) -> dict[str, dict[str, Any]]:
    """Read the claim items by target, the job's own first.

    Empty for targets that have never run.
    """
    rows = table.query(
        cloud,
        STATE,
        "pk = :pk",
        {":pk": keys.claims(job.key)},
        attributes_read=("sk", "fence", *HOLDS, "spent", "granted"),
        ConsistentRead=True,
    )
    items = {item["sk"]: item for item in rows}
    shards = map(str, range(job.shards)) if job.shards > 1 and job.lease_per_target else ()
    claimed = (sk for sk, item in items.items() if item.keys() & {"fence", "paused", "partial_pauses"})
    return {sk: items.get(sk, {}) for sk in dict.fromkeys((NO_TARGET, *shards, *claimed))}


def _changes(job: Job, claims: Claims, before: Mapping[str, Pause], after: Mapping[str, Pause]) -> Iterator[Update]:
    """Yield an update for each claim item that must change.

    Each on condition that the item is as it was read.
    """
    parts = after.keys() - {WHOLE}
    marker = secrets.token_hex(MARKER_BYTES) if parts else None
    last = _last_end([after[each] for each in parts])
    whole, resumed = after.get(WHOLE), WHOLE in before and WHOLE not in after
    for sk, item in claims.items():
        own = after.get(part(sk)) if sk != NO_TARGET else None
        # A pause by the brake stays until the job is resumed.
        braked = not resumed and str(item.get("paused", "")).startswith(BRAKE)
        inherited = Pause(job.name, WHOLE, item["paused"]) if braked else whole if whole and whole.since else None
        hold = _longest(own, inherited)
        partial = marker if not parts or parts != before.keys() - {WHOLE} else item.get("partial_pauses")
        wanted = {
            "paused": hold.text if hold else None,
            "paused_until": _last_end([hold]) if hold else None,
            "partial_pauses": partial,
            "partial_pauses_until": last if partial else None,
        }
        if any(item.get(name) != value for name, value in wanted.items()):
            yield _update(job, sk, item, wanted)


def _longest(own: Pause | None, inherited: Pause | None) -> Pause | None:
    """Return the pause that ends last; of equal ones the own."""
    found = [pause for pause in (own, inherited) if pause]
    return max(found, key=lambda pause: pause.until or FOREVER, default=None)


def _last_end(pauses: Sequence[Pause]) -> str | None:
    """Return the last end; None if one of the pauses has none."""
    ends = [pause.until for pause in pauses]
    return max(ends) if ends and all(ends) else None


def _update(job: Job, sk: str, item: Mapping[str, Any], wanted: Mapping[str, Any]) -> Update:
    """Set or remove attributes of a claim item, if unchanged."""
    new = {name: value for name, value in wanted.items() if value is not None}
    old = {name: item[name] for name in wanted if name in item}
    sets = f"SET {', '.join(f'{name} = :new_{name}' for name in new)}" if new else ""
    removes = f" REMOVE {', '.join(wanted.keys() - new.keys())}" if wanted.keys() - new.keys() else ""
    return Update(
        STATE,
        keys.claim(job.key, sk),
        (sets + removes).strip(),
        condition=" AND ".join(
            f"{name} = :old_{name}" if name in old else f"attribute_not_exists({name})" for name in wanted
        ),
        values={**{f":new_{name}": value for name, value in new.items()}, **{f":old_{n}": old[n] for n in old}},
    )


def _audit(cloud: Cloud, change: Pause, action: str, before: str = "") -> Put:
    # In the same transaction: neither the pause nor its audit entry exists without the other.
    scope = {"job": change.job, "of": change.part, "was": before} | ({"until": change.until} if change.until else {})
    entry = audit.OperatorAuditEntry(cloud, action, change.who, change.why, scope)
    return Put(STATE, {**entry.row, "count": 1, "ended": change.since, "end": "done"})


def _write(cloud: Cloud, change: Pause, writes: list[Write]) -> None:
    """Write all or nothing, up to 98 claim items.

    Further items are written in further transactions. The job's own claim item is in the first one, and keeps the ticks
    of all shards from being started. After a crash between two transactions the opposite command repairs the rest.
    """
    for start in range(0, len(writes), MAX_TRANSACTION_ITEMS):
        try:
            write_together(cloud, writes[start : start + MAX_TRANSACTION_ITEMS])
        except TransactionCancelled as error:
            if not (error.condition_failed or error.conflicted):
                raise
            status = advised(cloud.names.stage, "status")
            raise PauseRefused(
                f"the pauses of {change.job} were changed concurrently; look at `{status}`, then repeat the command"
            ) from None
