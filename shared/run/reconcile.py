"""What became of an effect whose confirmation is missing: asked of its job, or said by a person.

Those that nobody knows of are listed in `uncertain#<job>`, so that they are found without looking through all others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.advised_commands import advised
from shared.aws import attributes
from shared.aws.names import STATE
from shared.job.effect import Confirmed, Effect, NotDone, UncertainOutcome, Unknown
from shared.job.outcome import Done, Outcome
from shared.run.effects import keep, object_key, row_key, token
from shared.tables import TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.definition import Job
    from shared.run.effects import Effects

# A row that is confirmed has been decided; one with another nonce is in other hands.
STILL_OPEN = "nonce = :nonce AND attribute_not_exists(done)"
# Why a transaction is not carried out where somebody else has been, or is, at the row.
MOVED = ("ConditionalCheckFailed", "TransactionConflict")


def ask(effects: Effects, key: str, found: Mapping[str, Any], mine: str) -> None:
    """Ask the job what came of an intent that was left behind, and write its answer down; raises UncertainOutcome.

    Where the row has moved on meanwhile nothing is written; either way it is to be looked at again.
    """
    tick, job = effects.run, effects.job.name
    known = token(tick.cloud.names, job, key)
    said = _kept(tick.cloud, job, key, found["nonce"]) or effects.job.reconcile(
        Effect(key, known, clock.parse(found["at"]), found["run"], found.get("error", ""), tick)
    )
    tick.log.warning("effect_reconciled", effect=key, begun=found["at"], by=found["run"], said=type(said).__name__)
    match said:
        case Confirmed():
            confirm(effects.cloud, effects.job, key, found["nonce"], said.result)
        case NotDone():
            # The nonce becomes ours in the same write that finds theirs: of two who ask one does it again.
            update_open(effects.cloud, job, key, found["nonce"], effects.intent(mine), ("error", "uncertain"))
        case Unknown():
            if "uncertain" not in found and not _mark(effects, key, found, said):
                return
            tick.uncertain.append(key)
            tick.log.error("effect_uncertain", effect=key, status="uncertain", error=found.get("error", ""))
            raise UncertainOutcome(effects.cloud.names.stage, job, key)


def with_uncertain(outcome: Outcome, stage: str, job: str, keys: Sequence[str]) -> Outcome:
    """A run that was done but for these says so in its status and history."""
    if not isinstance(outcome, Done):
        return outcome
    told = f"{len(keys)} effects are uncertain: {advised(stage, 'effects', job)}"
    return replace(outcome, note="; ".join(filter(None, (told, outcome.note))))


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
        "note": redaction.excerpt(said.note, redaction.LONG) or None,
    }
    return update_open(effects.cloud, effects.job.name, key, found["nonce"], {"uncertain": now}, (), listing=row)


def confirm(
    cloud: Cloud, job: Job, key: str, nonce: str, result: Any, written: Mapping[str, Any] | None = None
) -> bool:
    now = cloud.clock.now()
    name, value = keep(cloud, job.name, key, nonce, result)
    assert job.effects is not None
    given = {"done": clock.iso(now), name: value, TTL: int((now + job.effects).timestamp())}
    return update_open(cloud, job.name, key, nonce, given, ("lease_until", "error", "uncertain"), written)


def update_open(
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
    row: dict[str, Any] = {
        "TableName": table,
        "Key": attributes.row(row_key(job, key)),
        "ConditionExpression": STILL_OPEN,
    }
    values = {f":v{name}": value for name, value in given.items()} | {":nonce": nonce}
    row["ExpressionAttributeValues"] = attributes.row(values)
    if given:
        row["ExpressionAttributeNames"] = {f"#{name}": name for name in (*given, *gone)}
        row["UpdateExpression"] = "SET " + ", ".join(f"#{name} = :v{name}" for name in given)
        if gone:
            row["UpdateExpression"] += " REMOVE " + ", ".join(f"#{name}" for name in gone)
    place = {"pk": f"uncertain#{job}", "sk": key}
    items: list[Any] = [{"Update" if given else "Delete": row}]
    if listing:
        items.append({"Put": {"TableName": table, "Item": attributes.row({**place, **listing})}})
    else:
        items.append({"Delete": {"TableName": table, "Key": attributes.row(place)}})
    if written:
        items.append({"Put": {"TableName": table, "Item": attributes.row(written)}})
    try:
        cloud.dynamodb.transact_write_items(TransactItems=items)
    except cloud.dynamodb.exceptions.TransactionCanceledException as error:
        if any(reason.get("Code") in MOVED for reason in error.response.get("CancellationReasons", [])):
            return False
        raise
    return True
