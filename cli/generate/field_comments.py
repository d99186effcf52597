"""Descriptions of fields: the `#:` comments above them in the source."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache

# In a class body `name: type`, in a call of TypedDict `"name": type`.
FIELD = re.compile(r"((?:^ +#: .*\n)+) +\"?(\w+)\"?: ", re.MULTILINE)


def of_model(model: type, package: str) -> dict[str, str]:
    """Comments by field of a class and its bases in a package."""
    comments: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if each.__module__.startswith(f"{package}."):
            comments |= read(inspect.getsource(each))
    return comments


def of_typed_dict(shape: type) -> dict[str, str]:
    """Comments by field of a TypedDict and of those that it extends."""
    comments: dict[str, str] = {}
    for base in _bases(shape):
        comments |= of_typed_dict(base)
    return comments | read(_definitions(shape.__module__)[shape.__name__])


def read(source: str) -> dict[str, str]:
    """Comments by field, each as one line."""
    return {
        name: " ".join(line.strip().removeprefix("#:").strip() for line in lines.strip().splitlines())
        for lines, name in FIELD.findall(source)
    }


def _bases(shape: type) -> Iterator[type]:
    # A TypedDict is a plain dict at run time; its bases are kept here.
    for base in getattr(shape, "__orig_bases__", ()):
        if hasattr(base, "__required_keys__"):
            yield base


@cache
def _definitions(module: str) -> dict[str, str]:
    """Source of each class and assignment at the top of a module."""
    text = inspect.getsource(sys.modules[module])
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = ast.get_source_segment(text, node) or ""
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = ast.get_source_segment(text, node) or ""
    return found
