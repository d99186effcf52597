"""docs/reference/http-operations.md, from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

HEAD = """# HTTP operations

Every operation of the four Function URLs, generated from their routes. [openapi.json](openapi.json) is the same as an
OpenAPI 3.1 document, with the shapes of all requests and answers; the function `console` serves it as
`GET /openapi.json`. [HTTP API](http-api.md) explains how they are used.
"""
PROBLEMS = """## Problems

A refusal is a problem document (RFC 9457, `application/problem+json`): `type` is `urn:nightshift:problem:` and a name
of this table, `detail` names what is wrong with this request, and `action` states what the client can do.

| name | status | title | action |
|---|---|---|---|"""
OPERATIONS = """
| operation | purpose | parameters | answers |
|---|---|---|---|"""

Document = dict[str, Any]


def page(document: Document) -> str:
    """The text of the page."""
    return "\n".join([HEAD, *_functions(document), PROBLEMS, *_problems(document), ""])


def _functions(document: Document) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"## {tag['name']}\n\n{tag['description']}\n{OPERATIONS}"
        for path, item in document["paths"].items():
            for method, operation in item.items():
                if method != "servers" and tag["name"] in operation["tags"]:
                    yield _row(path, method, operation)
        yield ""


def _row(path: str, method: str, operation: Document) -> str:
    parameters = ", ".join(f"`{each['name']}`" for each in operation.get("parameters", ()) if each["in"] != "path")
    body = " and a body" if "requestBody" in operation else ""
    given = f"{parameters}{body}".removeprefix(" and ")
    statuses = ", ".join(sorted(operation["responses"]))
    return f"| `{method.upper()} {path}` | {operation['summary']} | {given} | {statuses} |"


def _problems(document: Document) -> Iterator[str]:
    for name, example in sorted(document["components"]["examples"].items()):
        value = example["value"]
        yield f"| `{name}` | {value['status']} | {value['title']} | {value['action']} |"
