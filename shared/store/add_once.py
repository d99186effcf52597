"""Add numbers to a row once per window.

The row records the window up to which it has been added to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared import clock
from shared.store import table
from shared.store.keys import RowKey
from shared.tables import Table

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

UPTO = "upto"
NOT_YET = f"attribute_not_exists({UPTO}) OR {UPTO} < :end"
# A run under a wrong clock left a window that ends after this clock, as none of a right clock does. Only a window of a
# right clock overrules it: else a repeated window of that run would be added twice.
AHEAD = f"{UPTO} > :ahead"


@dataclass(frozen=True, slots=True)
class Addition:
    """Numbers to add to one row."""

    #: Partition key and sort key of the row.
    owner: str
    id: str
    #: Added to the attributes of these names.
    numbers: Mapping[str, int]
    #: Attributes that a new row gets, and an existing row keeps.
    first: Mapping[str, Any] = field(default_factory=dict)
    #: Attributes that are set in either case.
    sets: Mapping[str, Any] = field(default_factory=dict)
    #: Add only to an existing row; by default a missing row is created.
    there: bool = False


def add_once(cloud: Cloud, into: Table, addition: Addition, end: str) -> bool:
    """Add to a row in one conditional write.

    False if it was added before, for this window or a later one, or if the row is missing. Raises ValueError where an
    attribute is not a number. end: the end of the window; windows are processed in order, and may be repeated.
    """
    ahead = clock.iso(cloud.clock.now())
    names, values = dict[str, str](), dict[str, Any]({":end": end})
    adds, sets = list[str](), [f"{UPTO} = :end"]
    parts = ((addition.numbers, adds, "#{0} :{0}"), (addition.sets, sets, "#{0} = :{0}"))
    for attributes, clause, form in (*parts, (addition.first, sets, "#{0} = if_not_exists(#{0}, :{0})")):
        for name, value in attributes.items():
            names[f"#{name}"], values[f":{name}"] = name, value
            clause.append(form.format(name))
    if end <= ahead:
        values[":ahead"] = ahead
    not_yet = f"{NOT_YET} OR {AHEAD}" if end <= ahead else NOT_YET
    exists = f" AND attribute_exists({into.pk})" if addition.there else ""
    try:
        return table.update_if(
            cloud,
            into,
            RowKey(addition.owner, addition.id),
            f"ADD {', '.join(adds)} SET {', '.join(sets)}",
            values,
            f"({not_yet}){exists}",
            names=names,
            patient=True,
        )
    except cloud.dynamodb.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "ValidationException":
            raise
        # Such as text where a number was: the caller stores the addition until the sum is corrected.
        row = f"{addition.id} of {addition.owner} in {into.name}"
        raise ValueError(f"{row} cannot be added to; correct it: {error}") from error
