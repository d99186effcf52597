"""The OpenAPI 3.1 document of all Function URLs, made from their routes.

The checked-in copy is docs/reference/openapi.json; the function `console` serves the one of its bundle.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from shared.http.local_ports import LOCAL_PORTS
from shared.http.openapi_answers import NOT_MODIFIED
from shared.http.problem import MEDIA_TYPE, Problem, ProblemDetails, ProblemType

if TYPE_CHECKING:
    from types import ModuleType

    from shared.http.function_url import FunctionUrlResolver

FILE = "openapi.json"
TITLE, VERSION = "Nightshift", "1.0.0"
DESCRIPTION = (
    "Four Lambda functions, each with a URL of its own: the servers of a path are those of its function. "
    "Refusals are problem details (RFC 9457) with `action`, what the client can do; the pages of the console "
    "answer with HTML."
)
# Powertools documents 422 for invalid input, with these schemas; we answer 400.
UNUSED_SCHEMAS = ("HTTPValidationError", "ValidationError", "ResponseValidationError")
ETAG = {"description": "Changes with the answer", "schema": {"type": "string"}}

Document = dict[str, Any]


@cache
def load() -> Document:
    """The document of this bundle; of the routes in a checkout."""
    shipped = Path(__file__).resolve().parents[2] / FILE
    if shipped.exists():
        loaded: Document = json.loads(shipped.read_text())
        return loaded
    from shared.job import registry

    return of(registry.endpoints())


def text(endpoints: Iterable[str]) -> str:
    return json.dumps(of(endpoints), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def of(endpoints: Iterable[str]) -> Document:
    """Make the document of these folders of functions/."""
    paths: Document = {}
    schemas: Document = {"ProblemDetails": _details_schema()}
    examples: Document = {}
    tags = []
    for name in endpoints:
        module = importlib.import_module(f"functions.{name}.handler")
        tags.append({"name": name, "description": documented_path((module.__doc__ or "").partition("\n")[0])})
        document = _of_app(module.APP)
        _merge(examples, _examples(module.APP))
        _merge(schemas, document["schemas"])
        _merge(paths, {path: _served(item, name) for path, item in {**document["paths"], **_pages(module)}.items()})
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION, "description": DESCRIPTION},
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "examples": examples,
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Internal-Health"},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-session",
                    "description": "Set by POST /ui/login; `session` on the local cloud",
                },
            },
        },
    }


def _of_app(app: FunctionUrlResolver) -> Document:
    """The document of one function, with the problems of its routes."""
    document: Document = json.loads(app.get_openapi_json_schema(title=TITLE, version=VERSION))
    paths = {_unescaped(path): item for path, item in document["paths"].items()}
    for (rule, method), kinds in app.problems.items():
        operation = paths[documented_path(rule)][method.lower()]
        responses = operation["responses"]
        responses.pop("422", None)
        if "304" in responses:
            responses["304"] = {"description": NOT_MODIFIED["description"], "headers": {"ETag": ETAG}}
            responses["200"]["headers"] = {"ETag": ETAG}
        responses.get("302", {}).pop("content", None)
        responses |= _problems(kinds, app.media_type)
        operation["security"] = [{"token": []}] if app.guarded else []
    schemas = document.get("components", {}).get("schemas", {})
    kept = {name: schema for name, schema in schemas.items() if name not in UNUSED_SCHEMAS}
    return {"paths": paths, "schemas": kept}


def documented_path(rule: str) -> str:
    """The path of a route in the document: `/jobs/{id}`."""
    return _unescaped(re.sub(r"<(\w+)>", r"{\1}", rule))


def _unescaped(path: str) -> str:
    return path.replace("\\.", ".")


def _examples(app: FunctionUrlResolver) -> Document:
    """Each problem of the function's routes."""
    kinds = sorted({kind for kinds in app.problems.values() for kind in kinds}, key=lambda kind: kind.name)
    return {kind.name: {"summary": kind.title, "value": Problem(kind, "…").body()} for kind in kinds}


def _problems(kinds: Iterable[ProblemType], media_type: str) -> Document:
    """Responses of these problems, by status."""
    by_status: dict[int, list[ProblemType]] = {}
    for kind in dict.fromkeys(kinds):
        by_status.setdefault(kind.status, []).append(kind)
    return {
        str(status): {
            "description": "; ".join(kind.title for kind in same),
            "content": {media_type: _details(same) if media_type == MEDIA_TYPE else {"schema": {"type": "string"}}},
        }
        for status, same in sorted(by_status.items())
    }


def _details(kinds: Iterable[ProblemType]) -> Document:
    examples = {kind.name: {"$ref": f"#/components/examples/{kind.name}"} for kind in kinds}
    return {"schema": {"$ref": "#/components/schemas/ProblemDetails"}, "examples": examples}


def _details_schema() -> Document:
    fields = get_type_hints(ProblemDetails)
    return {
        "type": "object",
        "title": "ProblemDetails",
        "description": "RFC 9457. `action`: what the client can do; `error`: the same as `detail`. There may be more.",
        "properties": {name: {"type": "integer" if kind is int else "string"} for name, kind in fields.items()},
        "required": [*fields],
    }


def _pages(module: ModuleType) -> Document:
    """Paths that the function serves outside of its routes."""
    pages: Document = module.page_paths() if hasattr(module, "page_paths") else {}
    return pages


def _served(item: Document, name: str) -> Document:
    """A path with the servers and the tag of its function."""
    for operation in item.values():
        operation["tags"] = [name]
    return {**item, "servers": _servers(name)}


def _servers(name: str) -> list[Document]:
    host = {"default": "abc123", "description": f"first part of the output Address of {name} in the stack `front`"}
    region = {"default": "us-east-1", "description": "region of the deployment"}
    deployed = {
        "url": "https://{host}.lambda-url.{region}.on.aws",
        "description": f"{name}, deployed",
        "variables": {"host": host, "region": region},
    }
    port = LOCAL_PORTS.get(name)
    local = {"url": f"http://127.0.0.1:{port}", "description": f"{name} on the local cloud"}
    return [deployed, local] if port else [deployed]


def _merge(into: Document, more: Document) -> None:
    """Add entries. Raises ValueError for one that exists with another content."""
    for name, value in more.items():
        if into.setdefault(name, value) != value:
            raise ValueError(f"two Function URLs declare {name!r}; rename one of them")
