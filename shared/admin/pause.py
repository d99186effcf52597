"""Pause and resume a job, or one target or tenant of it, with an audit entry."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.advised_commands import advised
from shared.aws import attributes
from shared.aws.names import NO_TARGET, STATE
from shared.job.definition import Job
from shared.plans import BRAKE
from shared.run.pauses import WHOLE, Pause, in_force, part

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.run.budget_usage import BudgetUsage


# DynamoDB's limit for one TransactWriteItems.
MAX_TRANSACTION_ITEMS = 100
CONDITION, CONFLICT = "ConditionalCheckFailed", "TransactionConflict"
# Of a long name, so that something of the reason is left within `redact.SHORT`.
OPERATOR_LENGTH = 40
# Of a marker, a new one for each change.
NONCE = 4


class PauseRefused(Exception):
    """Paused already, not paused at all, not to be paused, or changed meanwhile. Nothing was done."""


def pause(cloud: Cloud, job: Job, of: str, who: str, why: str) -> Pause:
    """Hold back the job or a part of it. Raises PauseRefused."""
    if job.collector:
        raise PauseRefused(f"{job.name} stores what all others give up, and is not to be paused; nothing was done")
    # The items before the rows: a change that comes in between then shows by another marker.
    claims = _claims(cloud, job)
    before = in_force(cloud, job.name, claims)
    if of in before:
        raise PauseRefused(f"nothing was done: {before[of].sentence}")
    made = _made(cloud, job.name, of, who, why)
    if made.text.startswith(BRAKE):
        raise PauseRefused(f"{who!r} is what the brake signs with; say --who; nothing was done")
    told = {"text": made.text, "who": made.who, "why": made.why, "since": made.since}
    row = {"pk": f"pause#{job.name}", "sk": of, **told}
    put = _put(cloud, row, ConditionExpression="attribute_not_exists(pk)")
    audit = _audit(cloud, made, "pause")
    _write(cloud, made, [put, audit, *_changes(cloud, job, claims, before, {**before, of: made})])
    return made


def resume(cloud: Cloud, job: Job, of: str, who: str, why: str) -> Pause:
    """Take that pause off, and return it; others stay. Raises PauseRefused.

    Where nobody has paused it and its budget is used up, it may spend as much again.
    """
    claims = _claims(cloud, job)
    before = in_force(cloud, job.name, claims)
    made = _made(cloud, job.name, of, who, why)
    held = _used_up(cloud, job, of, claims)
    if of not in before and held:
        return _allow(cloud, job, made, claims, held)
    if of not in before:
        others = "; ".join(found.sentence for found in before.values())
        raise PauseRefused(f"{made.subject} is not paused{f', but {others}' if others else ''}; nothing was done")
    key = attributes.row({"pk": f"pause#{job.name}", "sk": of})
    delete = {"Delete": {"TableName": cloud.names.table(STATE), "Key": key}}
    audit = _audit(cloud, made, "resume", before[of].text)
    after = {part: found for part, found in before.items() if part != of}
    _write(cloud, made, [delete, audit, *_changes(cloud, job, claims, before, after)])
    return replace(before[of], budget_hold=next((one.pause_reason for one in held.values()), ""))


def _used_up(cloud: Cloud, job: Job, of: str, claims: Mapping[str, Mapping[str, Any]]) -> dict[str, BudgetUsage]:
    """By claim item, those of it whose budget is used up."""
    allowed, now = job.allowance(cloud.environment), cloud.clock.now()
    if allowed is None:
        return {}
    from shared.run import budget_usage

    found = {sk: budget_usage.from_item(allowed, item, now) for sk, item in claims.items() if of in (WHOLE, part(sk))}
    return {sk: one for sk, one in found.items() if one.used_up}


def _allow(
    cloud: Cloud, job: Job, made: Pause, claims: Mapping[str, Mapping[str, Any]], held: Mapping[str, BudgetUsage]
) -> Pause:
    """Runs write what they spend, and never this: one that is at work takes nothing of it away."""
    was = replace(made, text=next(iter(held.values())).pause_reason, who="", why="", since="")
    updates = (
        _update(cloud, {"pk": f"{job.key}:last", "sk": sk}, claims[sk], {"granted": one.grant})
        for sk, one in held.items()
    )
    _write(cloud, made, [_audit(cloud, made, "resume", was.text), *updates])
    return was


def _made(cloud: Cloud, job: str, of: str, who: str, why: str) -> Pause:
    who, why = redaction.excerpt(who, OPERATOR_LENGTH), redaction.excerpt(why, redaction.LONG)
    return Pause(job, of, redaction.excerpt(f"{who}: {why}", redaction.SHORT), who, why, clock.iso(cloud.clock.now()))


def _claims(cloud: Cloud, job: Job) -> dict[str, dict[str, Any]]:
    """The items that runs of the job claim, by target, its own first; empty ones for those that never ran."""
    pages = cloud.dynamodb.get_paginator("query").paginate(
        TableName=cloud.names.table(STATE),
        KeyConditionExpression="pk = :pk",
        ProjectionExpression="sk, fence, paused, partial_pauses, spent, granted",
        ExpressionAttributeValues=attributes.row({":pk": f"{job.key}:last"}),
        ConsistentRead=True,
    )
    found = {item["sk"]: item for page in pages for item in map(attributes.plain, page["Items"])}
    shards = map(str, range(job.shards)) if job.shards > 1 and job.lease_per_target else ()
    claimed = (sk for sk, item in found.items() if item.keys() & {"fence", "paused", "partial_pauses"})
    return {sk: found.get(sk, {}) for sk in dict.fromkeys((NO_TARGET, *shards, *claimed))}


def _changes(
    cloud: Cloud,
    job: Job,
    claims: Mapping[str, Mapping[str, Any]],
    before: Mapping[str, Pause],
    after: Mapping[str, Pause],
) -> Iterator[dict[str, Any]]:
    """An update for each item that must change, on condition that it is as it was read."""
    parts = after.keys() - {WHOLE}
    marker = secrets.token_hex(NONCE) if parts else None
    whole, lifted = after.get(WHOLE), WHOLE in before and WHOLE not in after
    for sk, item in claims.items():
        own = after.get(part(sk)) if sk != NO_TARGET else None
        # What a run has paused, braking, stays until the job is resumed.
        braked = item["paused"] if str(item.get("paused", "")).startswith(BRAKE) else None
        held = None if lifted else braked or (whole.text if whole and whole.since else None)
        partly = marker if parts != before.keys() - {WHOLE} else item.get("partial_pauses")
        wanted = {"paused": own.text if own else held, "partial_pauses": partly}
        if any(item.get(name) != value for name, value in wanted.items()):
            yield _update(cloud, {"pk": f"{job.key}:last", "sk": sk}, item, wanted)


def _update(cloud: Cloud, key: Mapping[str, str], item: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Make it as wanted, if it is still as it was read."""
    new = {name: value for name, value in wanted.items() if value is not None}
    old = {name: item[name] for name in wanted if name in item}
    sets = f"SET {', '.join(f'{name} = :new_{name}' for name in new)}" if new else ""
    removes = f" REMOVE {', '.join(wanted.keys() - new.keys())}" if wanted.keys() - new.keys() else ""
    values = {**{f":new_{name}": value for name, value in new.items()}, **{f":old_{n}": old[n] for n in old}}
    made: dict[str, Any] = {
        "TableName": cloud.names.table(STATE),
        "Key": attributes.row(key),
        "UpdateExpression": (sets + removes).strip(),
        "ConditionExpression": " AND ".join(
            f"{name} = :old_{name}" if name in old else f"attribute_not_exists({name})" for name in wanted
        ),
    }
    return {"Update": made | ({"ExpressionAttributeValues": attributes.row(values)} if values else {})}


def _put(cloud: Cloud, row: Mapping[str, Any], **more: str) -> dict[str, Any]:
    return {"Put": {"TableName": cloud.names.table(STATE), "Item": attributes.row(row), **more}}


def _audit(cloud: Cloud, made: Pause, what: str, was: str | None = None) -> dict[str, Any]:
    """The operators' audit has it by the same write, so that neither is ever without the other."""
    from shared.admin import audit

    entry = audit.OperatorAuditEntry(
        cloud, what, made.who, made.why, {"job": made.job, "of": made.part, "was": was or ""}
    )
    return _put(cloud, {**entry.row, "count": 1, "ended": made.since, "end": "done"})


def _write(cloud: Cloud, made: Pause, items: list[dict[str, Any]]) -> None:
    """All or nothing, up to 98 claim items. Of more the job's own is in the first part, and it keeps the shards' ticks
    from being handed out; the rest follows, and what a crash leaves out is put right by the other command.
    """
    for start in range(0, len(items), MAX_TRANSACTION_ITEMS):
        part_of_it: Any = items[start : start + MAX_TRANSACTION_ITEMS]
        try:
            cloud.dynamodb.transact_write_items(TransactItems=part_of_it)
        except cloud.dynamodb.exceptions.TransactionCanceledException as error:
            codes = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
            if codes & {CONDITION, CONFLICT}:
                look = advised(cloud.names.stage, "status")
                raise PauseRefused(
                    f"what holds {made.job} back has changed meanwhile; look with `{look}`, then repeat"
                ) from None
            raise
