"""Reconcile effects that were started but never confirmed.

By the job or by an operator.

Effects whose outcome stays unknown are listed in `uncertain#<job>`, so that they are found without reading all effects.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.advised_commands import advised
from shared.job.effect import Confirmed, Effect, NotDone, UncertainOutcome, Unknown
from shared.job.outcome import Done, Outcome
from shared.run import effect_results
from shared.store import failure_index, keys
from shared.store.transaction import Delete, Put, TransactionCancelled, Update, Write, write_together
from shared.tables import STATE, TTL

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.definition import Job
    from shared.run.context import RunContext

# A confirmed row is decided; one with another nonce belongs to another run.
STILL_OPEN = "nonce = :nonce AND attribute_not_exists(done)"


def reconcile_intent(run: RunContext, key: str, row: Mapping[str, Any], intent: Mapping[str, Any]) -> None:
    """Reconcile an abandoned intent by the job's answer. Raises UncertainOutcome.

    intent: written over the old one where the effect did not happen. Nothing is written where the row has changed since
    it was read; the caller reads it again either way.
    """
    cloud, job = run.cloud, run.job
    token = effect_results.token(cloud.names, job.name, key)
    answer = _stored_result(cloud, job.name, key, row["nonce"]) or job.reconcile(
        Effect(key, token, clock.parse(row["at"]), row["run"], row.get("error", ""), run)
    )
    run.log.warning("effect_reconciled", effect=key, begun=row["at"], by=row["run"], said=type(answer).__name__)
    match answer:
        case Confirmed():
            confirm(cloud, job, key, row["nonce"], answer.result)
        case NotDone():
            # The same write finds the old nonce and sets the new one: of two runs that ask, one repeats the effect.
            update_open(cloud, job.name, key, row["nonce"], intent, ("error", "uncertain"))
        case Unknown():
            if "uncertain" not in row and not _listed(run, key, row, answer):
                return
            run.uncertain.append(key)
            run.log.error("effect_uncertain", effect=key, status="uncertain", error=row.get("error", ""))
            raise UncertainOutcome(cloud.names.stage, job.name, key)


def with_uncertain(outcome: Outcome, stage: str, job: str, effect_keys: Sequence[str]) -> Outcome:
    """Add the number of uncertain effects to a run's note."""
    if not isinstance(outcome, Done):
        return outcome
    note = f"{len(effect_keys)} effects are uncertain: {advised(stage, 'effects', job)}"
    return replace(outcome, note="; ".join(filter(None, (note, outcome.note))))


def _stored_result(cloud: Cloud, job: str, key: str, nonce: str) -> Confirmed | None:
    """Return the large result of an unconfirmed effect, if stored.

    It is stored before the confirmation, and proves that the call returned.
    """
    name = effect_results.object_key(cloud.names, job, key, nonce)
    try:
        response = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=name)
    except cloud.s3.exceptions.ClientError as error:
        # Without permission to list, S3 answers 403 for a missing object.
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in (403, 404):
            return None
        raise
    return Confirmed(json.loads(response["Body"].read()))


def _listed(run: RunContext, key: str, row: Mapping[str, Any], answer: Unknown) -> bool:
    """List the effect as uncertain; False where its row has changed.

    Where that cannot be written, the next look at the effect does it: the outcome is uncertain either way.
    """
    try:
        return _mark_uncertain(run, key, row, answer)
    except Exception as error:  # noqa: BLE001 - an uncertain outcome is no failure
        run.log.error("effect_not_listed", effect=key, error=f"{type(error).__name__}: {error}")
        return True


def _mark_uncertain(run: RunContext, key: str, row: Mapping[str, Any], answer: Unknown) -> bool:
    at = run.cloud.clock.now()
    now = clock.iso(at)
    listing = {
        "begun": row["at"],
        "run": row["run"],
        "since": now,
        "error": row.get("error") or "its run was interrupted",
        "note": redaction.excerpt(answer.note, redaction.LONG) or None,
        "tenant": redaction.excerpt(run.tenant, redaction.SHORT) or None,
        "job": run.job.name,
        **failure_index.keys_of_uncertain_effect(run.job.name, at, run.tenant),
    }
    return update_open(run.cloud, run.job.name, key, row["nonce"], {"uncertain": now}, (), listing=listing)


def confirm(
    cloud: Cloud, job: Job, key: str, nonce: str, result: Any, written: Mapping[str, Any] | None = None
) -> bool:
    """Confirm an open effect with its result.

    False where it is no longer open. written: see `update_open`.
    """
    now = cloud.clock.now()
    name, value = effect_results.store(cloud, job.name, key, nonce, result)
    assert job.effects is not None
    sets = {"done": clock.iso(now), name: value, TTL: int((now + job.effects).timestamp())}
    return update_open(cloud, job.name, key, nonce, sets, ("lease_until", "error", "uncertain"), written)


def update_open(
    cloud: Cloud,
    job: str,
    key: str,
    nonce: str,
    sets: Mapping[str, Any],
    removes: Sequence[str],
    written: Mapping[str, Any] | None = None,
    listing: Mapping[str, Any] | None = None,
) -> bool:
    """Update an open effect, or delete it without `sets`.

    In the same transaction: the row in the list of uncertain effects is written with `listing`, or deleted without it;
    `written` is a further row. Twice the price of single writes, and rare. False, and nothing written, where the effect
    is confirmed or another run has it.
    """
    values = {":nonce": nonce}
    writes: list[Write] = []
    if sets:
        expression = "SET " + ", ".join(f"#{name} = :v{name}" for name in sets)
        if removes:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in removes)
        values |= {f":v{name}": value for name, value in sets.items()}
        names = {f"#{name}": name for name in (*sets, *removes)}
        effect = keys.effect(job, key)
        writes.append(Update(STATE, effect, expression, condition=STILL_OPEN, values=values, names=names))
    else:
        writes.append(Delete(STATE, keys.effect(job, key), condition=STILL_OPEN, values=values))
    listed = keys.uncertain_effect(job, key)
    writes.append(Put(STATE, {**listed.attributes, **listing}) if listing else Delete(STATE, listed))
    if written:
        writes.append(Put(STATE, written))
    try:
        write_together(cloud, writes)
    except TransactionCancelled as cancelled:
        if cancelled.condition_failed or cancelled.conflicted:
            return False
        raise
    return True
