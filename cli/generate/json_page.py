"""docs/reference/json-output.md: the documents that `--json` prints, from their JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cli.exit_codes import Exit
from cli.generate import json_schema, markdown
from cli.generate.json_schema import REFERENCE, Schema
from cli.shapes.documents import ANY, DOCUMENTS, WITHOUT_DOCUMENT, JsonDocument

INTRODUCTION = f"""# JSON output

With `--json` a command prints one JSON document on stdout and nothing else; logs, progress and advice go to stderr.
[json-output.schema.json](json-output.schema.json) has the same documents as JSON Schema: `#/$defs/runs` is the document
`runs`.

- **Versions.** Each document has a version. Within a version, fields and documents are added; none is removed, renamed,
  made optional or given another type. So ignore fields that you do not know. A change that breaks this raises the
  version of that document here and in the schema (`x-version`), and is listed in the changelog.
- **Errors.** A command that cannot do its work prints the document `error` instead, prints the same text on stderr,
  and exits with {int(Exit.WRONG_USE)}, {int(Exit.NO_CLOUD)} or {int(Exit.REFUSED)}; other errors exit with
  {int(Exit.FAILED)}. A failed run is no such error: its document has the outcome, with the exit code
  {int(Exit.FAILED)}.
- **Values.** Timestamps are ISO 8601 in UTC with milliseconds, `2026-11-21T22:05:00.123Z`. Secrets and personal data
  are replaced, see [redaction](../explain/redaction.md), except in mails that were sent locally.
- **Paths** in the tables: `[].ms` is the field `ms` of each element of a list, `*.ok` the field `ok` of each value of
  an object whose keys are data.
"""
WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}


def page() -> str:
    definitions = json_schema.schema()["$defs"]
    sections = (_section(document, definitions) for document in DOCUMENTS)
    reasons = ([f"`{command}`", reason] for command, reason in WITHOUT_DOCUMENT.items())
    without = f"## Commands without a document\n\n{markdown.table(['command', 'reason'], reasons)}"
    return markdown.page(INTRODUCTION, *sections, without)


def _section(document: JsonDocument, definitions: Mapping[str, Schema]) -> str:
    definition = definitions[document.name]
    command = "Every command" if document.command == ANY else f"`{document.command} --json`"
    case = f", {document.case}" if document.case else ""
    head = f"## {document.name}\n\n{command}{case}; version {document.version}: {_form(definition, definitions)}"
    first = next((d for d in DOCUMENTS if d.shape == document.shape), document)
    if first is not document:
        return f"{head}; its fields are those of [{first.name}](#{first.name})."
    rows = [[f"`{path}`", *cells] for path, *cells in _fields("", definition, definitions)]
    fields = f".\n\n{markdown.table(['field', 'type', 'always', 'meaning'], rows)}" if rows else "."
    return head + fields


def _fields(prefix: str, part: Schema, definitions: Mapping[str, Schema]) -> Iterator[list[str]]:
    """Yield path, type, presence and meaning of each field below a part."""
    part = _target(part, definitions)
    if "anyOf" in part:
        for each in part["anyOf"]:
            yield from _fields(prefix, each, definitions)
    elif "items" in part:
        yield from _fields(f"{prefix}[]", part["items"], definitions)
    elif isinstance(part.get("additionalProperties"), dict):
        yield from _fields(f"{prefix}.*".lstrip("."), part["additionalProperties"], definitions)
    for name, field in part.get("properties", {}).items():
        path = f"{prefix}.{name}".lstrip(".")
        present = "yes" if name in part.get("required", ()) else "no"
        yield [path, _form(field, definitions), present, field["description"]]
        yield from _fields(path, field, definitions)


def _form(part: Schema, definitions: Mapping[str, Schema]) -> str:
    """A type in words."""
    part = _target(part, definitions)
    if "anyOf" in part:
        return " or ".join(_form(each, definitions) for each in part["anyOf"])
    if "items" in part:
        return f"list of {_plural(_form(part['items'], definitions))}"
    if isinstance(part.get("additionalProperties"), dict):
        return f"object of {_plural(_form(part['additionalProperties'], definitions))}"
    return WORDS.get(part.get("type", ""), "object" if part.get("type") == "object" else "any")


def _plural(form: str) -> str:
    words = {"text": "texts", "whole number": "whole numbers", "number": "numbers", "object": "objects"}
    return words.get(form, form.replace("list of", "lists of", 1))


def _target(part: Schema, definitions: Mapping[str, Any]) -> Schema:
    target: Schema = definitions[part["$ref"].removeprefix(REFERENCE)] if "$ref" in part else part
    return target
