"""docs/records.md: what the product's rows are, from their models, their tables, and what jobs may do with them."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from shared.job.definition import Job
from shared.tables import Table

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from shared.store.record import Record

HEAD = """<!-- Written by `make generate` from the models in shared/records; change those instead. -->

# Records

The rows of the mail product, for those who write and read them. A row is a DynamoDB item of the table
`nightshift-<stage>-<table>`, and a line of a file that `python jobs.py load <table> FILE.jsonl` takes.

## Keys and indexes

- `pk` is the user's id, `sk` the row's own: all of a user's rows in a table are one query. In a file they are called
  `user` and `id`. Neither has spaces, `/` or `#`.
- `v` is the version of the row's form, 1 for all of them now. A job that reads what is in a row leaves one of a version
  that it doesn't know; purges look at its age alone.
- **`aged`** is the index of what may be purged. `aged` is the partition, `since` the instant that the row ages from.
- **`due`** is the index of what waits for its time. `due` is the partition, `due_at` the instant.
- A row that does not age, or wait, has neither attribute of that index. Who changes a row so that it does, or no more,
  sets or removes both in the same write: `record.places()` says what they are.
- The partition is the CRC-32 of `<pk>#<sk>` in UTF-8, modulo the shards, in two digits: `07`; of a kind `critical#07`.
  `warned#07` is a job's own doing, and so are the attributes `fault` and `going`.
- Instants are text in UTC, to the millisecond: `2026-11-21T22:05:00.123Z`. A file may have any zone, but must name it.
  What is said to have happened lies in the past.
- Fields that are empty (None) are absent.

```python
from shared.aws import attributes as rows
from shared.product.records.mail import Hold

hold = Hold(user="u1", id="h1", alias="shop@in.example", raw="mail/u1/h1", held_at=now)
dynamodb.put_item(TableName="nightshift-prod-holds", Item=rows.row(hold.item()))
```

## Messages

A message itself lies in the bucket, in `mail/`, and `raw` names it. It belongs to one row: with that it is purged,
before it. Who moves a message on, out of a hold for one, deletes the row and writes the next one, on the condition
`attribute_exists(pk) AND attribute_not_exists(going)`, and leaves the object where it is.

## Loading

`python jobs.py load users users.jsonl` reads a file of JSON Lines, packed by gzip or not. Each line is checked; one
that is none is told with its number, and put into `users.jsonl.rejects.jsonl` as `{"line", "reason", "text"}`; the
others go in. A row that is there already stays as it is, so that a load may be repeated; only one that was set aside
with a `fault` is replaced. `--check` only checks. Exit code 1 says that lines were rejected.
`python jobs.py seed mail --users 100` makes users with all that they have.

## Tables

| table | what it has | indexes |
|---|---|---|
"""
READS = frozenset(("dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem"))
WRITES = frozenset(("dynamodb:PutItem", "dynamodb:UpdateItem"))
DELETES = frozenset(("dynamodb:DeleteItem",))


def page(jobs: Iterable[Job]) -> str:
    from shared.product.records.by_table import KINDS

    known = list(jobs)
    index = [f"| [{name}](#{name}) | {kind.table.purpose} | {_indexes(kind.table)} |" for name, kind in KINDS.items()]
    parts = ["\n".join(_of(kind, known)) for kind in KINDS.values()]
    return HEAD + "\n".join(index) + "\n\n" + "\n\n".join(parts) + "\n"


def _indexes(table: Table) -> str:
    return ", ".join(f"`{index.name}` ({index.shards} shards)" for index in table.indexes)


def _of(kind: type[Record], jobs: list[Job]) -> Iterator[str]:
    yield from (f"### {kind.table.name}", "", f"`{kind.__module__}.{kind.__name__}`: {kind.table.purpose}.", "")
    if "__doc__" in vars(kind) and kind.__doc__ and not kind.__doc__.startswith(kind.__name__ + "("):
        yield from (inspect.cleandoc(kind.__doc__), "")
    yield from ("| field | what | default |", "|---|---|---|")
    for name, info in kind.model_fields.items():
        default = "" if info.is_required() else _default(info)
        yield f"| `{name}` | {', '.join(_said(info.annotation, info.metadata, info.description))} | {default} |"
    yield ""
    for verb, actions in (("Read", READS), ("Written", WRITES), ("Deleted", DELETES)):
        names = [job.name for job in jobs if _may(job, kind.table, actions)]
        links = ", ".join(f"[{name}](jobs/{name}.md)" for name in names)
        yield f"- {verb} by {links or 'no job'}."
    for index in kind.table.indexes:
        also = f", with {', '.join(f'`{name}`' for name in index.include)}" if index.include else ""
        yield f"- Index `{index.name}`: `{index.pk}` / `{index.sk}`{also}."


def _may(job: Job, table: Table, actions: frozenset[str]) -> bool:
    return any(
        grant.resource == f"table/{table.name}" and actions.intersection(grant.actions) for grant in job.grants()
    )


def _default(info: FieldInfo) -> str:
    found = info.get_default(call_default_factory=True, validated_data={})
    return "absent" if found is None else f"`{json.dumps(found)}`"


def _said(annotation: Any, metadata: Iterable[Any], description: str | None) -> Iterator[str]:
    """A type and its bounds in words."""
    facts = list(metadata)
    if description:
        yield description
        return
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            facts += more
        elif get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation):
            [annotation] = (arg for arg in get_args(annotation) if arg is not type(None))
        else:
            break
    if described := [fact.description for fact in facts if getattr(fact, "description", None)]:
        yield described[0]
        return
    yield _named(annotation)
    for fact in facts:
        # A Field within Annotated has its own list of them.
        for one in getattr(fact, "metadata", None) or [fact]:
            yield from _bound(one)


def _named(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " or ".join(f"`{each.value}`" for each in annotation)
    args = [arg for arg in get_args(annotation) if arg is not Ellipsis]
    if get_origin(annotation) is tuple:
        return f"list of {_named(args[0])}"
    if get_origin(annotation) is dict:
        return f"object of {_named(args[1])}"
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(_named(arg) for arg in args)
    if get_origin(annotation) is Annotated:
        return _named(args[0])
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", datetime: "instant"}
    return names.get(annotation, str(annotation))


def _bound(fact: Any) -> Iterator[str]:
    words = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}"}
    words |= {"min_length": "at least {} long", "max_length": "at most {} long", "pattern": "of the form `{}`"}
    for name, form in words.items():
        found = getattr(fact, name, None)
        if found is not None:
            yield form.format("2^63" if found == 2**63 else str(found).replace("|", "\\|"))
    if getattr(getattr(fact, "func", None), "__name__", "") == "_past":
        yield "in the past"
