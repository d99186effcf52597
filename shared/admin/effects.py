"""List uncertain effects, and resolve them by an operator's decision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.admin import audit
from shared.advised_commands import advised
from shared.aws import attributes
from shared.aws.names import STATE
from shared.job.definition import Job
from shared.job.effect import Confirmed, NotDone
from shared.run.effects import SHARDS, row_key
from shared.run.reconcile import confirm, update_open

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud


class NothingToResolve(LookupError):
    """No effect of that key waits to be settled; the message says why."""


def resolve_manually(cloud: Cloud, job: Job, key: str, said: Confirmed | NotDone, who: str, reason: str) -> None:
    """Settle an effect: it was done, and `result` is its answer; or it was not, and the next run does it.

    Raises NothingToResolve, and audit.ReasonMissing. Who and why go into the audit with it.
    """
    found = attributes.plain(
        cloud.dynamodb.get_item(
            TableName=cloud.names.table(STATE), Key=attributes.row(row_key(job.name, key)), ConsistentRead=True
        ).get("Item")
    )
    now = cloud.clock.now()
    if not found:
        listing = advised(cloud.names.stage, "effects", job.name)
        raise NothingToResolve(f"{job.name} has begun no effect {key!r}; `{listing}` lists them")
    if "done" in found:
        raise NothingToResolve(f"{key!r} was confirmed at {found['done']}")
    if found["lease_until"] >= clock.milliseconds(now):
        raise NothingToResolve(f"{key!r} is being done by {found['run']}; settle it once that has ended")
    verdict = "done" if isinstance(said, Confirmed) else "redo"
    written = audit.OperatorAuditEntry(cloud, f"effects {verdict}", who, reason, {"job": job.name, "key": key})
    row = {**written.row, "count": 1, "ended": clock.iso(now), "end": "done"}
    if isinstance(said, Confirmed):
        moved = confirm(cloud, job, key, found["nonce"], said.result, row)
    else:
        moved = update_open(cloud, job.name, key, found["nonce"], {}, (), row)
    if not moved:
        raise NothingToResolve(f"{key!r} has moved on while it was being settled; look again")


def uncertain_effects(cloud: Cloud, job: str) -> Iterator[dict[str, Any]]:
    """The uncertain effects of a job: key, begun, run, since, error and note of each. One query."""
    for item in _query(cloud, f"uncertain#{job}"):
        yield {"key": item["sk"], **{name: value for name, value in item.items() if name not in ("pk", "sk")}}


def unconfirmed_effects(cloud: Cloud, job: str) -> Iterator[dict[str, Any]]:
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


def _query(cloud: Cloud, pk: str, **rest: Any) -> Iterator[dict[str, Any]]:
    pages = cloud.dynamodb.get_paginator("query").paginate(
        TableName=cloud.names.table(STATE),
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=attributes.row({":pk": pk}),
        ConsistentRead=True,
        **rest,
    )
    for page in pages:
        yield from map(attributes.plain, page["Items"])
