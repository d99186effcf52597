"""One write that turns a row into what it has come to be, only while it is as it was read, and what comes with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.aws import attributes

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.tables import Table

Plain = Mapping[str, Any]
TRIES = 4


def update_if_unchanged(
    cloud: Cloud, table: Table, before: Plain, after: Plain, held: Iterable[str] = (), along: Sequence[Any] = ()
) -> bool:
    """Set what differs, remove what is gone; False, and nothing written, where the row has moved on meanwhile.

    before, after: all its attributes, as plain data. held: those that must be as they were read besides the ones that
    change. along: arguments of PutItem for rows that come with it, all or nothing, each once: one that stands is left.
    """
    update = _update(cloud, table, before, after, held)
    if not along:
        try:
            cloud.bulk.update_item(**update, ReturnValuesOnConditionCheckFailure="ALL_OLD")
        except cloud.ConditionalCheckFailed as error:
            # A repeat after a lost reply finds what it has written itself.
            return attributes.plain(error.response.get("Item")) == dict(after)
        return True
    return _together(cloud, update, list(along))


def _together(cloud: Cloud, update: Any, along: list[Any]) -> bool:
    for attempt in range(TRIES):
        items: list[Any] = [{"Update": update}, *({"Put": put} for put in along)]
        try:
            cloud.bulk.transact_write_items(TransactItems=items)
        except cloud.dynamodb.exceptions.TransactionCanceledException as error:
            codes = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
            if codes[:1] == ["ConditionalCheckFailed"]:
                return False
            if not {"ConditionalCheckFailed", "TransactionConflict"}.intersection(codes):
                raise
            along = [put for put, code in zip(along, codes[1:], strict=True) if code != "ConditionalCheckFailed"]
            cloud.clock.sleep(0.05 * 2**attempt if "TransactionConflict" in codes else 0)
        else:
            return True
    return False


def _update(cloud: Cloud, table: Table, before: Plain, after: Plain, held: Iterable[str]) -> dict[str, Any]:
    keys = (table.pk, table.sk)
    given = {name: value for name, value in after.items() if name not in keys and before.get(name) != value}
    gone = [name for name in before if name not in after and name not in keys]
    held = tuple(held)
    if not given and not gone:
        # Written as they were: whether the row has moved on must be known all the same.
        given = {name: before[name] for name in held}
    looked_at = dict.fromkeys((*held, *given, *gone))
    names = {f"#{number}": name for number, name in enumerate(looked_at)}
    place = {name: mark for mark, name in names.items()}
    values: dict[str, Any] = {}

    def value(mark: str, found: Any) -> str:
        values[mark] = found
        return mark

    sets = [f"{place[name]} = {value(f':n{place[name][1:]}', new)}" for name, new in given.items()]
    removes = [place[name] for name in gone]
    holds = [
        f"{mark} = {value(f':o{mark[1:]}', before[name])}" if name in before else f"attribute_not_exists({mark})"
        for mark, name in names.items()
    ]
    return {
        "TableName": cloud.names.table(table.name),
        "Key": attributes.row({name: before[name] for name in keys}),
        "UpdateExpression": " ".join(
            f"{verb} {', '.join(parts)}" for verb, parts in (("SET", sets), ("REMOVE", removes)) if parts
        ),
        # A row that is deleted meanwhile must not come back as a stump of one.
        "ConditionExpression": " AND ".join((f"attribute_exists({table.pk})", *holds)),
        "ExpressionAttributeNames": names,
        **(
            {"ExpressionAttributeValues": {mark: attributes.pack(found) for mark, found in values.items()}}
            if values
            else {}
        ),
    }
