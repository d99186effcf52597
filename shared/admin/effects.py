"""List uncertain effects, and resolve them by an operator's decision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.admin import audit
from shared.advised_commands import advised
from shared.job.definition import Job
from shared.job.effect import Confirmed, NotDone
from shared.run.reconcile import confirm, update_open
from shared.store import failure_index, keys, table
from shared.tables import FAILURE_KEYS, STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud


class NothingToResolve(LookupError):
    """The effect cannot be resolved; the message has the reason."""


def resolve_manually(
    cloud: Cloud, job: Job, key: str, outcome: Confirmed | NotDone, operator: str, reason: str
) -> None:
    """Record the outcome of an effect.

    It was performed, with the result of its call; or it was not, and the next run performs it. The audit entry is part
    of the same write. Raises NothingToResolve, and audit.ReasonMissing.
    """
    effect = table.get(cloud, STATE, keys.effect(job.name, key))
    now = cloud.clock.now()
    if not effect:
        listing = advised(cloud.names.stage, "effects", job.name)
        raise NothingToResolve(f"{job.name} has begun no effect {key!r}; `{listing}` lists its uncertain effects")
    if "done" in effect:
        # Confirmed effects stay so: an entry that an earlier version left is removed.
        table.delete(cloud, STATE, keys.uncertain_effect(job.name, key))
        raise NothingToResolve(f"the effect {key!r} was confirmed at {effect['done']}; it is no longer listed")
    if effect["lease_until"] >= clock.milliseconds(now):
        raise NothingToResolve(
            f"the effect {key!r} is being done by {effect['run']}; resolve it after that run has ended"
        )
    verdict = "done" if isinstance(outcome, Confirmed) else "redo"
    entry = audit.OperatorAuditEntry(cloud, f"effects {verdict}", operator, reason, {"job": job.name, "key": key})
    row = {**entry.row, "count": 1, "ended": clock.iso(now), "end": "done"}
    if isinstance(outcome, Confirmed):
        written = confirm(cloud, job, key, effect["nonce"], outcome.result, row)
    else:
        written = update_open(cloud, job.name, key, effect["nonce"], {}, (), row)
    if not written:
        raise NothingToResolve(f"the effect {key!r} was changed by a run while it was being resolved; list it again")


def uncertain_effects(cloud: Cloud, job: str) -> Iterator[dict[str, Any]]:
    """Yield the uncertain effects of a job. One query.

    Each with key, begun, run, since, tenant, error and note.
    """
    for item in _query(cloud, keys.uncertain_effects(job)):
        yield _listed(item, "job")


def all_uncertain_effects(cloud: Cloud) -> Iterator[dict[str, Any]]:
    """Yield the uncertain effects of all jobs, newest first.

    Each with job, and the fields of `uncertain_effects`. Eventually consistent.
    """
    return map(_listed, failure_index.uncertain_effects(cloud))


def _listed(item: dict[str, Any], *hidden: str) -> dict[str, Any]:
    left_out = ("pk", "sk", *FAILURE_KEYS, *hidden)
    return {"key": item["sk"], **{name: value for name, value in item.items() if name not in left_out}}


def unconfirmed_effects(cloud: Cloud, job: str) -> Iterator[dict[str, Any]]:
    """Yield effects that were started and not confirmed.

    Running ones included. Reads every effect of the job.
    """
    for shard in range(keys.EFFECT_SHARDS):
        for item in _query(cloud, keys.effects(job, shard), FilterExpression="attribute_not_exists(done)"):
            yield {
                "key": item["sk"],
                "begun": item["at"],
                "run": item["run"],
                "since": item.get("uncertain"),
                "error": item.get("error", ""),
                "busy": item["lease_until"] >= clock.milliseconds(cloud.clock.now()),
            }


def _query(cloud: Cloud, pk: str, **request: Any) -> Iterator[dict[str, Any]]:
    return table.query(cloud, STATE, "pk = :pk", {":pk": pk}, ConsistentRead=True, **request)
