"""Table of a new job, checked against its archetype.

Its names are passed to the skeletons.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cli.exit_codes import CommandError, Exit
from shared import tables
from shared.job import registry
from shared.tables import Table

# Index by which an archetype reads its rows.
INDEXES = {"purge": "aged", "warned-purge": "aged", "rollup": "aged", "sweep": "due", "pipeline": "due"}
# Modules of archetypes of which a table can have one job: a second one would work on the same rows.
WORKERS = {"due": ("shared.archetypes.sweep", "shared.archetypes.pipeline"), "aged": ("shared.archetypes.purge",)}
# Fields of requests, which a pipeline processes, and of sums.
REQUEST = {"step", "cursor", "progress", "due_on"}
SUMS = {"from_at", "upto"}
SEE = "see shared/tables.py and docs/reference/records.md"
NEW = (
    "declare one in shared/tables.py with an index `{index}`, as in the tables there, and its record in "
    "shared/product/records/, then repeat the command: docs/howto/new-table.md"
)
ON_RETRY = """
    def on_retry(self, item: {model}, at: datetime) -> Mapping[str, Any]:
        raise NotImplementedError("return the fields that change when the item is due again at that timestamp")
"""


def values(archetype: str, name: str | None, into: str | None) -> dict[str, str]:
    """Values for a skeleton; empty for an archetype without a table.

    Raises CommandError, whose suggestions this function accepts.
    """
    if archetype not in INDEXES:
        if name or into:
            raise CommandError(Exit.WRONG_USE, f"a {archetype} has no table; leave out --table and --into")
        return {}
    table = _chosen("--table", name, {each.name: _fault(archetype, each) for each in tables.TABLES}, INDEXES[archetype])
    common = {"table": _constant(table), "rows": table.name}
    match archetype:
        case "rollup":
            target = _chosen("--into", into, {each.name: _target_fault(each) for each in tables.TABLES}, "aged")
            return common | _rollup_values(table, target)
        case "sweep" | "pipeline":
            return common | _record_values(table)
        case "warned-purge":
            return common | {"occurred": _occurred(table)}
        case _:
            return common


def _chosen(option: str, name: str | None, faults: Mapping[str, str], index: str) -> Table:
    """The table of that name. Raises CommandError for one with a fault."""
    known = {table.name: table for table in tables.TABLES}
    if name in known and not faults[name]:
        return known[name]
    reason = f"{option} {name} {faults.get(name, 'is not a table')}" if name else f"{option} is missing"
    free = sorted(each for each, fault in faults.items() if not fault)
    advice = f"choose one of {', '.join(free)}" if free else f"no table is free: {NEW.format(index=index)}"
    raise CommandError(Exit.WRONG_USE, f"{reason}; {advice}")


def _fault(archetype: str, table: Table) -> str:
    """The reason that the archetype cannot use the table, or nothing."""
    index = INDEXES[archetype]
    if index not in {each.name for each in table.indexes}:
        return f"has no index `{index}`"
    if archetype != "rollup" and (other := _job_of(table, index)):
        return f"is worked on by {other} already"
    if archetype in ("purge", "warned-purge"):
        return ""
    model = _models().get(table.name)
    if model is None:
        return "has no record in shared/product/records"
    if archetype == "pipeline" and not set(model.model_fields) >= REQUEST:
        return f"has rows that are no requests, with {', '.join(sorted(REQUEST))}"
    if archetype == "rollup" and not all(_rollup_fields(table)):
        return "has no timestamp, or no number to add up, in its index"
    return ""


def _target_fault(table: Table) -> str:
    """The reason that the table cannot have sums, or nothing."""
    taken = {job.into.name: name for name, job in registry.discover().jobs.items() if hasattr(job, "into")}
    if table.name in taken:
        return f"has the sums of {taken[table.name]} already"
    if [index.name for index in table.indexes] != [INDEXES["rollup"]]:
        return "needs an index by age and no other"
    model = _models().get(table.name)
    if model is not None and not set(model.model_fields) >= SUMS:
        return "has rows that are no sums"
    return ""


def _job_of(table: Table, index: str) -> str:
    """Name of the job that works on the table's rows, or nothing."""
    for name, job in registry.discover().jobs.items():
        bases = {base.__module__ for base in type(job).__mro__}
        if getattr(job, "table", None) is table and any(each.startswith(WORKERS[index]) for each in bases):
            return name
    return ""


def _constant(table: Table) -> str:
    return next(name for name, value in vars(tables).items() if value is table)


def _models() -> Mapping[str, Any]:
    # Imported lazily: no other part of this command needs pydantic.
    from shared.product.records.by_table import KINDS

    return KINDS


def _occurred(table: Table) -> str:
    """The first timestamp of a row, which distinguishes two under one id."""
    model = _models().get(table.name)
    fields = model.model_fields.items() if model else ()
    return next((name for name, field in fields if field.annotation is datetime), "created_at")


def _record_values(table: Table) -> dict[str, str]:
    model = _models()[table.name]
    own = "" if "next_attempt_at" in model.model_fields else ON_RETRY.format(model=model.__name__)
    return {
        "record": f"{model.__module__}.{model.__name__}",
        "model": model.__name__,
        "records": model.__module__,
        "again": own,
        "also": "\nfrom datetime import datetime" if own else "",
    }


def _rollup_fields(table: Table) -> tuple[list[str], list[str]]:
    """Timestamps and numbers that the table's index by age includes."""
    fields = _models()[table.name].model_fields
    [index] = (index for index in table.indexes if index.name == INDEXES["rollup"])
    kinds = {name: fields[name].annotation for name in index.include if name in fields}
    return (
        [name for name, kind in kinds.items() if kind is datetime],
        [name for name, kind in kinds.items() if kind is int],
    )


def _rollup_values(table: Table, target: Table) -> dict[str, str]:
    whens, sums = _rollup_fields(table)
    names = {"when": whens[0], "sums": ", ".join(f'"{name}"' for name in sums) + ("," if len(sums) == 1 else "")}
    return {**names, "into": _constant(target), "first": sums[0]}
