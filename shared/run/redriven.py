"""What came of a letter that was sent again, written on its row by whoever served it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.aws import attributes
from shared.aws.names import NO_TARGET, STATE
from shared.dead_letters.letter import DEAD, RESOLVED, RETRYING, row_key
from shared.job.definition import Job
from shared.job.outcome import Done, Outcome, Reason, Refused, Skipped, Snoozed
from shared.run import manual, send

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.run.firing import Firing


def of_run(cloud: Cloud, job: Job, firing: Firing, run: str, outcome: Outcome) -> None:
    """A failure writes nothing: its next attempt is on its way, or a dead letter. So does a run that was lost."""
    match outcome:
        case Done() | Skipped(reason=Reason.SUPERSEDED):
            resolve(cloud, job.name, firing.letter, run, outcome.word)
        case Skipped(reason=Reason.DEDUPLICATED):
            # Either the work is done, or another delivery of this firing is at it and will say what came of it.
            if by := _done_by(cloud, job, firing):
                resolve(cloud, job.name, firing.letter, by, "done")
        case Skipped() | Refused():
            give_back(cloud, job.name, firing.letter, f"was not run: {outcome.word}; {outcome.note}")
        case Snoozed() if not send.may_be_put_off(job, firing):
            give_back(cloud, job.name, firing.letter, f"was put off too often; {outcome.note}")


def resolve(cloud: Cloud, job: str, letter: str, run: str, outcome: str) -> None:
    now = clock.iso(cloud.clock.now())
    values = {":resolved": RESOLVED, ":run": run, ":outcome": outcome, ":now": now}
    update = "SET #state = :resolved, resolvedBy = :run, resolvedAt = :now, #outcome = :outcome REMOVE note"
    # From whatever state: the work is done. Only the first says by whom.
    move(cloud, job, letter, update, values, "#state <> :resolved", outcome="outcome")


def give_back(cloud: Cloud, job: str, letter: str, note: str) -> None:
    """It was not run, and nothing else comes of it: as dead as before."""
    values = {":dead": DEAD, ":retrying": RETRYING, ":note": redaction.excerpt(note, redaction.LONG)}
    move(cloud, job, letter, "SET #state = :dead, note = :note", values, "#state = :retrying")


def move(
    cloud: Cloud, job: str, letter: str, update: str, values: Mapping[str, Any], condition: str, **names: str
) -> bool:
    """Whether the row was there and in a state to be moved from."""
    try:
        cloud.dynamodb.update_item(
            TableName=cloud.names.table(STATE),
            Key=row_key(job, letter),
            UpdateExpression=update,
            ConditionExpression=f"attribute_exists(pk) AND {condition}",
            ExpressionAttributeNames={"#state": "state", **{f"#{name}": meant for name, meant in names.items()}},
            ExpressionAttributeValues=attributes.row(values),
        )
    except cloud.ConditionalCheckFailed:
        return False
    return True


def _done_by(cloud: Cloud, job: Job, firing: Firing) -> str:
    """The run that did this work, as far as that is known; empty where none did."""
    if firing.manual:
        marker = _row(cloud, manual.key(job.name, firing.id))
        return str(marker.get("run", "-")) if marker.get("outcome") == Done.word else ""
    target = firing.target if job.lease_per_target else NO_TARGET
    item = _row(cloud, attributes.row({"pk": f"{job.key}:last", "sk": target}))
    return str(item.get("run", "-")) if item.get("last", "") >= firing.position else ""


def _row(cloud: Cloud, key: Mapping[str, Any]) -> dict[str, Any]:
    answer = cloud.dynamodb.get_item(TableName=cloud.names.table(STATE), Key=key, ConsistentRead=True)
    return attributes.plain(answer.get("Item"))
