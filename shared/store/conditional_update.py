"""Update a row only if it is unchanged since it was read.

Other rows are created by the same write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.store import table
from shared.store.keys import RowKey
from shared.store.transaction import CONDITION_FAILED, PAUSE, Put, TransactionCancelled, Update, write_together

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.tables import Table

Plain = Mapping[str, Any]
TRIES = 4


def update_if_unchanged(
    cloud: Cloud, of: Table, before: Plain, after: Plain, guards: Iterable[str] = (), with_puts: Sequence[Put] = ()
) -> bool:
    """Update the attributes that differ; False if the row has changed.

    Missing attributes are removed. Nothing is written if the row has changed.

    before, after: all attributes, as plain data. guards: attributes that must be as they were read, besides those that
    change. with_puts: rows that are created by the same transaction; one that exists already is left as it is.
    """
    after = {name: value for name, value in after.items() if value is not None}
    update = _update(of, before, after, tuple(guards))
    if with_puts:
        return _together(cloud, update, list(with_puts))
    return table.update_if(
        cloud,
        of,
        update.key,
        update.expression,
        update.values,
        update.condition,
        names=update.names,
        won=lambda row: row == after,
        patient=True,
    )


def _together(cloud: Cloud, update: Update, puts: list[Put]) -> bool:
    for attempt in range(TRIES):
        try:
            write_together(cloud, [update, *puts], patient=True)
        except TransactionCancelled as cancelled:
            if not cancelled.condition_failed and not cancelled.conflicted:
                raise
            first, *others = cancelled.codes
            if first == CONDITION_FAILED:
                return False
            puts = [put for put, code in zip(puts, others, strict=True) if code != CONDITION_FAILED]
            cloud.clock.sleep(PAUSE * 2**attempt if cancelled.conflicted else 0)
        else:
            return True
    return False


def _update(of: Table, before: Plain, after: Plain, guards: Sequence[str]) -> Update:
    keys = (of.pk, of.sk)
    changed = {name: value for name, value in after.items() if name not in keys and before.get(name) != value}
    removed = [name for name in before if name not in after and name not in keys]
    if not changed and not removed:
        # An update that changes nothing still has to find out whether the row has changed.
        changed = {name: before[name] for name in guards}
    names = {f"#{number}": name for number, name in enumerate(dict.fromkeys((*guards, *changed, *removed)))}
    mark = {name: mark for mark, name in names.items()}
    new = {f":n{mark[name][1:]}": value for name, value in changed.items()}
    # A NULL can be compared by its type alone.
    old = {f":o{mark[name][1:]}": _value(before[name]) for name in names.values() if name in before}
    sets = [f"{mark[name]} = :n{mark[name][1:]}" for name in changed]
    clauses = (("SET", sets), ("REMOVE", [mark[name] for name in removed]))
    unchanged = [_unchanged(mark, before, name) for mark, name in names.items()]
    return Update(
        of,
        RowKey(*(before[name] for name in keys)),
        " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses if parts),
        # A row that was deleted since must not be created again with a part of its attributes.
        condition=" AND ".join((f"attribute_exists({of.pk})", *unchanged)),
        values={**new, **old},
        names=names,
    )


def _unchanged(mark: str, before: Plain, name: str) -> str:
    if name not in before:
        return f"attribute_not_exists({mark})"
    old = f":o{mark[1:]}"
    return f"attribute_type({mark}, {old})" if before[name] is None else f"{mark} = {old}"


def _value(value: Any) -> Any:
    return "NULL" if value is None else value
