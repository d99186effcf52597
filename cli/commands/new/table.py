"""Table of a new job, checked against its archetype.

Its names are passed to the skeletons.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cli.exit_codes import CommandError, Exit
from shared import tables
from shared.job import registry
from shared.tables import Table

# Index by which an archetype reads its rows.
INDEXES = {"purge": "aged", "warned-purge": "aged", "rollup": "aged", "sweep": "due", "pipeline": "due"}
# Archetypes of which a table can have one job: a second one would attempt the same rows.
EXCLUSIVE = ("sweep", "pipeline")
SEE = "see shared/tables.py and docs/reference/records.md"
ON_RETRY = """
    def on_retry(self, item: {model}, at: datetime) -> Mapping[str, Any]:
        raise NotImplementedError("return the fields that change when the item is due again at that timestamp")
"""


def values(archetype: str, name: str | None, into: str | None) -> dict[str, str]:
    """Values for a skeleton; empty for an archetype without a table.

    Raises CommandError.
    """
    if archetype not in INDEXES:
        if name or into:
            raise CommandError(Exit.WRONG_USE, f"a {archetype} has no table; leave out --table and --into")
        return {}
    table = _table(archetype, name)
    if archetype in EXCLUSIVE and (other := _job_of(table)):
        raise CommandError(
            Exit.WRONG_USE, f"{other} already processes the due rows of {table.name}; declare another table: {SEE}"
        )
    common = {"table": _constant(table), "rows": table.name}
    match archetype:
        case "rollup":
            return common | _rollup_values(table, into)
        case "sweep" | "pipeline":
            return common | _record_values(archetype, table)
        case _:
            return common


def _table(archetype: str, name: str | None) -> Table:
    index = INDEXES[archetype]
    suitable = {table.name: table for table in tables.TABLES if index in {index.name for index in table.indexes}}
    if name not in suitable:
        reason = f"{name} has no such index; choose one of" if name else "pass --table with one of"
        raise CommandError(
            Exit.WRONG_USE,
            f"a {archetype} needs a table with an index `{index}`; {reason} {', '.join(sorted(suitable))}",
        )
    return suitable[name]


def _job_of(table: Table) -> str:
    """Job that processes the table's due rows; empty for none.

    The job is given by its name.
    """
    kinds = ("shared.archetypes.sweep", "shared.archetypes.pipeline")
    for name, job in registry.jobs().items():
        if getattr(job, "table", None) is table and any(base.__module__ in kinds for base in type(job).__mro__):
            return name
    return ""


def _constant(table: Table) -> str:
    return next(name for name, value in vars(tables).items() if value is table)


def _model(table: Table) -> Any:
    # Imported lazily: no other part of this command needs pydantic.
    from shared.product.records.by_table import KINDS

    if table.name not in KINDS:
        raise CommandError(Exit.WRONG_USE, f"rows of {table.name} have no model in shared/product/records")
    return KINDS[table.name]


def _record_values(archetype: str, table: Table) -> dict[str, str]:
    model = _model(table)
    fields, module = model.model_fields, model.__module__
    if archetype == "pipeline" and not {"step", "cursor", "progress", "due_on"} <= set(fields):
        raise CommandError(Exit.WRONG_USE, f"rows of {table.name} are no requests, as in exports: {SEE}")
    own = "" if "next_attempt_at" in fields else ON_RETRY.format(model=model.__name__)
    return {
        "record": f"{module}.{model.__name__}",
        "model": model.__name__,
        "records": model.__module__,
        "again": own,
        "also": "\nfrom datetime import datetime" if own else "",
    }


def _rollup_values(table: Table, into: str | None) -> dict[str, str]:
    """Names of the timestamp, the numbers and the sums' table.

    The table's index includes the timestamp and the numbers.
    """
    fields = _model(table).model_fields
    [index] = (index for index in table.indexes if index.name == INDEXES["rollup"])
    kinds = {name: fields[name].annotation for name in index.include if name in fields}
    whens = [name for name, kind in kinds.items() if kind is datetime]
    sums = [name for name, kind in kinds.items() if kind is int]
    if not whens or not sums:
        raise CommandError(Exit.WRONG_USE, f"the index of {table.name} lacks a timestamp or a number to add up: {SEE}")
    target = _target(table, into)
    names = {"when": whens[0], "sums": ", ".join(f'"{name}"' for name in sums) + ("," if len(sums) == 1 else "")}
    return {**names, "into": _constant(target), "first": sums[0]}


def _target(table: Table, into: str | None) -> Table:
    """Table `into`, checked as the target of a rollup.

    It must have an index by age and no other, and no other rollup.
    """
    taken = {job.into.name: name for name, job in registry.jobs().items() if hasattr(job, "into")}
    suitable = {
        each.name: each
        for each in tables.MAIL
        if each is not table and [index.name for index in each.indexes] == [INDEXES["rollup"]]
    }
    if into in taken:
        raise CommandError(
            Exit.WRONG_USE, f"{taken[into]} already adds up into {into}, and a table has one rollup: {SEE}"
        )
    if into not in suitable:
        raise CommandError(
            Exit.WRONG_USE, f"pass --into with the table of the sums, which has an index by age and no other: {SEE}"
        )
    return suitable[into]
