"""Rules for the declaration of a payload.

No ids alone, no secrets, no untyped data, no whole rows, one type of timestamps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, FutureDatetime, NaiveDatetime, PastDatetime, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from shared import redaction
from shared.text.timestamp_field import Timestamp

ROWS = frozenset(("row", "rows", "record", "records"))
UNTYPED = (Any, object, dict, list, tuple, set, Mapping)
NUMBERS = frozenset((int, float, bool))
# Last words of names whose text or number is a reference.
REFERENCES = frozenset(
    [
        "id",
        "ids",
        "uuid",
        "uuids",
        "guid",
        "guids",
        "key",
        "keys",
        "ref",
        "refs",
        "reference",
        "references",
        "identifier",
        "identifiers",
        "arn",
        "arns",
        "pk",
        "sk",
    ]
)
# Pydantic reads these from digits too, as seconds since 1970.
DATES = (datetime, date, time, timedelta, AwareDatetime, NaiveDatetime, PastDatetime, FutureDatetime)
VALIDATORS = get_args(Timestamp)[1:]


class Identifier:
    """Mark a type whose values only name something, in its `Annotated`."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A type within an annotation, and its metadata."""

    type: Any
    metadata: tuple[Any, ...] = ()

    @property
    def identifies(self) -> bool:
        return self.type is UUID or any(isinstance(each, Identifier) for each in self.metadata)

    @property
    def is_lax_date(self) -> bool:
        return self.type in DATES and not any(each in VALIDATORS for each in self.metadata)


def faults(fields: Mapping[str, FieldInfo], version: int, upcasters: Mapping[int, Any]) -> Iterator[str]:
    """Yield what is wrong with a payload that declares these fields."""
    if version < 1:
        yield f"version is {version}; the first is 1"
    if unused := [old for old in upcasters if not 1 <= old < version]:
        yield f"has an upcaster from version {unused[0]}, and is version {version}"
    refers = not all(_is_content(name, info, frozenset()) for name, info in fields.items())
    if not fields or (refers and not _has_content(fields)):
        content = f"ids alone ({', '.join(fields)})" if fields else "no fields of its own"
        yield (
            f"carries {content}; the work would begin by looking up data that may have changed since: "
            "add the data with which it begins and that never changes, as a required field"
        )
    for name, info in fields.items():
        yield from _field_faults(name, info, frozenset())


def entity_path(fields: Mapping[str, FieldInfo]) -> tuple[str, ...]:
    """Return the path to the id of the message's subject."""
    for name, info in fields.items():
        leaves = [*_leaves(info.annotation, tuple(info.metadata))]
        if name.rpartition("_")[2] == "id" and {leaf.type for leaf in leaves} <= {str, int, UUID}:
            return (name,)
        for leaf in leaves:
            if isinstance(leaf.type, type) and issubclass(leaf.type, BaseModel) and "id" in leaf.type.model_fields:
                # A list of parts has no field of its own.
                return (name, "id") if info.annotation is leaf.type else ()
    return ()


def _has_content(fields: Mapping[str, FieldInfo], seen: frozenset[type] = frozenset()) -> bool:
    """Whether a field that every message has carries more than references."""
    return any(_is_content(name, info, seen) for name, info in fields.items() if info.is_required())


def _is_content(name: str, info: FieldInfo, seen: frozenset[type]) -> bool:
    refers = name.rpartition("_")[2] in REFERENCES
    for leaf in _leaves(info.annotation, tuple(info.metadata)):
        if isinstance(leaf.type, type) and issubclass(leaf.type, BaseModel):
            if leaf.type not in seen and _has_content(leaf.type.model_fields, seen | {leaf.type}):
                return True
        elif not leaf.identifies and not (refers and leaf.type in (str, int)):
            return True
    return False


def _field_faults(path: str, info: FieldInfo, seen: frozenset[type]) -> Iterator[str]:
    name = path.rpartition(".")[2]
    leaves = [*_leaves(info.annotation, tuple(info.metadata))]
    types = {leaf.type for leaf in leaves}
    if name in ROWS:
        yield f"{path} is a whole row, which changes while the message waits; carry its id and the fields needed"
    if types & {SecretStr, SecretBytes} or (redaction.names_a_secret(name) and not types <= NUMBERS):
        yield f"{path} is secret or personal and must not be in a queue; carry the id of its owner"
    if types & {*UNTYPED}:
        yield f"{path} is untyped and could be a whole row; declare its fields, with a Part or with types"
    if any(leaf.is_lax_date for leaf in leaves):
        yield f"{path} is a date that is read from digits too, as seconds since 1970; declare it as Timestamp"
    for model in types - seen:
        if isinstance(model, type) and issubclass(model, BaseModel):
            for inner, field in model.model_fields.items():
                yield from _field_faults(f"{path}.{inner}", field, seen | {model})


def _leaves(annotation: Any, metadata: tuple[Any, ...] = ()) -> Iterator[Leaf]:
    """Yield the types in an annotation, without None.

    `A` for `tuple[A, ...] | None`, and nothing for a constant.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        if len(arguments) > 1:
            yield Leaf(Literal)
    elif origin is Annotated:
        yield from _leaves(arguments[0], (*metadata, *_flat(annotation.__metadata__)))
    elif not arguments:
        if annotation is not type(None):
            yield Leaf(annotation, metadata)
    else:
        for argument in arguments:
            if argument is not Ellipsis:
                yield from _leaves(argument)


def _flat(metadata: tuple[Any, ...]) -> Iterator[Any]:
    """Yield metadata, and that of a Field in it."""
    for each in metadata:
        yield from each.metadata if isinstance(each, FieldInfo) else (each,)
