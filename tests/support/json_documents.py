"""Documents of `--json`, validated against the schema that docs/reference has, with no field undeclared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from cli.commands import COMMANDS
from cli.shapes.documents import ANY, DOCUMENTS, JOB

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "json-output.schema.json"


def faults(output: str, words: Sequence[str]) -> list[str]:
    """Differences between the output of a command and each of its documents; empty if it is one of them."""
    document = json.loads(output)
    found = {name: faults_of(document, name) for name in names(words)}
    if not all(found.values()):
        return []
    return [f"{name}: {fault}" for name, each in found.items() for fault in each]


def faults_of(document: Any, name: str) -> list[str]:
    errors = validator(name).iter_errors(document)
    return [f"{error.json_path} {error.message:.200}" for error in errors]


def names(words: Sequence[str]) -> list[str]:
    """Documents that a command line can print."""
    command = words[0] if words[0] in COMMANDS else JOB
    verb = " ".join(words[:2])
    wanted = (ANY, verb if any(each.command == verb for each in DOCUMENTS) else command)
    return [each.name for each in DOCUMENTS if each.command in wanted]


@cache
def validator(name: str) -> Draft202012Validator:
    schema = closed(json.loads(SCHEMA.read_text()))
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})


def closed(part: Any) -> Any:
    """The schema with objects that have no further fields."""
    if isinstance(part, list):
        return [closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    found = {key: closed(value) for key, value in part.items()}
    # A property may be named `properties`; then it has no type beside it.
    return {**found, "additionalProperties": False} if "properties" in part and part.get("type") == "object" else found
