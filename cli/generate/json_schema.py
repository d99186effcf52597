"""docs/reference/json-output.schema.json: JSON Schema of the documents that `--json` prints.

Each document is a definition with its command, case and version. Objects are open: a later release may add fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from cli.generate import field_comments
from cli.shapes.documents import DOCUMENTS, JsonDocument

DIALECT = "https://json-schema.org/draft/2020-12/schema"
REFERENCE = "#/$defs/"
# Parts of a schema that describe and do not constrain.
DESCRIPTIVE = ("description", "title", "x-command", "x-case", "x-version")

Schema = dict[str, Any]


def text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> Schema:
    """One definition for each document and for each object that documents share."""
    # Imported lazily: no other command needs it.
    from pydantic import TypeAdapter

    roots, shared = TypeAdapter.json_schemas(
        [(document.name, "serialization", TypeAdapter(document.shape)) for document in DOCUMENTS]
    )
    documents = {each.name: _document(each, roots[each.name, "serialization"]) for each in DOCUMENTS}
    definitions = {**shared.get("$defs", {}), **documents}
    comments = _comments()
    for name, definition in definitions.items():
        for field, part in definition.get("properties", {}).items():
            part["description"] = comments[name].get(field, "")
    names = {"$schema": DIALECT, "title": "Documents that `python jobs.py ... --json` prints"}
    any_of = [{"$ref": REFERENCE + each.name} for each in DOCUMENTS]
    found: Schema = _without_titles({**names, "anyOf": any_of, "$defs": definitions})
    return found


def resolved(definitions: Mapping[str, Schema], name: str) -> Schema:
    """A definition with all that it refers to, without descriptions."""

    def expanded(part: Any) -> Any:
        if isinstance(part, list):
            return [expanded(each) for each in part]
        if not isinstance(part, Mapping):
            return part
        if "$ref" in part:
            return expanded(definitions[part["$ref"].removeprefix(REFERENCE)])
        fields = {key: expanded(value) for key, value in part.get("properties", {}).items()}
        others = {k: expanded(v) for k, v in part.items() if k not in (*DESCRIPTIVE, "properties")}
        return {**others, **({"properties": fields} if fields else {})}

    found: Schema = expanded(definitions[name])
    return found


def withdrawn(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield each change that breaks a document whose version is the same.

    Such a change removes a document or a field, makes a field optional, or changes its type.
    """
    old, new = before.get("$defs", {}), now["$defs"]
    for name, definition in old.items():
        if "x-version" not in definition:
            continue
        if name not in new:
            yield f"the document {name} is gone"
        elif new[name]["x-version"] == definition["x-version"]:
            yield from _changes(name, resolved(old, name), resolved(new, name))


def _changes(path: str, old: Any, new: Any) -> Iterator[str]:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        if old != new:
            yield f"{path} has another type"
        return
    fields = new.get("properties", {})
    for field, part in old.get("properties", {}).items():
        if field not in fields:
            yield f"{path}.{field} is gone"
        else:
            yield from _changes(f"{path}.{field}", part, fields[field])
    for field in old.get("required", ()):
        if field in fields and field not in new.get("required", ()):
            yield f"{path}.{field} may be absent"
    for key in (old.keys() | new.keys()) - {"properties", "required"}:
        if key == "anyOf" and len(old.get(key, ())) == len(new.get(key, ())):
            for before, now in zip(old[key], new[key], strict=True):
                yield from _changes(path, before, now)
        else:
            yield from _changes(path, old.get(key), new.get(key))


def _document(document: JsonDocument, root: Schema) -> Schema:
    case = {"x-case": document.case} if document.case else {}
    return {"x-command": document.command, **case, "x-version": document.version, **root}


def _comments() -> dict[str, dict[str, str]]:
    """Comments of fields by the name of their TypedDict."""
    shapes: dict[str, type] = {}

    def collect(annotation: Any) -> None:
        if hasattr(annotation, "__required_keys__") and annotation.__name__ not in shapes:
            shapes[annotation.__name__] = annotation
            from typing_extensions import get_type_hints

            for hint in get_type_hints(annotation).values():
                collect(hint)
        for part in get_args(annotation):
            collect(part)

    for document in DOCUMENTS:
        collect(document.shape)
    return {name: field_comments.of_typed_dict(shape) for name, shape in shapes.items()}


def _without_titles(part: Any) -> Any:
    """The schema without the titles that repeat the names of fields."""
    if isinstance(part, list):
        return [_without_titles(each) for each in part]
    if not isinstance(part, dict):
        return part
    # A property may be named `title`; then it is an object.
    return {
        key: _without_titles(value)
        for key, value in part.items()
        if key != "title" or not isinstance(value, str) or "$schema" in part
    }
