"""What became of an effect whose confirmation is missing: asked of its job, or said by a person.

Those that nobody knows of are listed in `uncertain#<job>`, so that they are found without looking through all others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared import audit, clock, rows, status
from shared.command import advised
from shared.effect import SHARDS, Confirmed, Effect, NotDone, Uncertain, Unknown, keep, object_key, row_key, token
from shared.job import STATE
from shared.outcome import Done, Outcome
from shared.tables import TTL

if TYPE_CHECKING:
    from shared.cloud import Cloud
    from shared.job import Job
    from shared.once import Effects

# A row that is confirmed has been decided; one with another nonce is in other hands.
STILL_OPEN = "nonce = :nonce AND attribute_not_exists(done)"
# Why a transaction is not carried out where somebody else has been, or is, at the row.
MOVED = ("ConditionalCheckFailed", "TransactionConflict")


class NothingToSettle(LookupError):
    """No effect of that key waits to be settled; the message says why."""


def ask(effects: Effects, key: str, found: Mapping[str, Any], mine: str) -> None:
    """Ask the job what came of an intent that was left behind, and write its answer down; raises Uncertain.

    Where the row has moved on meanwhile nothing is written; either way it is to be looked at again.
    """
    tick, job = effects.tick, effects.job.name
    known = token(tick.cloud.names, job, key)
    said = _kept(tick.cloud, job, key, found["nonce"]) or effects.job.reconcile(
        Effect(key, known, clock.parse(found["at"]), found["run"], found.get("error", ""), tick)
    )
    tick.log.warning("effect_reconciled", effect=key, begun=found["at"], by=found["run"], said=type(said).__name__)
    match said:
        case Confirmed():
            _confirm(effects.cloud, effects.job, key, found["nonce"], said.result)
        case NotDone():
            # The nonce becomes ours in the same write that finds theirs: of two who ask one does it again.
            _turn(effects.cloud, job, key, found["nonce"], effects.intent(mine), ("error", "uncertain"))
        case Unknown():
            if "uncertain" not in found and not _mark(effects, key, found, said):
                return
            tick.uncertain.append(key)
            tick.log.error("effect_uncertain", effect=key, status="uncertain", error=found.get("error", ""))
            raise Uncertain(effects.cloud.names.stage, job, key)


def by_hand(cloud: Cloud, job: Job, key: str, said: Confirmed | NotDone, who: str, reason: str) -> None:
    """Settle an effect: it was done, and `result` is its answer; or it was not, and the next run does it.

    Raises NothingToSettle, and audit.Reasonless. Who and why go into the audit with it.
    """
    found = rows.plain(
        cloud.dynamodb.get_item(
            TableName=cloud.names.table(STATE), Key=rows.row(row_key(job.name, key)), ConsistentRead=True
        ).get("Item")
    )
    now = cloud.clock.now()
    if not found:
        listing = advised(cloud.names.stage, "effects", job.name)
        raise NothingToSettle(f"{job.name} has begun no effect {key!r}; `{listing}` lists them")
    if "done" in found:
        raise NothingToSettle(f"{key!r} was confirmed at {found['done']}")
    if found["lease_until"] >= clock.milliseconds(now):
        raise NothingToSettle(f"{key!r} is being done by {found['run']}; settle it once that has ended")
    verdict = "done" if isinstance(said, Confirmed) else "redo"
    written = audit.Entry(cloud, f"effects {verdict}", who, reason, {"job": job.name, "key": key})
    row = {**written.row, "count": 1, "ended": clock.iso(now), "end": "done"}
    if isinstance(said, Confirmed):
        moved = _confirm(cloud, job, key, found["nonce"], said.result, row)
    else:
        moved = _turn(cloud, job.name, key, found["nonce"], {}, (), row)
    if not moved:
        raise NothingToSettle(f"{key!r} has moved on while it was being settled; look again")


def noted(outcome: Outcome, stage: str, job: str, keys: Sequence[str]) -> Outcome:
    """A run that was done but for these says so in its status and history."""
    if not isinstance(outcome, Done):
        return outcome
    told = f"{len(keys)} effects are uncertain: {advised(stage, 'effects', job)}"
    return replace(outcome, note="; ".join(filter(None, (told, outcome.note))))


def waiting(cloud: Cloud, job: str) -> Iterator[dict[str, Any]]:
    """The uncertain effects of a job: key, begun, run, since, error and note of each. One query."""
    for item in _query(cloud, f"uncertain#{job}"):
        yield {"key": item["sk"], **{name: value for name, value in item.items() if name not in ("pk", "sk")}}


def unconfirmed(cloud: Cloud, job: str) -> Iterator[dict[str, Any]]:
    """All that was begun and never confirmed, also what is being done now. It reads every effect there is."""
    for shard in range(SHARDS):
        for item in _query(cloud, f"effect#{job}#{shard:02d}", FilterExpression="attribute_not_exists(done)"):
            busy = item["lease_until"] >= clock.milliseconds(cloud.clock.now())
            yield {
                "key": item["sk"],
                "begun": item["at"],
                "run": item["run"],
                "since": item.get("uncertain"),
                "error": item.get("error", ""),
                "busy": busy,
            }


def _kept(cloud: Cloud, job: str, key: str, nonce: str) -> Confirmed | None:
    """A large result is stored before it is confirmed: where it is, the call had returned."""
    try:
        found = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=object_key(cloud.names, job, key, nonce))
    except cloud.s3.exceptions.ClientError as error:
        # Without permission to list, S3 says 403 for what is not there.
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in (403, 404):
            return None
        raise
    return Confirmed(json.loads(found["Body"].read()))


def _mark(effects: Effects, key: str, found: Mapping[str, Any], said: Unknown) -> bool:
    now = clock.iso(effects.cloud.clock.now())
    row = {
        "begun": found["at"],
        "run": found["run"],
        "since": now,
        "error": found.get("error") or "its run died",
        "note": status.cut(said.note, status.LONG) or None,
    }
    return _turn(effects.cloud, effects.job.name, key, found["nonce"], {"uncertain": now}, (), listing=row)


def _confirm(
    cloud: Cloud, job: Job, key: str, nonce: str, result: Any, written: Mapping[str, Any] | None = None
) -> bool:
    now = cloud.clock.now()
    name, value = keep(cloud, job.name, key, nonce, result)
    assert job.effects is not None
    given = {"done": clock.iso(now), name: value, TTL: int((now + job.effects).timestamp())}
    return _turn(cloud, job.name, key, nonce, given, ("lease_until", "error", "uncertain"), written)


def _turn(
    cloud: Cloud,
    job: str,
    key: str,
    nonce: str,
    given: Mapping[str, Any],
    gone: Sequence[str],
    written: Mapping[str, Any] | None = None,
    listing: Mapping[str, Any] | None = None,
) -> bool:
    """Set and remove attributes of the effect's row, or delete it where none are given; with it its place in the list
    goes, or comes with `listing`. All or nothing, which costs twice as much, and is rare.

    False where the row was not open any more, or in other hands.
    """
    table = cloud.names.table(STATE)
    row: dict[str, Any] = {"TableName": table, "Key": rows.row(row_key(job, key)), "ConditionExpression": STILL_OPEN}
    values = {f":v{name}": value for name, value in given.items()} | {":nonce": nonce}
    row["ExpressionAttributeValues"] = rows.row(values)
    if given:
        row["ExpressionAttributeNames"] = {f"#{name}": name for name in (*given, *gone)}
        row["UpdateExpression"] = "SET " + ", ".join(f"#{name} = :v{name}" for name in given)
        if gone:
            row["UpdateExpression"] += " REMOVE " + ", ".join(f"#{name}" for name in gone)
    place = {"pk": f"uncertain#{job}", "sk": key}
    items: list[Any] = [{"Update" if given else "Delete": row}]
    if listing:
        items.append({"Put": {"TableName": table, "Item": rows.row({**place, **listing})}})
    else:
        items.append({"Delete": {"TableName": table, "Key": rows.row(place)}})
    if written:
        items.append({"Put": {"TableName": table, "Item": rows.row(written)}})
    try:
        cloud.dynamodb.transact_write_items(TransactItems=items)
    except cloud.dynamodb.exceptions.TransactionCanceledException as error:
        if any(reason.get("Code") in MOVED for reason in error.response.get("CancellationReasons", [])):
            return False
        raise
    return True


def _query(cloud: Cloud, pk: str, **rest: Any) -> Iterator[dict[str, Any]]:
    pages = cloud.dynamodb.get_paginator("query").paginate(
        TableName=cloud.names.table(STATE),
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=rows.row({":pk": pk}),
        ConsistentRead=True,
        **rest,
    )
    for page in pages:
        yield from map(rows.plain, page["Items"])
