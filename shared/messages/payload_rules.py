"""Rules for the declaration of a payload.

No ids alone, no secrets, no untyped data, no whole rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from shared import redaction

ROWS = frozenset(("row", "rows", "record", "records"))
UNTYPED = (Any, object, dict, list, tuple, set, Mapping)
NUMBERS = frozenset((int, float, bool))


def faults(fields: Mapping[str, FieldInfo], version: int, upcasters: Mapping[int, Any]) -> Iterator[str]:
    """Yield what is wrong with a payload that declares these fields."""
    if version < 1:
        yield f"version is {version}; the first is 1"
    if unused := [old for old in upcasters if not 1 <= old < version]:
        yield f"has an upcaster from version {unused[0]}, and is version {version}"
    if all(_is_id(name, info.annotation) for name, info in fields.items()):
        content = f"ids alone ({', '.join(fields)})" if fields else "no fields of its own"
        yield (
            f"carries {content}; the work would begin by looking up data that may have changed since: "
            "add the data with which it begins and that never changes"
        )
    for name, info in fields.items():
        yield from _field_faults(name, info.annotation, frozenset())


def _field_faults(path: str, annotation: Any, seen: frozenset[type]) -> Iterator[str]:
    name = path.rpartition(".")[2]
    types = {*_leaves(annotation)}
    if name in ROWS:
        yield f"{path} is a whole row, which changes while the message waits; carry its id and the fields needed"
    if types & {SecretStr, SecretBytes} or (redaction.names_a_secret(name) and not types <= NUMBERS):
        yield f"{path} is secret or personal and must not be in a queue; carry the id of its owner"
    if types & {*UNTYPED}:
        yield f"{path} is untyped and could be a whole row; declare its fields, with a Part or with types"
    for model in types - seen:
        if isinstance(model, type) and issubclass(model, BaseModel):
            for inner, info in model.model_fields.items():
                yield from _field_faults(f"{path}.{inner}", info.annotation, seen | {model})


def _leaves(annotation: Any) -> Iterator[Any]:
    """Yield the types in an annotation, without None.

    `A` for `tuple[A, ...] | None`.
    """
    if get_origin(annotation) is Literal:
        yield str
        return
    inner = get_args(annotation)[: 1 if get_origin(annotation) is Annotated else None]
    if not inner and annotation is not type(None):
        yield annotation
    for argument in inner:
        if argument is not Ellipsis:
            yield from _leaves(argument)


def _is_id(name: str, annotation: Any) -> bool:
    return name in ("id", "ids") or name.endswith(("_id", "_ids")) or {*_leaves(annotation)} == {UUID}
