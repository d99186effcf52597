"""Each command has documents for `--json`, or a reason without; a shape is described, and changes with its version."""

from __future__ import annotations

import argparse
import copy
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cli.commands import COMMANDS
from cli.generate import json_page, json_schema, main
from cli.main import command
from cli.parser import Parser
from cli.shapes.documents import ANY, DOCUMENTS, JOB, WITHOUT_DOCUMENT
from tests.support import json_documents

SCHEMA = json_schema.schema()


def verbs(name: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The parser of a command, or those of its verbs."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield name, parser
    for action in below:
        for verb, sub in action.choices.items():
            yield from verbs(f"{name} {verb}", sub)


PARSERS = dict(entry for word in (JOB, *COMMANDS) for entry in verbs(word, command(word)[1]))


def wrong(parsers: dict[str, Parser] | Any, documented: set[str], without: set[str]) -> list[str]:
    """Commands whose option --json, documents and reason contradict each other."""
    found = []
    for name, parser in parsers.items():
        takes = any("--json" in action.option_strings for action in parser._actions)
        if takes != (name in documented) or takes == (name in without):
            found.append(name)
    return [*found, *sorted((documented | without) - parsers.keys())]


def test_each_command_has_a_document_or_a_reason() -> None:
    documented = {each.command for each in DOCUMENTS} - {ANY}
    assert wrong(PARSERS, documented, {*WITHOUT_DOCUMENT}) == [], "see cli/shapes/documents.py"
    assert all(WITHOUT_DOCUMENT.values())


def test_a_command_without_a_document_is_found() -> None:
    with_option, without_option = argparse.ArgumentParser(), argparse.ArgumentParser()
    with_option.add_argument("--json")
    parsers = {"a": with_option, "b": without_option, "c": without_option, "d": with_option}
    assert wrong(parsers, {"d", "gone"}, {"c", "d"}) == ["a", "b", "d", "gone"]


def test_documents_of_one_command_have_names_and_cases_of_their_own() -> None:
    for values in ([each.name for each in DOCUMENTS], [(each.command, each.case) for each in DOCUMENTS]):
        assert [value for value, count in Counter(values).items() if count > 1] == []
    several = Counter(each.command for each in DOCUMENTS)
    assert [each.name for each in DOCUMENTS if bool(each.case) != (several[each.command] > 1)] == []


def test_each_field_is_described_in_a_sentence() -> None:
    fields = {
        f"{name}.{field}": part["description"]
        for name, definition in SCHEMA["$defs"].items()
        for field, part in definition.get("properties", {}).items()
    }
    assert len(fields) > 200
    assert [name for name, text in fields.items() if not re.fullmatch(r"[A-Z`].*\.", text)] == []


def test_the_schema_is_valid_and_open_to_new_fields() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert all(definition.get("additionalProperties") is not False for definition in SCHEMA["$defs"].values())
    Draft202012Validator(SCHEMA).validate({"error": "no", "code": 2, "a later field": 1})


def test_the_page_has_a_section_for_each_document() -> None:
    page = json_page.page()
    assert [each.name for each in DOCUMENTS if f"\n## {each.name}\n" not in page] == []


@pytest.mark.parametrize(
    ("document", "faults"),
    [
        ({"error": "no", "code": 2}, 0),
        ({"error": "no"}, 1),
        ({"error": "no", "code": "2"}, 1),
        ({"error": "no", "code": 2, "more": 1}, 1),
        ([], 1),
    ],
)
def test_a_document_of_another_shape_is_found(document: object, faults: int) -> None:
    assert len(json_documents.faults_of(document, "error")) == faults


def test_the_output_of_a_command_is_compared_with_its_own_documents() -> None:
    assert json_documents.names(("dead", "list", "--json")) == ["error", "dead-letter-groups", "dead-letters"]
    assert json_documents.names(("pricing", "--json")) == ["error", "run", "planned-run"]
    assert json_documents.faults('{"verdict": "done"}', ("effects", "mail")) != []


def changed(path: str, value: Any = None) -> list[str]:
    """Breaking changes if a part of the schema has another value; without the part for None."""
    after = copy.deepcopy(SCHEMA)
    *above, last = path.split("/")
    part = after["$defs"]
    for name in above:
        part = part[name]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return list(json_schema.withdrawn(SCHEMA, after))


@pytest.mark.parametrize(
    ("path", "value", "breaks"),
    [
        ("SentMessage/properties/messageId/description", "Another text.", []),
        ("SentMessage/properties/more", {"type": "string"}, []),
        ("SentMessage/properties/messageId", None, ["sent.messageId is gone"]),
        ("SentMessage/properties/messageId/type", "integer", ["sent.messageId has another type"]),
        ("SentMessage/required", ["job", "queue"], ["sent.messageId may be absent"]),
        ("JobStatus/properties/note/type", "integer", ["statuses.note has another type"]),
        ("LogLine/properties/message", None, ["log.message is gone"]),
        ("sent", None, ["the document sent is gone"]),
    ],
)
def test_a_change_within_a_version_may_only_add(path: str, value: Any, breaks: list[str]) -> None:
    assert changed(path, value) == breaks


def test_another_version_may_break(tmp_path: Any) -> None:
    after = copy.deepcopy(SCHEMA)
    del after["$defs"]["SentMessage"]["properties"]["messageId"]
    after["$defs"]["sent"]["x-version"] = 2
    assert list(json_schema.withdrawn(SCHEMA, after)) == []
    stored = tmp_path / main.JSON_SCHEMA
    stored.parent.mkdir(parents=True)
    stored.write_text(json.dumps(SCHEMA))
    after["$defs"]["sent"]["x-version"] = 1
    assert main.breaking_changes(tmp_path, {main.JSON_SCHEMA: json.dumps(after)}) == ["sent.messageId is gone"]
    assert main.breaking_changes(tmp_path / "new", {main.JSON_SCHEMA: json.dumps(after)}) == []
