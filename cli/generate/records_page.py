"""docs/reference/records.md: the rows of the mail product, from their models."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from cli.generate import field_comments, markdown
from shared.job.definition import Job
from shared.tables import Table

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from shared.store.record import Record

INTRODUCTION = """# Records

The rows of the mail product, for applications that write and read them. A row is a DynamoDB item of the table
`nightshift-<stage>-<table>`, and a line of a file that `python jobs.py load <table> FILE.jsonl` loads.

## Keys and indexes

- `pk` is the user's id, `sk` the row's own id: all rows of a user in a table are one query. In a file they are called
  `user` and `id`. Neither contains spaces, `/` or `#`.
- `v` is the version of the row's format, at present 1 for all rows. A job that reads the content of a row leaves rows
  of an unknown version unchanged; purges read only the age.
- **`aged`** is the index of rows that may be purged. `aged` is the partition, `since` the timestamp that the row ages
  from.
- **`due`** is the index of rows that wait for their time. `due` is the partition, `due_at` the timestamp.
- A row that does not age, or does not wait, has neither attribute of that index. An application that changes a row so
  that it begins or stops to age or wait sets or removes both attributes in the same write: `record.index_attributes()`
  computes them.
- The partition is the CRC-32 of `<pk>#<sk>` in UTF-8, modulo the shards, in two digits: `07`; for a kind,
  `critical#07`. Jobs alone write the partition `warned#07` and the attributes `fault` and `going`.
- Timestamps are text in UTC, to the millisecond: `2026-11-21T22:05:00.123Z`. A file may use any time zone, but must
  name it. Timestamps of past events lie in the past.
- Empty fields (None) are absent.

```python
from shared.aws import attributes as rows
from shared.product.records.mail import Hold

hold = Hold(user="u1", id="h1", alias="shop@in.example", raw="mail/u1/h1", held_at=now)
dynamodb.put_item(TableName="nightshift-prod-holds", Item=rows.row(hold.item()))
```

## Messages

A message is stored in the bucket, in `mail/`; the attribute `raw` has its key. It belongs to one row and is purged
with it, before it. An application that moves a message on, out of a hold for example, deletes the row and writes the
next one, on the condition `attribute_exists(pk) AND attribute_not_exists(going)`, and leaves the object unchanged.

## Loading

`python jobs.py load users users.jsonl` loads a file of JSON Lines, plain or compressed by gzip. Each line is
validated; an invalid one is reported with its number and written to `users.jsonl.rejects.jsonl` as `{"line", "reason",
"text"}`; the others are loaded. An existing row is left unchanged, so that a load may be repeated; only a quarantined
row, which has the attribute `fault`, is replaced. `--check` only validates. Exit code 1 means that lines were
rejected. `python jobs.py seed mail --users 100` creates users with all their rows; `seed` of another group, or of
`all`, creates those that its jobs process: after it, each of them has work at its next tick.

## Tables
"""
READS = frozenset(("dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem"))
WRITES = frozenset(("dynamodb:PutItem", "dynamodb:UpdateItem"))
DELETES = frozenset(("dynamodb:DeleteItem",))


def page(jobs: Iterable[Job]) -> str:
    from shared.product.records.by_table import KINDS

    jobs = list(jobs)
    rows = ([f"[{name}](#{name})", kind.table.purpose, _indexes(kind.table)] for name, kind in KINDS.items())
    index = markdown.table(["table", "content", "indexes"], rows)
    return markdown.page(INTRODUCTION, index, *("\n".join(_section(kind, jobs)) for kind in KINDS.values()))


def _indexes(table: Table) -> str:
    return ", ".join(f"`{index.name}` ({index.shards} shards)" for index in table.indexes)


def _section(kind: type[Record], jobs: list[Job]) -> Iterator[str]:
    yield from (f"### {kind.table.name}", "", f"`{kind.__module__}.{kind.__name__}`: {kind.table.purpose}.", "")
    if "__doc__" in vars(kind) and kind.__doc__ and not kind.__doc__.startswith(kind.__name__ + "("):
        yield from (inspect.cleandoc(kind.__doc__), "")
    comments = field_comments.of_model(kind, "shared")
    rows = ([*_field_cells(name, info), comments.get(name, "")] for name, info in kind.model_fields.items())
    yield markdown.table(["field", "type", "default", "meaning"], rows)
    yield ""
    for verb, actions in (("Read", READS), ("Written", WRITES), ("Deleted", DELETES)):
        names = [f"`{job.name}`" for job in jobs if _may(job, kind.table, actions)]
        yield f"- {verb} by {', '.join(names) or 'no job'}."
    for index in kind.table.indexes:
        also = f", with {', '.join(f'`{name}`' for name in index.include)}" if index.include else ""
        yield f"- Index `{index.name}`: `{index.pk}` / `{index.sk}`{also}."


def _field_cells(name: str, info: FieldInfo) -> list[str]:
    words = ", ".join(_describe(info.annotation, info.metadata, info.description))
    return [f"`{name}`", words, "" if info.is_required() else _default(info)]


def _may(job: Job, table: Table, actions: frozenset[str]) -> bool:
    return any(
        grant.resource == f"table/{table.name}" and actions.intersection(grant.actions) for grant in job.grants()
    )


def _default(info: FieldInfo) -> str:
    default = info.get_default(call_default_factory=True, validated_data={})
    return "absent" if default is None else f"`{json.dumps(default)}`"


def _describe(annotation: Any, metadata: Iterable[Any], description: str | None) -> Iterator[str]:
    """A type and its bounds, in words."""
    if description:
        yield description
        return
    constraints = list(metadata)
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            constraints += more
        elif get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation):
            [annotation] = (arg for arg in get_args(annotation) if arg is not type(None))
        else:
            break
    if described := [each.description for each in constraints if getattr(each, "description", None)]:
        yield described[0]
        return
    yield _type_name(annotation)
    for constraint in constraints:
        # A Field within Annotated has its own list of constraints.
        for each in getattr(constraint, "metadata", None) or [constraint]:
            yield from _bound(each)


def _type_name(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " or ".join(f"`{each.value}`" for each in annotation)
    args = [arg for arg in get_args(annotation) if arg is not Ellipsis]
    if get_origin(annotation) is tuple:
        return f"list of {_type_name(args[0])}"
    if get_origin(annotation) is dict:
        return f"object of {_type_name(args[1])}"
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(_type_name(arg) for arg in args)
    if get_origin(annotation) is Annotated:
        return _type_name(args[0])
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", datetime: "timestamp"}
    return names.get(annotation, str(annotation))


def _bound(constraint: Any) -> Iterator[str]:
    words = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}"}
    words |= {"min_length": "at least {} long", "max_length": "at most {} long", "pattern": "of the form `{}`"}
    for name, form in words.items():
        bound = getattr(constraint, name, None)
        if bound is not None:
            yield form.format("2^63" if bound == 2**63 else bound)
    if getattr(getattr(constraint, "func", None), "__name__", "") == "_past":
        yield "in the past"
