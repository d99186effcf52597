"""Up to which instant a job has dealt with what was recorded: `watermark#<job>` / `-`.

A window is pinned before anything of it is written, so that a run after a crash takes the very same one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.aws import attributes, permissions
from shared.aws.names import STATE
from shared.aws.permissions import Grant
from shared.store.fencing import Fenced

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

ONLY = "-"


@dataclass(frozen=True, slots=True)
class Mark:
    """upto: all that was recorded by then is dealt with. closing: the end of the window that is on its way, if any.

    Instants as `clock.iso` writes them, empty where there is none.
    """

    upto: str = ""
    closing: str = ""


def reading(job: str) -> Grant:
    """For a job that waits for another's watermark."""
    return permissions.read_rows(STATE, _pk(job))


def writing(job: str) -> Grant:
    return permissions.update_rows(STATE, _pk(job))


def closed(cloud: Cloud, job: str) -> datetime | None:
    """Up to when the job has dealt with everything; None where it never did."""
    upto = read(cloud, job).upto
    return clock.parse(upto) if upto else None


def read(cloud: Cloud, job: str) -> Mark:
    found = cloud.dynamodb.get_item(TableName=cloud.names.table(STATE), Key=_key(job), ConsistentRead=True)
    item = attributes.plain(found.get("Item"))
    return Mark(item.get("upto", ""), item.get("closing", ""))


def pin(cloud: Cloud, job: str, mark: Mark, end: str) -> Mark:
    """Say that the window up to `end` is on its way. Raises Fenced where another run has moved the mark."""
    pinned = Mark(mark.upto, end)
    if pinned != mark:
        _write(cloud, job, "SET closing = :end", f"attribute_not_exists(closing) AND {_from(mark)}", mark, pinned)
    return pinned


def close(cloud: Cloud, job: str, mark: Mark, end: str) -> Mark:
    """Say that all up to `end` is dealt with. Raises Fenced where another run has moved the mark."""
    pinned = "closing = :end" if mark.closing else "attribute_not_exists(closing)"
    _write(cloud, job, "SET upto = :end REMOVE closing", f"{pinned} AND {_from(mark)}", mark, Mark(end))
    return Mark(end)


def _write(cloud: Cloud, job: str, update: str, condition: str, before: Mark, after: Mark) -> None:
    values = {":end": after.closing or after.upto, ":upto": before.upto or None}
    try:
        cloud.dynamodb.update_item(
            TableName=cloud.names.table(STATE),
            Key=_key(job),
            UpdateExpression=update,
            ConditionExpression=condition,
            ExpressionAttributeValues=attributes.row(values),
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except cloud.ConditionalCheckFailed as error:
        found: Mapping[str, Any] = attributes.plain(error.response.get("Item"))
        # Ours all the same, where the first reply was lost.
        if Mark(found.get("upto", ""), found.get("closing", "")) != after:
            raise Fenced(f"{job}: another run moved its watermark; this one has nothing more to write") from None


def _from(mark: Mark) -> str:
    return "upto = :upto" if mark.upto else "attribute_not_exists(upto)"


def _pk(job: str) -> str:
    return f"watermark#{job}"


def _key(job: str) -> dict[str, Any]:
    return {"pk": {"S": _pk(job)}, "sk": {"S": ONLY}}
