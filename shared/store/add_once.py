"""Additions to a row that must not happen twice: the row says up to which window it has been added to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.aws import attributes
from shared.tables import Table

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

UPTO = "upto"
NOT_YET = f"(attribute_not_exists({UPTO}) OR {UPTO} < :end)"


@dataclass(frozen=True, slots=True)
class Addition:
    """numbers: what is added. first: attributes that a new row gets, and an old one keeps. sets: what both get.

    there: only to a row that is there; else one is made.
    """

    owner: str
    id: str
    numbers: Mapping[str, int]
    first: Mapping[str, Any] = field(default_factory=dict)
    sets: Mapping[str, Any] = field(default_factory=dict)
    there: bool = False


def add_once(cloud: Cloud, table: Table, addition: Addition, end: str) -> bool:
    """One conditional write. False where it was added before, for this window or a later one, or the row is gone.
    Raises ValueError for a row that holds something else than a number.

    end: of the window. Windows come one after the other, and one that is repeated is the same to the row.
    """
    names, values = dict[str, str](), dict[str, Any]({":end": end})
    adds, sets = list[str](), [f"{UPTO} = :end"]
    parts = ((addition.numbers, adds, "#{0} :{0}"), (addition.sets, sets, "#{0} = :{0}"))
    for given, said, form in (*parts, (addition.first, sets, "#{0} = if_not_exists(#{0}, :{0})")):
        for name, value in given.items():
            names[f"#{name}"], values[f":{name}"] = name, value
            said.append(form.format(name))
    there = f" AND attribute_exists({table.pk})" if addition.there else ""
    try:
        cloud.bulk.update_item(
            TableName=cloud.names.table(table.name),
            Key=attributes.row({table.pk: addition.owner, table.sk: addition.id}),
            UpdateExpression=f"ADD {', '.join(adds)} SET {', '.join(sets)}",
            ConditionExpression=f"{NOT_YET}{there}",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=attributes.row(values),
        )
    except cloud.ConditionalCheckFailed:
        return False
    except cloud.dynamodb.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "ValidationException":
            raise
        # Such as text where a number was: to go on without it would leave the window out of that sum for good.
        what = f"{addition.id} of {addition.owner} in {table.name}"
        raise ValueError(f"{what} cannot be added to; nothing is until it is put right: {error}") from error
    return True
