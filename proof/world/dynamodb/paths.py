"""Document paths: reading the value at a path, and projections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from proof.world.dynamodb import attribute_values
from proof.world.dynamodb.attribute_values import Attribute, Item
from proof.world.dynamodb.nodes import Steps
from proof.world.dynamodb.parser import Parser, distinct

# Paths by their first steps: {"a": {"b": None}} is `a.b`.
Tree = dict[str | int, "Tree | None"]


def read(item: Mapping[str, Attribute], steps: Steps) -> Attribute | None:
    """The value at a path; None for an absent attribute."""
    value = item.get(str(steps[0]))
    for step in steps[1:]:
        if value is None:
            return None
        value = member(value, step)
    found: Attribute | None = value
    return found


def member(value: Attribute, step: str | int) -> Attribute | None:
    """Element of a list or a map; None for an absent one."""
    found: Attribute | None = None
    if isinstance(step, int):
        elements = value.get("L", ())
        found = elements[step] if step < len(elements) else None
    elif "M" in value:
        found = value["M"].get(step)
    return found


@lru_cache(maxsize=1024)
def projection(text: str, names: tuple[tuple[str, str], ...]) -> tuple[tuple[Steps, ...], frozenset[str]]:
    """Paths of a projection expression, and its placeholders."""
    parser = Parser(text, "ProjectionExpression", dict(names))
    paths = [path.steps for path in parser.listed(parser.path)]
    distinct(parser, paths)
    parser.end()
    return tuple(paths), frozenset(parser.used_names)


def project(item: Mapping[str, Attribute], paths: Iterable[Steps]) -> Item:
    """Copy of parts of an item.

    A missing part is left out; a list contains the elements that were named.
    """
    return attribute_values.copy(_parts(item, tree(paths)))


def tree(paths: Iterable[Steps]) -> Tree:
    root: Tree = {}
    for steps in paths:
        node = root
        for step in steps[:-1]:
            inner = node.get(step)
            if inner is None:
                inner = node[step] = {}
            node = inner
        node[steps[-1]] = None
    return root


def _parts(values: Mapping[str, Attribute], wanted: Tree) -> Item:
    found: Item = {}
    for step, inner in wanted.items():
        name = str(step)
        if name in values and (part := _part(values[name], inner)) is not None:
            found[name] = part
    return found


def _part(value: Attribute, wanted: Tree | None) -> Attribute | None:
    if wanted is None:
        return value
    if isinstance(next(iter(wanted)), str):
        inner: Any = _parts(value.get("M", {}), wanted)
        return {"M": inner} if inner else None
    elements = value.get("L", ())
    wanted_elements = [(step, wanted[step]) for step in sorted(wanted, key=int) if int(step) < len(elements)]
    parts = [_part(elements[int(step)], deeper) for step, deeper in wanted_elements]
    present = [part for part in parts if part is not None]
    return {"L": present} if present else None
