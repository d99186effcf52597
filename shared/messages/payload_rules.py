"""What the declaration of a payload may not hold: ids alone, secrets, and whatever could be anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from shared import redaction

ROWS = frozenset(("row", "rows", "record", "records"))
ANYTHING = (Any, object, dict, list, tuple, set, Mapping)
NUMBERS = frozenset((int, float, bool))


def faults(fields: Mapping[str, FieldInfo], version: int, upcasters: Mapping[int, Any]) -> Iterator[str]:
    """Sentences on what is wrong with a payload that has these fields of its own."""
    if version < 1:
        yield f"version is {version}; the first is 1"
    if useless := [old for old in upcasters if not 1 <= old < version]:
        yield f"has an upcaster from version {useless[0]}, and is version {version}"
    if all(_is_id(name, info.annotation) for name, info in fields.items()):
        told = f"ids alone ({', '.join(fields)})" if fields else "nothing of its own"
        yield (
            f"carries {told}; the work would begin by looking up data that may have changed since: "
            "add the data that it begins with and that never changes"
        )
    for name, info in fields.items():
        yield from _unfit(name, info.annotation, frozenset())


def _unfit(path: str, annotation: Any, seen: frozenset[type]) -> Iterator[str]:
    name = path.rpartition(".")[2]
    types = {*_leaves(annotation)}
    if name in ROWS:
        yield f"{path} is a whole row, which changes while the message waits; carry its id and what is needed of it"
    if types & {SecretStr, SecretBytes} or (redaction.names_a_secret(name) and not types <= NUMBERS):
        yield f"{path} is secret or personal, and a queue is no place for that; carry the id of who it belongs to"
    if types & {*ANYTHING}:
        yield f"{path} could be anything, a whole row too; say what it holds, with a Part or with types"
    for model in types - seen:
        if isinstance(model, type) and issubclass(model, BaseModel):
            for inner, info in model.model_fields.items():
                yield from _unfit(f"{path}.{inner}", info.annotation, seen | {model})


def _leaves(annotation: Any) -> Iterator[Any]:
    """The types that an annotation is made of, without None: of `tuple[A, ...] | None` A."""
    if get_origin(annotation) is Literal:
        yield str
        return
    inner = get_args(annotation)[: 1 if get_origin(annotation) is Annotated else None]
    if not inner and annotation is not type(None):
        yield annotation
    for each in inner:
        if each is not Ellipsis:
            yield from _leaves(each)


def _is_id(name: str, annotation: Any) -> bool:
    return name in ("id", "ids") or name.endswith(("_id", "_ids")) or {*_leaves(annotation)} == {UUID}
