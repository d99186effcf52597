"""The table that a new job works on: what its archetype needs of it, and how the job's module speaks of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cli.exit_codes import CommandError, Exit
from shared import tables
from shared.job import registry
from shared.tables import Table

# The index by which an archetype finds its rows.
INDEXES = {"purge": "aged", "forewarning": "aged", "rollup": "aged", "sweep": "due", "pipeline": "due"}
# Of these a table has one: a second would attempt what the first has in hand.
ALONE = ("sweep", "pipeline")
HOW = "see shared/tables.py and docs/records.md"
AGAIN = """
    def on_retry(self, item: {model}, at: datetime) -> Mapping[str, Any]:
        raise NotImplementedError("the fields that change where it is due again at that instant")
"""


def values(archetype: str, name: str | None, into: str | None) -> dict[str, str]:
    """What a skeleton is filled with; nothing for an archetype that works on no table. Raises CommandError."""
    if archetype not in INDEXES:
        if name or into:
            raise CommandError(Exit.WRONG_USE, f"a {archetype} works on no table; leave out --table and --into")
        return {}
    table = _table(archetype, name)
    if archetype in ALONE and (other := _working(table)):
        raise CommandError(
            Exit.WRONG_USE, f"{other} works on what is due in {table.name} already; declare another: {HOW}"
        )
    said = {"table": _constant(table), "rows": table.name}
    match archetype:
        case "rollup":
            return said | _summed(table, into)
        case "sweep" | "pipeline":
            return said | _recorded(archetype, table)
        case _:
            return said


def _table(archetype: str, name: str | None) -> Table:
    index = INDEXES[archetype]
    fit = {table.name: table for table in tables.TABLES if index in {index.name for index in table.indexes}}
    if name not in fit:
        told = f"{name} has no such index" if name else "say --table"
        raise CommandError(
            Exit.WRONG_USE, f"a {archetype} works on a table with an index `{index}`; {told}: {', '.join(sorted(fit))}"
        )
    return fit[name]


def _working(table: Table) -> str:
    """Which job attempts what is due there."""
    kinds = ("shared.archetypes.sweep", "shared.archetypes.pipeline")
    for name, job in registry.jobs().items():
        if getattr(job, "table", None) is table and any(base.__module__ in kinds for base in type(job).__mro__):
            return name
    return ""


def _constant(table: Table) -> str:
    return next(name for name, value in vars(tables).items() if value is table)


def _model(table: Table) -> Any:
    # Pydantic is needed by nobody else here.
    from shared.product.records.by_table import KINDS

    if table.name not in KINDS:
        raise CommandError(
            Exit.WRONG_USE, f"rows of {table.name} have no model in shared/records, by which they are read"
        )
    return KINDS[table.name]


def _recorded(archetype: str, table: Table) -> dict[str, str]:
    model = _model(table)
    fields, module = model.model_fields, model.__module__
    if archetype == "pipeline" and not {"step", "cursor", "progress", "due_on"} <= set(fields):
        raise CommandError(Exit.WRONG_USE, f"rows of {table.name} are no requests, as those of exports are: {HOW}")
    own = "" if "next_attempt_at" in fields else AGAIN.format(model=model.__name__)
    return {
        "record": f"{module}.{model.__name__}",
        "model": model.__name__,
        "records": model.__module__,
        "again": own,
        "also": "\nfrom datetime import datetime" if own else "",
    }


def _summed(table: Table, into: str | None) -> dict[str, str]:
    """The instant and the numbers that its index includes, and where their sums go."""
    fields = _model(table).model_fields
    [index] = (index for index in table.indexes if index.name == INDEXES["rollup"])
    kinds = {name: fields[name].annotation for name in index.include if name in fields}
    whens = [name for name, kind in kinds.items() if kind is datetime]
    sums = [name for name, kind in kinds.items() if kind is int]
    if not whens or not sums:
        raise CommandError(Exit.WRONG_USE, f"the index of {table.name} includes no instant and number to add up: {HOW}")
    target = _target(table, into)
    names = {"when": whens[0], "sums": ", ".join(f'"{name}"' for name in sums) + ("," if len(sums) == 1 else "")}
    both = ", ".join(sorted((_constant(table), _constant(target))))
    return {**names, "into": _constant(target), "both": both, "first": sums[0]}


def _target(table: Table, into: str | None) -> Table:
    """A table of the rollup's own, with an index by age alone."""
    taken = {job.into.name: name for name, job in registry.jobs().items() if hasattr(job, "into")}
    fit = {
        each.name: each
        for each in tables.MAIL
        if each is not table and [index.name for index in each.indexes] == [INDEXES["rollup"]]
    }
    if into in taken:
        raise CommandError(
            Exit.WRONG_USE, f"{taken[into]} adds up into {into} already, and of each sum there is one: {HOW}"
        )
    if into not in fit:
        raise CommandError(
            Exit.WRONG_USE, f"say --into which table sums go, one of their own with an index by age: {HOW}"
        )
    return fit[into]
