"""Cut botocore's data to the operations that the functions call.

Without documentation, and as JSON without gzip. botocore reads a service's whole model for its first client. The model
of S3 alone describes 110 operations, of which the functions call 10.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from infra.deployment import ROOT

# Source folders whose code runs in functions or in workers.
CODE = ("shared", "functions", "workers", "examples")
# Methods that libraries call on the clients: Powertools Parameters; botocore's redirects of S3.
CALLED_BY_LIBRARIES = frozenset({"get_secret_value", "get_parameter", "head_bucket"})
IDENTIFIER = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)*\b")


@cache
def called_names(root: Path = ROOT) -> frozenset[str]:
    """All identifiers in the code.

    A superset of the client methods, paginators and presigned URLs that it uses.
    """
    files = (path for folder in CODE for path in (root / folder).rglob("*.py"))
    return CALLED_BY_LIBRARIES.union(*(IDENTIFIER.findall(path.read_text()) for path in sorted(files)))


def operations(data: Path, services: Iterable[str], names: frozenset[str]) -> list[str]:
    """Operations of these services that are kept, as `dynamodb:GetItem`.

    A layer's hash depends on them.
    """
    models = ((service, _read(path)) for service in services for path in _models(data / service))
    return sorted(f"{service}:{name}" for service, model in models for name in _kept(model, names))


def cut(data: Path, services: Iterable[str], names: frozenset[str]) -> None:
    """Rewrite the models of these services in `data`; remove all others.
    The list of endpoints is rewritten as well. data: botocore's data folder. names: methods that are called; empty
    keeps every operation.
    """
    prefixes = set[str]()
    for folder in [folder for folder in data.iterdir() if folder.is_dir()]:
        if folder.name not in services:
            shutil.rmtree(folder)
            continue
        for path in _models(folder):
            model = cut_model(_read(path), names)
            prefixes.add(model["metadata"]["endpointPrefix"])
            _write(path, model)
        for path in folder.rglob("endpoint-rule-set-1.json.gz"):
            _write(path, _without_documentation(_read(path)))
        for path in folder.rglob("examples-1.json*"):
            path.unlink()
    endpoints = data / "endpoints.json"
    _write(endpoints, cut_endpoints(_read(endpoints), prefixes))


def cut_model(model: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """The model with only the operations whose method is in `names`.

    It keeps the shapes that they refer to, and all errors.
    """
    kept = _kept(model, names)
    shapes: Mapping[str, Any] = model["shapes"]
    waiting = [*_references(list(kept.values())), *(name for name, shape in shapes.items() if shape.get("exception"))]
    reached = set[str]()
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(_references(shapes[name]))
    # The rest stays whole: botocore reads the documentation of `clientContextParams`.
    cut = {"operations": kept, "shapes": {name: shape for name, shape in shapes.items() if name in reached}}
    return {**model, **_without_documentation(cut)}


def cut_endpoints(endpoints: Mapping[str, Any], prefixes: Iterable[str]) -> dict[str, Any]:
    """The regions of every partition, with only these services.

    `prefixes` are endpoint prefixes.
    """
    wanted = set(prefixes)
    partitions = [
        {**each, "services": {name: data for name, data in each["services"].items() if name in wanted}}
        for each in endpoints["partitions"]
    ]
    return {**endpoints, "partitions": partitions}


def _kept(model: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    from botocore import xform_name

    every: dict[str, Any] = model["operations"]
    return {name: operation for name, operation in every.items() if not names or xform_name(name) in names}


def _references(part: Any) -> Iterator[str]:
    """Names of the shapes that a part of a model refers to."""
    if isinstance(part, dict):
        if isinstance(part.get("shape"), str):
            yield part["shape"]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def _without_documentation(part: Any) -> Any:
    # A member may have that name too; its value is no text.
    if isinstance(part, dict):
        return {
            name: _without_documentation(value)
            for name, value in part.items()
            if not (name == "documentation" and isinstance(value, str))
        }
    return [_without_documentation(value) for value in part] if isinstance(part, list) else part


def _models(folder: Path) -> list[Path]:
    return sorted(folder.rglob("service-2.json*"))


def _read(path: Path) -> Any:
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)


def _write(path: Path, data: Any) -> None:
    path.unlink()
    path.with_name(path.name.removesuffix(".gz")).write_text(json.dumps(data, separators=(",", ":")))
